"""Zip archives from strangers: listed and read without ever writing a file by a name that the archive gives.

In: the path of a zip. Out: its members with the place of their bytes, and the bytes of one member when asked. Python's zipfile reads
the directory; what it does not check is checked here: how large that directory is before it is read, members that share bytes (the
42 kB that unpack to gigabytes; D. Fifield, A better zip bomb, 2019), sizes that lie, methods and names. Sizes are of real bytes.
"""

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cnn_core.data.decoder import MAX_BYTES
from cnn_core.errors import DataError, ImageError

MOST_MEMBERS = 100_000
LARGEST_DIRECTORY = 64 * 2**20  # bytes
LONGEST_NAME = 255  # of one folder or file, as file systems have it
END, END_SIZE, LONGEST_COMMENT = b"PK\x05\x06", 22, 2**16
LARGE_END, LARGE_END_SIZE = b"PK\x06\x06", 56  # of an archive with sizes of 64 bits, before its
LARGE_MARK, LARGE_MARK_SIZE = b"PK\x06\x07", 20  # which stands right before the end record
HEADER, HEADER_SIZE = b"PK\x01\x02", 46  # of a member, in the directory
LOCAL, LOCAL_SIZE = b"PK\x03\x04", 30  # of a member, before its bytes
DRIVE_MARK, LINK, FILE_TYPE = ":", 0o120000, 0o170000
ENCRYPTED = 0x1
JOINERS = "\u200c\u200d"  # written in Persian and in emoji, and harmless
UNPRINTABLE = "its name holds control characters or marks that turn the direction of writing"


class Member(NamedTuple):
    """One file in an archive: where its header begins, how long its packed bytes are, how they are packed, their checksum."""

    path: str
    size: int
    offset: int
    packed: int
    method: int
    crc: int


@dataclass(frozen=True)
class SkippedFile:
    """One member that is set aside, with the reason in words."""

    path: str
    reason: str


def list_members(archive: Path) -> Iterator[Member | SkippedFile]:
    """Every file in the archive, in its order; those that cannot be trusted are refused by name. Raises DataError for the whole."""
    _check_directory(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError, RecursionError):
        raise DataError(f"{archive.name} is not a zip archive that can be read, or is damaged. Pack it again.") from None
    sharing = _find_sharing(infos)
    for info in infos:
        if info.is_dir():
            continue
        if reason := _distrust(info) or ("it shares its bytes with another one" if info.header_offset in sharing else None):
            yield SkippedFile(show_name(info.orig_filename), reason)
        else:
            yield Member(info.filename, info.file_size, info.header_offset, info.compress_size, info.compress_type, info.CRC)


