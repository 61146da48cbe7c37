"""The structure of a JPEG file: its segments, frames and scans, walked without decoding.

In: the bytes of a file. Out: its segments, the headers of its scans, and what makes decoding it too expensive. A decoder visits the
coefficients of the whole image in every scan of a progressive JPEG, and Pillow reads the segments before the first scan in Python.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cnn_core.data.metadata_cost import MAX_JUNK, CostlyFile, check_exif_size, check_profile

JPEG = b"\xff\xd8\xff"
MAX_SCANS = 100  # programs write 1 to about 30
MAX_VISITS = (
    2_500_000_000  # of coefficients, about 0.4 ns each; a photograph needs up to 12 per pixel, and blocks in about 15 scans
)
BLOCK_VISITS = 30  # the time that a block takes in any scan, as visits of a coefficient
ARITHMETIC_VISITS = 10  # the time of a visit with arithmetic coding, as visits with Huffman coding
MAX_SEGMENTS, MAX_FRAMES, MAX_EXIF_SEGMENTS = 4096, 4, 32  # before the first scan; programs write up to about 1000, 1 and 1
MAX_HEADER_BYTES = 16 * 2**20  # before the first scan; thumbnails, depth maps and XMP have up to about 5 MB
SMALL = 4 * MAX_SEGMENTS  # bytes, of a JPEG that cannot exceed a limit with one scan
FILL = b"\xff" * 2**17  # longer than a segment; a decoder reads fill bytes again with every 64 kB that it gets
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # also within the data of a scan
SCAN, END, APP1, APP2 = 0xDA, 0xD9, 0xE1, 0xE2
NO_LENGTH = (0x01, 0xD8)  # markers without a segment, beside restart markers
FRAMES = frozenset((*range(0xC0, 0xD0), 0xDE)) - {0xC4, 0xC8, 0xCC}
ARITHMETIC = frozenset((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
ARITHMETIC_FRAME = re.compile(rb"\xff[\xc9-\xcb\xcd-\xcf]")
UNREAD = frozenset(
    (0x00, 0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE), 0xFF)
)  # Pillow skips these bytes, but no segment behind them
PROFILE = b"ICC_PROFILE\0"
TOO_MANY_SCANS, TOO_LONG_SCANS = "too many scans", "too many scans for its size"
TOO_MANY_SEGMENTS, TOO_LARGE_HEADER, TOO_MUCH_FILL = "too many segments", "too much data before its pixels", "too many fill bytes"


@dataclass(frozen=True)
class Frame:
    """The blocks of 8×8 pixels that each component has, by its identifier."""

    blocks: dict[int, int]
    is_arithmetic: bool


def jpeg_segments(jpeg: bytes, place: int = 2) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of every segment up to the end marker, with the places of its first byte behind the marker and of its end."""
    while found := MARKER.search(jpeg, place):
        place, marker = found.end(), jpeg[found.end() - 1]
        if marker == END or place + 2 > len(jpeg):
            return
        if marker not in NO_LENGTH:
            end = place + max(2, int.from_bytes(jpeg[place : place + 2], "big"))
            yield marker, place, end
            place = end


def scan_headers(jpeg: bytes, place: int = 2) -> Iterator[bytes]:
    """Yield the header of every scan from `place` on."""
    return (jpeg[start + 2 : end] for marker, start, end in jpeg_segments(jpeg, place) if marker == SCAN)


def check_jpeg(jpeg: bytes, decodings: int = 1) -> None:
    """Raise CostlyFile where decoding it that many times would take seconds or much memory."""
    visits = MAX_VISITS // decodings
    if len(jpeg) <= SMALL and jpeg.count(bytes((0xFF, SCAN))) == 1 and PROFILE not in jpeg and not ARITHMETIC_FRAME.search(jpeg):
        return  # the walk would take a tenth of the import of small files
    frame, place = _walk_header(jpeg)
    if frame is None:
        return
    fill = jpeg.find(FILL, place) if len(jpeg) > len(FILL) else -1
    if fill >= 0 and not _ends_before(jpeg, place, fill):
        raise CostlyFile(TOO_MUCH_FILL)
    whole = sum(frame.blocks.values()) * (BLOCK_VISITS + 64)
    scans = jpeg.count(bytes((0xFF, SCAN)), place)  # at most, as these bytes may also stand in a comment or behind the end marker
    if scans > MAX_SCANS or scans * whole > visits or frame.is_arithmetic:
        _check_scans(jpeg, frame, place, visits)


