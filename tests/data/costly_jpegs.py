"""JPEG files built to take long or much memory to decode, by kind. Each maker takes a generator of random numbers, which vary the kind."""

import struct
from collections.abc import Callable

import numpy as np

Maker = Callable[[np.random.Generator], bytes]
SOI, EOI = b"\xff\xd8", b"\xff\xd9"
TURNED = b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHLHHL", 274, 3, 1, 6, 0, 0)  # EXIF data
BASELINE, PROGRESSIVE, ARITHMETIC = 0xC0, 0xC2, 0xCA


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def start(width: int, height: int, components: int = 1, frame: int = BASELINE, sampling: int = 0x11) -> bytes:
    """The segments before the scans: quantization table 0, the frame, and Huffman tables 0 (DC: 0; AC: long runs of blocks or their end)."""
    parts = b"".join(bytes((number + 1, sampling if number == 0 else 0x11, 0)) for number in range(components))
    header = segment(0xDB, b"\0" + bytes([1] * 64))
    header += segment(frame, struct.pack(">BHHB", 8, height, width, components) + parts)
    header += segment(0xC4, b"\0" + bytes([1] + [0] * 15) + b"\0")
    return header + segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + (b"\xe0" if frame == PROGRESSIVE else b"\0"))


def scan(components: tuple[int, ...] = (1,), first: int = 0, last: int = 63, precision: int = 0) -> bytes:
    chosen = b"".join(bytes((component, 0)) for component in components)
    return segment(0xDA, bytes([len(components)]) + chosen + bytes((first, last, precision)))