def read_member(archive: BinaryIO, member: Member) -> bytes:
    """The member's bytes, at most MAX_BYTES whatever its header claims. Raises ImageError when they are not what was announced."""
    name = show_name(member.path)
    archive.seek(member.offset)
    header = archive.read(LOCAL_SIZE)
    if len(header) < LOCAL_SIZE or header[:4] != LOCAL:
        raise ImageError(f"{name} is not where the archive says. Pack it again.")
    name_length, extra_length = struct.unpack("<26xHH", header)
    archive.seek(name_length + extra_length, 1)
    data = archive.read(min(member.packed, MAX_BYTES + 1))
    if member.method == zipfile.ZIP_DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, min(member.size, MAX_BYTES) + 1)
        except zlib.error:
            raise ImageError(f"{name} is damaged inside the archive. Pack it again.") from None
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} is larger than {MAX_BYTES // 2**20} MB. Save it smaller.")
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise ImageError(f"{name} is not as long as the archive says, or damaged. Pack it again.")
    return data


def show_name(name: str) -> str:
    """A name for people: what does not print, or turns the direction of writing, shown as a question mark, and not endlessly long."""
    text = name if is_printable(name) else "".join("?" if _is_unprintable(letter) else letter for letter in name)
    return text if len(text) <= 120 else f"{text[:80]}…{text[-30:]}"


def check_name(path: str) -> str | None:
    """Why a member's path is not taken, in words, or None. Nothing is written by these names; they would mislead a reader."""
    if "\\" in path:
        return "its name has backslashes"
    if path.startswith("/") or DRIVE_MARK in path.partition("/")[0]:
        return "its name is an absolute path"
    parts = path.split("/")
    if ".." in parts:
        return "its name leads out of the archive"
    if len(path) * 4 > LONGEST_NAME and any(len(part.encode("utf-8", "replace")) > LONGEST_NAME for part in parts):
        return f"its name is longer than {LONGEST_NAME} bytes"
    if not is_printable(path):
        return UNPRINTABLE
    return None


def _distrust(info: zipfile.ZipInfo) -> str | None:
    """Why a member is not taken, in words, or None."""
    if info.flag_bits & ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is packed in an unusual way (only stored and deflated members are read)"
    if (info.external_attr >> 16) & FILE_TYPE == LINK:
        return "it is a link"
    if info.header_offset < 0:
        return "it is not where the archive says"
    if info.file_size > MAX_BYTES:
        return f"it is larger than {MAX_BYTES // 2**20} MB"
    if info.orig_filename != info.filename:  # zipfile cuts a name at a zero byte
        return UNPRINTABLE
    return check_name(info.filename)


def is_printable(name: str) -> bool:
    """Whether a name can be shown as it is: no control characters, no marks that turn the direction of writing, no broken bytes."""
    return name.isprintable() or not any(_is_unprintable(letter) for letter in name)  # the first is quick and stricter


def _is_unprintable(letter: str) -> bool:
    return letter not in JOINERS and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _find_sharing(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Header offsets of members whose bytes begin before those of another member have ended."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    sharing, end, last = set(), 0, -1
    for info in ordered:
        if info.header_offset < end:
            sharing |= {info.header_offset, last}
        if (mine := info.header_offset + LOCAL_SIZE + len(info.orig_filename) + info.compress_size) > end:
            end, last = mine, info.header_offset
    return sharing


def _check_directory(archive: Path) -> None:
    """Refuse an archive whose directory would take long or much memory to read, before it is read. Raises DataError."""
    try:
        with archive.open("rb") as file:
            length = file.seek(0, 2)
            begin = file.seek(max(0, length - END_SIZE - LONGEST_COMMENT - LARGE_END_SIZE - LARGE_MARK_SIZE))
            tail = file.read()
            at = tail.rfind(END)
            if at < 0 or len(tail) - at < END_SIZE:
                raise DataError(f"{archive.name} is not a zip archive, or is cut short. Pack or copy it again.")
            size = struct.unpack("<12xI6x", tail[at : at + END_SIZE])[0]
            large = at - LARGE_MARK_SIZE - LARGE_END_SIZE  # as zipfile looks for it: another place would be another directory
            if large >= 0 and tail.startswith(LARGE_END, large) and tail.startswith(LARGE_MARK, at - LARGE_MARK_SIZE):
                at, size = large, struct.unpack_from("<40xQ", tail, large)[0]
            file.seek(max(0, begin + at - size))
            is_too_much = size > LARGEST_DIRECTORY or _count_headers(file.read(size)) > MOST_MEMBERS
    except OSError as error:
        raise DataError(f"{archive} cannot be opened ({error.strerror}). Check the path and its permissions.") from None
    if is_too_much:
        raise DataError(
            f"{archive.name} has more than {MOST_MEMBERS:,} members. Unpack it on the machine that runs the studio and give that folder's path."
        )


def _count_headers(directory: bytes) -> int:
    """How many members a directory lists; counting ends beyond MOST_MEMBERS. What its end record claims may be wrong."""
    count = at = 0
    while directory[at : at + 4] == HEADER and len(directory) - at >= HEADER_SIZE and count <= MOST_MEMBERS:
        at += HEADER_SIZE + sum(struct.unpack_from("<3H", directory, at + 28))
        count += 1
    return count
