"""Files that would take seconds to hours to decode, found by walking over their structure first.

In: the bytes of a file. Out: whether decoding takes far longer than an image of its size should. A decoder repeats the whole image for
each scan of a progressive JPEG, and Pillow reads headers, comments and run lengths (RLE) in Python. Limits are far beyond what programs write.
"""

import re
import struct
from collections.abc import Iterator

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
MAX_SCANS = 100  # of a JPEG; programs write 1 to about 30
MAX_SEGMENTS, MAX_EXIF_SEGMENTS = 4096, 64  # of a JPEG's header, which has at most about 1000
MAX_JUNK = 2**16  # bytes between the parts of a file
MAX_CHUNKS, MAX_PROFILES = 100_000, 8  # of a PNG
MAX_BLOCKS, MAX_COMMENTS = 500_000, 4096  # of a GIF up to its second frame; a block has up to 255 bytes
MAX_RLE_BYTES, MAX_RLE_PIXELS = 4 * 2**20, 10_000_000  # of a compressed BMP
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # of a JPEG, also within the data of a scan
SCAN, END, EXIF = 0xDA, 0xD9, 0xE1
NO_LENGTH = (0x01, 0xD8)  # markers without a segment
EXTENSION, COMMENT, FRAME, TRAILER = 0x21, 0xFE, 0x2C, 0x3B  # of a GIF


def takes_too_long(data: bytes) -> bool:
    """Whether decoding the file takes far longer than its size suggests."""
    if data.startswith(JPEG):
        return _is_slow_jpeg(data)
    if data.startswith(PNG):
        return _is_slow_png(data)
    if data.startswith(b"GIF8"):
        return _is_slow_gif(data)
    return data.startswith(b"BM") and _is_slow_bmp(data)


def jpeg_segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of every segment up to the end marker, with the places of its first byte behind the marker and of its end."""
    place = 2
    while found := MARKER.search(jpeg, place):
        place, marker = found.end(), jpeg[found.end() - 1]
        if marker == END or place + 2 > len(jpeg):
            return
        if marker not in NO_LENGTH:
            end = place + max(2, int.from_bytes(jpeg[place : place + 2], "big"))
            yield marker, place, end
            place = end


def scan_headers(jpeg: bytes) -> Iterator[bytes]:
    """Yield the header of every scan."""
    return (jpeg[start + 2 : end] for marker, start, end in jpeg_segments(jpeg) if marker == SCAN)


def _is_slow_jpeg(jpeg: bytes) -> bool:
    has_few_scans = jpeg.count(bytes((0xFF, SCAN))) <= MAX_SCANS
    if has_few_scans and len(jpeg) <= 4 * MAX_SEGMENTS and jpeg.count(b"Exif") <= MAX_EXIF_SEGMENTS:
        return False  # a segment has at least four bytes: no limit can be exceeded, and the walk would take a sixth of the import of small files
    place, junk, exif_segments = 2, 0, 0
    for number, (marker, start, end) in enumerate(jpeg_segments(jpeg)):
        junk += start - 2 - place
        place = end
        exif_segments += marker == EXIF and jpeg[start + 2 : start + 6] == b"Exif"
        if number > MAX_SEGMENTS or exif_segments > MAX_EXIF_SEGMENTS or junk > MAX_JUNK:
            return True
        if marker == SCAN:
            break
    else:
        return len(jpeg) - place > MAX_JUNK
    # The second walk is needed only where these bytes are frequent, such as in a video behind the image.
    return not has_few_scans and sum(1 for _ in scan_headers(jpeg)) > MAX_SCANS


def _is_slow_png(png: bytes) -> bool:
    place, profiles = len(PNG), 0
    for _ in range(MAX_CHUNKS):
        if place + 12 > len(png):
            return False
        length, kind = struct.unpack_from(">L4s", png, place)
        if kind == b"iCCP" and (profiles := profiles + 1) > MAX_PROFILES:
            return True
        if kind == b"IEND":
            return False
        place += 12 + length
    return True


def _is_slow_gif(gif: bytes) -> bool:
    try:
        place, frames, blocks, comments, junk = 13 + _table_size(gif[10]), 0, 0, 0, 0
        while frames < 2 and gif[place] != TRAILER:
            kind = gif[place]
            if kind not in (EXTENSION, FRAME):
                place, junk = place + 1, junk + 1
                if junk > MAX_JUNK:
                    return True
                continue
            is_comment = kind == EXTENSION and gif[place + 1] == COMMENT
            frames += kind == FRAME
            place += 2 if kind == EXTENSION else 11 + _table_size(gif[place + 9])
            while gif[place]:
                place += 1 + gif[place]
                blocks, comments = blocks + 1, comments + is_comment
                if blocks > MAX_BLOCKS or comments > MAX_COMMENTS:
                    return True
            place += 1
    except IndexError:  # the file is incomplete
        pass
    return False


def _table_size(flags: int) -> int:
    """Return the bytes of a GIF's colour table."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _is_slow_bmp(bmp: bytes) -> bool:
    if len(bmp) < 34 or int.from_bytes(bmp[14:18], "little") < 40:
        return False
    width, height, _, _, compression = struct.unpack_from("<2l2HL", bmp, 18)
    is_large = len(bmp) > MAX_RLE_BYTES or abs(width * height) > MAX_RLE_PIXELS
    return is_large and compression in (1, 2)
