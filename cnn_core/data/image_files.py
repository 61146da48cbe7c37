"""Files of a folder or a zip that are images whatever their names are.

In: a source, and a file's path or member. Out: whether it is an image. Files with the suffix of an image are not opened, so that listing
stays fast; of the others the first bytes are read. Whether a file can be decoded is found out by the decoder.
"""

import zipfile
import zlib
from pathlib import Path

from cnn_core.data.archive import Member, seek_member
from cnn_core.data.image_formats import START_BYTES, SUFFIXES, as_a_reason, is_image, other_format, suffix_of

PACKED_BYTES = 1024  # of a member, which unpack to START_BYTES or more


def find_other_format(source: Path, path: str, member: Member | None) -> str | None:
    """Return None for an image, why it is skipped for a file of a known format that is not read, "" for any other file."""
    suffix = suffix_of(path)
    if suffix in SUFFIXES:
        return None
    start = _read_start(source, path, member)
    if is_image(start):
        return None
    name = other_format(start, suffix)
    return as_a_reason(name) if name else ""


def _read_start(source: Path, path: str, member: Member | None) -> bytes:
    """Return the first bytes of a file, b"" where it cannot be read."""
    try:
        if member is None:
            with open(f"{source}/{path}", "rb", buffering=0) as file:
                return file.read(START_BYTES)
        with source.open("rb") as archive:
            if not seek_member(archive, member):
                return b""
            packed = archive.read(min(member.packed, PACKED_BYTES))
        if member.method == zipfile.ZIP_STORED:
            return packed[:START_BYTES]
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, START_BYTES)
    except (OSError, ValueError, zlib.error):
        return b""
