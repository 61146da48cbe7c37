"""Files that would take seconds to hours or gigabytes to decode, found by walking over their structure first.

In: the bytes of a file. Out: what it has too much of, "" for every other file. Pillow reads chunks, comments and run lengths (RLE) in Python,
and unpacks every text and profile. Limits are far beyond what programs write. `jpeg_structure` walks JPEG files.
"""

import struct
import zlib

from cnn_core.data.jpeg_structure import JPEG, check_jpeg
from cnn_core.data.metadata_cost import MAX_JUNK, CostlyFile, check_exif_size, check_profile

PNG = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS, MAX_PACKED, MAX_PROFILES = 100_000, 128, 8  # of a PNG; packed: compressed texts, of up to 1 MB each
MAX_TEXT_BYTES = 16 * 2**20  # of a PNG, of which Pillow keeps several copies of up to 4 bytes per character
MAX_PROFILE_BYTES = 2**20  # unpacked, Pillow's limit
MAX_WEBP_CHUNKS = 20_000  # an animation has one for every frame
MAX_BLOCKS, MAX_EXTENSIONS, MAX_COMMENTS = 500_000, 4096, 4096  # of a GIF up to its second frame; a block has up to 255 bytes
MAX_RLE_BYTES, MAX_RLE_PIXELS = 4 * 2**20, 10_000_000  # of a compressed BMP
EXTENSION, COMMENT, FRAME, TRAILER = 0x21, 0xFE, 0x2C, 0x3B  # of a GIF
TOO_MANY_CHUNKS, TOO_MANY_TEXTS, TOO_MUCH_TEXT = "too many chunks", "too many compressed texts or profiles", "too much text"
TOO_MANY_BLOCKS, TOO_MUCH_JUNK, TOO_MANY_RUNS = "too many blocks", "too many bytes between its blocks", "too many run lengths"


def find_cost(data: bytes, decodings: int = 1) -> str:
    """Return what the file has too much of to be decoded that many times in a second or two, "" where nothing is known to be too much."""
    try:
        if data.startswith(JPEG):
            check_jpeg(data, decodings)
        elif data.startswith(PNG):
            _check_png(data)
        elif data.startswith(b"GIF8"):
            _check_gif(data)
        elif data.startswith(b"RIFF"):
            _check_webp(data)
        elif data.startswith(b"BM"):
            _check_bmp(data)
    except CostlyFile as costly:
        return str(costly)
    return ""


def _check_png(png: bytes) -> None:
    place, packed, profiles, text_bytes = len(PNG), 0, 0, 0
    for _ in range(MAX_CHUNKS):
        if place + 12 > len(png):
            return
        length, kind = struct.unpack_from(">L4s", png, place)
        start, place = place + 8, place + 12 + length
        if kind == b"IEND":
            return
        if kind == b"eXIf" or (kind == b"tEXt" and png.startswith(b"exif\0", start)):
            check_exif_size(length)
        if kind == b"iCCP":
            profiles += 1
            if profiles > MAX_PROFILES:
                raise CostlyFile(TOO_MANY_TEXTS)
            check_profile(_unpack_profile(png[start : start + length]))
        elif kind in (b"tEXt", b"iTXt", b"zTXt"):
            text_bytes += length
            packed += kind == b"zTXt" or (kind == b"iTXt" and _is_packed(png, start, length))
            if text_bytes > MAX_TEXT_BYTES:
                raise CostlyFile(TOO_MUCH_TEXT)
            if packed > MAX_PACKED:
                raise CostlyFile(TOO_MANY_TEXTS)
    raise CostlyFile(TOO_MANY_CHUNKS)


def _is_packed(png: bytes, start: int, length: int) -> bool:
    """Whether an iTXt chunk is compressed: a flag behind its key says so."""
    end = png.find(b"\0", start, start + length)
    return end >= 0 and png[end + 1 : end + 2] != b"\0"


def _unpack_profile(chunk: bytes) -> bytes:
    """Return the profile of an iCCP chunk, b"" where it cannot be unpacked."""
    try:
        return zlib.decompressobj().decompress(chunk[chunk.find(b"\0") + 2 :], MAX_PROFILE_BYTES)
    except zlib.error:
        return b""


def _check_webp(webp: bytes) -> None:
    place = 12
    for _ in range(MAX_WEBP_CHUNKS):
        if place + 8 > len(webp):
            return
        kind, length = struct.unpack_from("<4sL", webp, place)
        if kind == b"EXIF":
            check_exif_size(length)
        elif kind == b"ICCP":
            check_profile(webp[place + 8 : place + 8 + length])
        place += 8 + length + length % 2
    raise CostlyFile(TOO_MANY_CHUNKS)


def _check_gif(gif: bytes) -> None:
    place, frames, blocks, extensions, comments, junk = 13 + _table_size(gif, 10), 0, 0, 0, 0, 0
    while frames < 2 and place < len(gif) and gif[place] != TRAILER:
        kind = gif[place]
        if kind not in (EXTENSION, FRAME):
            place, junk = place + 1, junk + 1
            if junk > MAX_JUNK:
                raise CostlyFile(TOO_MUCH_JUNK)
            continue
        is_comment = kind == EXTENSION and gif[place + 1 : place + 2] == bytes([COMMENT])
        frames, extensions = frames + (kind == FRAME), extensions + (kind == EXTENSION)
        place += 2 if kind == EXTENSION else 11 + _table_size(gif, place + 9)
        while place < len(gif) and gif[place]:
            place += 1 + gif[place]
            blocks, comments = blocks + 1, comments + is_comment
            if blocks > MAX_BLOCKS or comments > MAX_COMMENTS:
                raise CostlyFile(TOO_MANY_BLOCKS)
        if extensions > MAX_EXTENSIONS:
            raise CostlyFile(TOO_MANY_BLOCKS)
        place += 1


def _table_size(gif: bytes, place: int) -> int:
    """Return the bytes of the colour table whose flags are at `place`."""
    flags = gif[place] if place < len(gif) else 0
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _check_bmp(bmp: bytes) -> None:
    if len(bmp) < 34 or int.from_bytes(bmp[14:18], "little") < 40:
        return
    width, height, _, _, compression = struct.unpack_from("<Ll2HL", bmp, 18)
    if compression in (1, 2) and (len(bmp) > MAX_RLE_BYTES or width * abs(height) > MAX_RLE_PIXELS):
        raise CostlyFile(TOO_MANY_RUNS)