def _walk_header(jpeg: bytes) -> tuple[Frame | None, int]:
    """Return the frame and the place of the first scan. Raises CostlyFile."""
    place, junk, segments, exif, exif_bytes = 2, 0, 0, 0, 0
    frames: list[Frame] = []
    profile: list[bytes] = []
    while place + 4 <= len(jpeg):
        marker = jpeg[place + 1]
        if jpeg[place] != 0xFF or marker in UNREAD:
            place, junk = place + 1, junk + 1
            if junk > MAX_JUNK:
                raise CostlyFile(TOO_MUCH_FILL)
            continue
        if marker == SCAN:
            break
        start, end = place + 4, place + 2 + max(2, jpeg[place + 2] << 8 | jpeg[place + 3])
        segments += 1
        if marker in FRAMES:
            frames.append(_read_frame(jpeg[start:end], marker in ARITHMETIC))
        elif marker == APP1 and jpeg.startswith(b"Exif\0\0", start):
            exif, exif_bytes = exif + 1, exif_bytes + end - start
        elif marker == APP2 and jpeg.startswith(PROFILE, start):
            profile.append(jpeg[start:end])
        if segments > MAX_SEGMENTS or len(frames) > MAX_FRAMES or exif > MAX_EXIF_SEGMENTS:
            raise CostlyFile(TOO_MANY_SEGMENTS)
        place = end
    if place > MAX_HEADER_BYTES:
        raise CostlyFile(TOO_LARGE_HEADER)
    check_exif_size(exif_bytes)
    if profile:
        check_profile(b"".join(part[len(PROFILE) + 2 :] for part in sorted(profile)))
    return frames[0] if frames else None, place


def _read_frame(header: bytes, is_arithmetic: bool) -> Frame:
    """Read the sides and the sampling of every component; a frame that cannot be read has no blocks."""
    height, width = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")
    parts = [header[place : place + 3] for place in range(6, min(len(header) - 2, 18), 3)]
    samplings = {part[0]: (max(1, part[1] >> 4), max(1, part[1] & 15)) for part in parts}
    across, down = (max((sampling[axis] for sampling in samplings.values()), default=1) for axis in (0, 1))
    blocks = {
        name: -(-width * horizontal // (8 * across)) * -(-height * vertical // (8 * down))
        for name, (horizontal, vertical) in samplings.items()
    }
    return Frame(blocks, is_arithmetic)


def _check_scans(jpeg: bytes, frame: Frame, place: int, most: int) -> None:
    """Raise CostlyFile where there are too many scans, or where together they visit more than `most` coefficients."""
    visits = 0
    for number, header in enumerate(scan_headers(jpeg, place)):
        if number >= MAX_SCANS:
            raise CostlyFile(TOO_MANY_SCANS)
        count = header[0] if header else 0
        first, last = header[1 + 2 * count : 3 + 2 * count] if len(header) >= 3 + 2 * count else (0, 63)
        blocks = sum(frame.blocks.get(name, 0) for name in header[1 : 1 + 2 * count : 2])
        coefficients = max(0, min(last, 63) - first) + 1
        visits += blocks * (BLOCK_VISITS + coefficients * (ARITHMETIC_VISITS if frame.is_arithmetic else 1))
        if visits > most:
            raise CostlyFile(TOO_LONG_SCANS)


def _ends_before(jpeg: bytes, place: int, stop: int) -> bool:
    """Whether the end marker stands between two places."""
    while found := MARKER.search(jpeg, place, stop):
        place = found.end()
        if jpeg[place - 1] == END:
            return True
        if jpeg[place - 1] not in NO_LENGTH:
            place += max(2, int.from_bytes(jpeg[place : place + 2], "big"))
    return False
