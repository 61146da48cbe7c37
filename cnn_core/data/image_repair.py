"""Image files that Pillow refuses though no pixel of them is missing.

In: the bytes of a file that could not be decoded. Out: its bytes without what stands in the way, or None. A PNG loses texts and a profile
that are damaged or larger than Pillow's limits. A JPEG whose end marker is missing gets one, but only if all of its rows arrived.
"""

import hashlib
import io
import struct
import zlib

from PIL import Image

from cnn_core.data.decoding_cost import PNG
from cnn_core.data.jpeg_structure import JPEG, scan_headers

PNG_TEXTS, PNG_PROFILE = (b"tEXt", b"zTXt", b"iTXt"), b"iCCP"
END_MARKER = b"\xff\xd9"
MAX_PROFILE = 2**20  # bytes, Pillow's limit
MAX_CHECKED_PIXELS = 40_000_000  # of a JPEG without its end, decoded in full: at most 480 MB
FILLING = 512  # bytes in place of missing rows: they change the image where any are missing
FILLERS = (b"\x00" * FILLING, b"\xaa" * FILLING, b"\x55" * FILLING)
DECODINGS = 1 + len(FILLERS)  # that a repaired JPEG takes


def repair(data: bytes) -> bytes | None:
    """Return the file so that it can be decoded, None where it is really damaged. Raises the errors of Pillow's decoders."""
    if data.startswith(PNG):
        return _without_texts(data)
    if data.startswith(JPEG) and not data.rstrip(b"\0").endswith(END_MARKER):
        return _with_end(data)
    return None


def components_of_first_scan(jpeg: bytes) -> int:
    """Return the number of components in the first scan: with fewer than all, a decoder keeps the coefficients of the whole image."""
    return next((header[0] for header in scan_headers(jpeg)), 0)


def _without_texts(png: bytes) -> bytes | None:
    """Return a PNG without its texts and without a profile that cannot be read, None where it has neither."""
    kept, place = [PNG], len(PNG)
    while place + 12 <= len(png):
        length, kind = struct.unpack_from(">L4s", png, place)
        chunk = png[place : place + 12 + length]
        if kind not in PNG_TEXTS and not (kind == PNG_PROFILE and not _is_valid_profile(chunk)):
            kept.append(chunk)
        place += len(chunk)
    repaired = b"".join(kept)
    return repaired if len(repaired) < place else None


def _is_valid_profile(chunk: bytes) -> bool:
    """Whether a chunk has the right checksum and its profile unpacks within the limit."""
    body = chunk[8:-4]
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
        return False
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(body[body.find(b"\0") + 2 :], MAX_PROFILE)
    except zlib.error:
        return False
    return not unpacker.unconsumed_tail


def _with_end(jpeg: bytes) -> bytes | None:
    """Return a JPEG with an end marker, None where rows or scans are missing: then it looks different with each filler."""
    jpeg = jpeg.rstrip(b"\xff")
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as opened:
        components = len(getattr(opened, "layer", ()))
        if opened.width * opened.height > MAX_CHECKED_PIXELS or not _has_all_scans(jpeg, components):
            return None
    looks = {_digest(jpeg + filler + END_MARKER) for filler in FILLERS}
    return jpeg + END_MARKER if len(looks) == 1 else None


def _digest(jpeg: bytes) -> bytes:
    digest = hashlib.blake2b()
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as opened:
        opened.load()
        for row in range(opened.height):
            digest.update(opened.crop((0, row, opened.width, row + 1)).tobytes())
    return digest.digest()


def _has_all_scans(jpeg: bytes, components: int) -> bool:
    """Whether the scans contain every coefficient of every component to its last bit."""
    complete: set[tuple[int, int]] = set()
    for header in scan_headers(jpeg):
        count = header[0]
        first, last, precision = header[1 + 2 * count : 4 + 2 * count]
        if not precision & 15:
            complete |= {(header[1 + 2 * number], k) for number in range(count) for k in range(first, min(last, 63) + 1)}
    return len(complete) == 64 * components