def runs(blocks: int) -> bytes:
    """Data of a scan of AC coefficients: every block is empty, in runs of 32,767."""
    count = -(-blocks // 32_767)
    bits = ("0" + "1" * 14) * count
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return data.replace(b"\xff", b"\xff\0")


def blocks_of(width: int, height: int) -> int:
    return -(-width // 8) * -(-height // 8)


def side(rng: np.random.Generator) -> int:
    return int(rng.integers(2000, 7071))


def sparse_scans(rng: np.random.Generator) -> bytes:
    """Scans without data."""
    width = side(rng)
    scans = scan(first=1) * int(10 ** rng.uniform(1.5, 5))
    return SOI + start(width, width, frame=PROGRESSIVE) + scan(last=0) + scans + EOI


def refining_scans(rng: np.random.Generator) -> bytes:
    """Scans that visit all coefficients of all components again."""
    width, components, count = side(rng), int(rng.choice([1, 3])), int(10 ** rng.uniform(0.8, 2.5))
    data = runs(blocks_of(width, width))
    first = scan(tuple(range(1, components + 1)), last=0) + bytes(blocks_of(width, width) * components // 8 + 1)
    passes = b"".join(scan((1 + n % components,), 1, 63, 0x10 if n >= components else 1) + data for n in range(count))
    return SOI + start(width, width, components, PROGRESSIVE) + first + passes + EOI


def repeated_baseline_scans(rng: np.random.Generator) -> bytes:
    """Scans of a JPEG that is not progressive, with data."""
    width = side(rng) // 2
    data = bytes(blocks_of(width, width) // 4 + 1)
    return SOI + start(width, width) + (scan() + data) * int(min(60e6 // len(data), 10 ** rng.uniform(0.5, 2.5))) + EOI


def arithmetic_coding(rng: np.random.Generator) -> bytes:
    width, count = side(rng), int(10 ** rng.uniform(0, 2.2))
    data = bytes(np.minimum(rng.integers(0, 255, 40_000), 254).astype(np.uint8))
    scans = b"".join(scan((1 + n % 3,), 1, 63, 0) + data for n in range(count))
    return SOI + start(width, width, 3, ARITHMETIC) + scan((1, 2, 3), last=0) + data + scans + EOI


def dc_only(rng: np.random.Generator) -> bytes:
    """A progressive JPEG with one scan of three: a decoder smooths its blocks."""
    width = side(rng)
    return SOI + start(width, width, 3, PROGRESSIVE) + scan((1, 2, 3), last=0) + bytes(3 * blocks_of(width, width) // 8 + 1) + EOI


def large_flat(rng: np.random.Generator) -> bytes:
    width, components = int(rng.integers(5000, 13_300)), int(rng.choice([1, 3, 4]))
    data = bytes(blocks_of(width, width) * components // 4 + 1)
    turned = segment(0xE1, b"Exif\0\0" + TURNED) if rng.random() < 0.5 else b""
    return SOI + turned + start(width, width, components) + scan(tuple(range(1, components + 1))) + data + EOI


def small(between: bytes, before_scan: bytes = b"", in_scan: bytes = b"") -> bytes:
    """A grey JPEG of 64×64 with bytes before its frame, before its scan or within it."""
    return SOI + between + start(64, 64) + before_scan + scan() + bytes(4) + in_scan + bytes(16) + EOI


def somewhere(rng: np.random.Generator, data: bytes) -> bytes:
    """A JPEG with the data before its frame, before its scan, within it, or before another scan."""
    place = int(rng.integers(4))
    if place == 3:
        first = SOI + start(64, 64, 3) + scan((1,)) + bytes(16)
        return first + data + scan((2,)) + bytes(16) + scan((3,)) + bytes(16) + EOI
    return small(*(data if place == other else b"" for other in range(3)))


def megabytes(rng: np.random.Generator, most: float = 60) -> int:
    """A number of bytes up to the size of a file that is read."""
    return int(10 ** rng.uniform(5.5, np.log10(most * 1e6)))


def empty_segments(rng: np.random.Generator) -> bytes:
    return small(bytes((0xFF, int(rng.choice([0xE5, 0xE1, 0xED, 0xFE])), 0, 2)) * (megabytes(rng) // 4))


def full_segments(rng: np.random.Generator) -> bytes:
    return small(segment(int(rng.choice([0xE5, 0xE1, 0xED, 0xFE])), bytes(65_000)) * (megabytes(rng) // 65_000))


def exif_segments(rng: np.random.Generator) -> bytes:
    return small(segment(0xE1, b"Exif\0\0" + b"MM\0*\0\0\0\x08".ljust(65_000, b"\0")) * (megabytes(rng) // 65_000))


def markers_without_length(rng: np.random.Generator) -> bytes:
    marker = bytes((0xFF, int(rng.choice([0x01, 0xD8, 0xD0, 0xD7, 0xF0, 0xC8]))))
    return somewhere(rng, marker * (megabytes(rng) // 2))


def unread_segments(rng: np.random.Generator) -> bytes:
    """Segments of a kind that Pillow does not know, so that it reads their content as well."""
    return somewhere(rng, segment(int(rng.choice([0xF0, 0xC8, 0xFD])), bytes(65_000)) * (megabytes(rng) // 65_000))


def fill_bytes(rng: np.random.Generator) -> bytes:
    return somewhere(rng, b"\xff" * megabytes(rng) + bytes(int(rng.integers(2))))


def junk(rng: np.random.Generator) -> bytes:
    return somewhere(rng, bytes([int(rng.integers(0, 255))]) * megabytes(rng))


def fill_behind_the_scan(rng: np.random.Generator) -> bytes:
    return small(b"")[:-2] + b"\xff" * megabytes(rng) + EOI


def tables(rng: np.random.Generator) -> bytes:
    """Quantization tables or Huffman tables, 1,000 in a segment."""
    table = (bytes([1] * 65), b"\0" + bytes([1] + [0] * 15) + b"\0")[int(rng.integers(2))]
    kind = 0xDB if len(table) == 65 else 0xC4
    data = segment(kind, table * (65_000 // len(table))) * (megabytes(rng) // 65_000)
    return small(data) if rng.random() < 0.7 else small(b"", b"", data)


def photoshop_resources(rng: np.random.Generator) -> bytes:
    return small(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5400) * (megabytes(rng) // 65_000))


def multi_picture_index(rng: np.random.Generator) -> bytes:
    entries = b"".join(struct.pack(">HHLL", tag, 5, 1, 8) for tag in range(5400))
    index = segment(0xE2, b"MPF\0MM\0*\0\0\0\x08" + struct.pack(">H", 5400) + entries)
    return small(index * (megabytes(rng) // 65_000))


def frames(rng: np.random.Generator) -> bytes:
    """Frames with many components, one after another."""
    header = struct.pack(">BHHB", 8, 64, 64, 3) + bytes((1, 0x11, 0)) * 21_000
    return small(segment(0xC0, header) * (megabytes(rng) // 65_000))


def without_end(rng: np.random.Generator) -> bytes:
    """Large and without the marker of its end, so that it is decoded again to see whether it is complete."""
    make = (dc_only, refining_scans, large_flat)[int(rng.integers(3))]
    return make(rng)[:-2]


COSTLY_JPEGS: dict[str, Maker] = {
    "sparse scans": sparse_scans,
    "refining scans": refining_scans,
    "repeated baseline scans": repeated_baseline_scans,
    "arithmetic coding": arithmetic_coding,
    "DC scan only": dc_only,
    "large and flat": large_flat,
    "empty segments": empty_segments,
    "full segments": full_segments,
    "EXIF segments": exif_segments,
    "markers without length": markers_without_length,
    "unread segments": unread_segments,
    "fill bytes": fill_bytes,
    "junk": junk,
    "fill bytes behind the scan": fill_behind_the_scan,
    "tables": tables,
    "Photoshop resources": photoshop_resources,
    "multi-picture index": multi_picture_index,
    "frames": frames,
    "without end": without_end,
}
