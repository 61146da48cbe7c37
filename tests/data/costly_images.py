"""PNG, WebP, BMP and GIF files, EXIF data and colour profiles built to take long or much memory to decode; with `costly_jpegs`, of all kinds."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.data.costly_jpegs import COSTLY_JPEGS, TURNED, Maker, megabytes, segment, side, small
from tests.data.photographs import encode

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_MODES = {(8, 0): 1, (8, 2): 3, (8, 3): 1, (8, 6): 4, (16, 0): 2, (16, 6): 8, (16, 2): 6, (8, 4): 2}  # bytes per pixel


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def png(
    extra: bytes = b"", width: int = 16, depth: int = 8, colour: int = 0, interlaced: bool = False, behind: bytes = b""
) -> bytes:
    """A black PNG with chunks before its pixels, or behind them."""
    header = chunk(b"IHDR", struct.pack(">2L5B", width, width, depth, colour, 0, 0, interlaced))
    packer = zlib.compressobj(9)
    row = bytes(1 + width * PNG_MODES[depth, colour])
    pixels = b"".join([*(packer.compress(row) for _ in range(width + (width // 2 + 20) * interlaced)), packer.flush()])
    return SIGNATURE + header + extra + chunk(b"IDAT", pixels) + behind + chunk(b"IEND", b"")


def repeated(rng: np.random.Generator, *chunks: bytes) -> bytes:
    """One of the chunks, as often as fits, before the pixels or behind them."""
    one = chunks[int(rng.integers(len(chunks)))]
    many = one * (megabytes(rng) // len(one))
    return png(many) if rng.random() < 0.5 else png(behind=many)


def texts(rng: np.random.Generator) -> bytes:
    return repeated(rng, *(chunk(kind, b"a\0b\0\0\0\0") for kind in (b"tEXt", b"iTXt", b"teSt", b"tIME")))


def packed_texts(rng: np.random.Generator) -> bytes:
    """Compressed texts and profiles, of 1 MB each; Pillow counts none that has no key."""
    bomb = zlib.compress(bytes(2**20 - 1), 9)
    return repeated(rng, chunk(b"zTXt", b"\0\0" + bomb), chunk(b"zTXt", b"a\0\0" + bomb), chunk(b"iCCP", b"x\0\0" + bomb))


def wide_text(rng: np.random.Generator) -> bytes:
    """A text whose characters take 4 bytes in memory because of one of them."""
    return png(chunk(b"iTXt", b"a\0\0\0\0\0" + "😀".encode() + b"a" * megabytes(rng)))


def empty_pixel_chunks(rng: np.random.Generator) -> bytes:
    return png(chunk(b"IDAT", b"") * (megabytes(rng) // 12))


def pixel_chunks_of_one_byte(rng: np.random.Generator) -> bytes:
    whole = png(width=int(rng.integers(400, 3000)))
    pixels = whole[41 : int.from_bytes(whole[33:37], "big") + 41] + bytes(megabytes(rng, 30) // 13)
    return SIGNATURE + whole[8:33] + b"".join(chunk(b"IDAT", bytes([byte])) for byte in pixels) + chunk(b"IEND", b"")


def large_png(rng: np.random.Generator) -> bytes:
    depth, colour = list(PNG_MODES)[int(rng.integers(len(PNG_MODES)))]
    palette = chunk(b"PLTE", bytes(range(9))) + chunk(b"tRNS", b"\0\x80") if colour == 3 else b""
    turned = chunk(b"eXIf", TURNED) if rng.random() < 0.5 else b""
    return png(palette + turned, side(rng), depth, colour, bool(rng.random() < 0.3))


def animation_frames(rng: np.random.Generator) -> bytes:
    count = megabytes(rng) // 38
    controls = b"".join(chunk(b"fcTL", struct.pack(">5L2H2B", n, 16, 16, 0, 0, 1, 1, 0, 0)) for n in range(min(count, 200_000)))
    return png(chunk(b"acTL", struct.pack(">2L", count, 0)) + controls)


def exif_of(rng: np.random.Generator, most: int) -> bytes:
    """EXIF data: rational numbers, each a Python object; or entries whose data is elsewhere, each a warning."""
    if rng.random() < 0.5:
        count = most // 8 - 8
        return b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHLLL", 274, 5, count, 26, 0) + bytes([0, 0, 0, 6, 0, 0, 0, 1]) * count
    count = min(65_000, most // 12 - 8)
    entries = b"".join(struct.pack(">HHLL", tag, 2, 2**31, 8) for tag in range(300, 300 + count))
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", count + 1) + struct.pack(">HHLL", 274, 3, 1, 6 << 16) + entries + bytes(8)


def exif(rng: np.random.Generator) -> bytes:
    size = megabytes(rng)
    match int(rng.integers(3)):
        case 0:
            whole = exif_of(rng, size)
            parts = [whole[place : place + 65_000] for place in range(0, len(whole), 65_000)]
            return small(b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts))
        case 1:
            return png(chunk(b"eXIf", exif_of(rng, size)))
        case _:
            return encode(Image.new("RGB", (16, 16)), "WEBP", exif=exif_of(rng, size))


def curves_of(parts: int) -> bytes:
    """A step of a profile's conversion: three curves at one place, of so many parts."""
    breaks = np.linspace(0.01, 0.99, parts - 1).astype(">f4").tobytes()
    curve = b"curf\0\0\0\0" + struct.pack(">2H", parts, 0) + breaks
    curve += (b"parf\0\0\0\0\0\0\0\0" + struct.pack(">4f", 1.1, 1, 0, 0)) * parts
    return b"cvst\0\0\0\0\0\3\0\3" + struct.pack(">2L", 36, len(curve)) * 3 + curve


def profile_with(step: bytes, count: int) -> bytes:
    """A colour profile whose conversion has the same step many times."""
    positions = struct.pack(">2L", 16 + 8 * count, len(step)) * count
    tag = b"mpet\0\0\0\0\0\3\0\3" + struct.pack(">L", count) + positions + step
    header = struct.pack(">L4sL4s4s4s", 156 + len(tag), b"lcms", 0x04300000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">3L", 0xF6D6, 0x10000, 0xD32D)
    names = b"".join(struct.pack(">4s2L", name, 156, len(tag)) for name in (b"D2B0", b"D2B1"))
    return header.ljust(128, b"\0") + struct.pack(">L", 2) + names + tag


def profile_of(rng: np.random.Generator, size: int) -> bytes:
    """A colour profile of many steps, or of few with curves of many parts."""
    if rng.random() < 0.3:
        return profile_with(b"matf\0\0\0\0\0\3\0\3" + struct.pack(">12f", *np.eye(3, 4).ravel()), size // 8)
    parts = int(10 ** rng.uniform(0.4, 3))
    return profile_with(curves_of(parts), min(size // 8, int(10 ** rng.uniform(0, 4))))


def profile(rng: np.random.Generator) -> bytes:
    size = int(10 ** rng.uniform(3.5, 5.9))
    if rng.random() < 0.5:
        return png(chunk(b"iCCP", b"x\0\0" + zlib.compress(profile_of(rng, size))), colour=2)
    return encode(Image.new("RGB", (16, 16)), str(rng.choice(["WEBP", "JPEG"])), icc_profile=profile_of(rng, size))


def webp(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<L", len(data)) + data + b"\0" * (len(data) % 2)


def unknown_webp_chunks(rng: np.random.Generator) -> bytes:
    still = encode(Image.new("RGB", (16, 16)), "WEBP")[12:]
    header = riff(b"VP8X", bytes(4) + (15).to_bytes(3, "little") * 2)
    return webp(header, still, riff(b"ABCD", b"") * (megabytes(rng) // 8))


def webp_frames(rng: np.random.Generator) -> bytes:
    still = encode(Image.new("RGB", (2, 2)), "WEBP", lossless=True)[12:]
    frame = riff(b"ANMF", bytes(6) + (1).to_bytes(3, "little") * 2 + b"\x0a\0\0\0" + still)
    header = riff(b"VP8X", b"\2\0\0\0" + (int(rng.integers(2, 5400)) - 1).to_bytes(3, "little") * 2)
    return webp(header, riff(b"ANIM", bytes(6)), frame * (megabytes(rng) // len(frame)))


def large_webp(rng: np.random.Generator) -> bytes:
    width = int(rng.integers(2000, 5477))
    mode = str(rng.choice(["RGB", "RGBA"]))
    return encode(Image.new(mode, (width, width)), "WEBP", lossless=bool(rng.random() < 0.5), quality=0, method=0)


def bmp(width: int, height: int, bits: int, compression: int, data: bytes) -> bytes:
    palette = b"".join(bytes((level, 0, 0, 0)) for level in range(1 << bits)) if bits <= 8 else b""
    header = struct.pack("<LllHHLLllLL", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<LLL", 54 + len(palette) + len(data), 0, 54 + len(palette)) + header + palette + data


def run_lengths(rng: np.random.Generator) -> bytes:
    """A BMP whose run lengths are unpacked in Python: ends of lines, short runs, runs in full rows, steps."""
    width, bits = int(10 ** rng.uniform(1.5, 3.9)), int(rng.choice([4, 8]))
    codes = (b"\0\0\1\1", b"\1\1", b"\xff\1", b"\0\2\0\0", b"\0\2\1\0", b"\1\1\0\0", b"\0\0")
    code = codes[int(rng.integers(len(codes)))]  # the generator's own choice would lose zeros at the end
    return bmp(width, int(rng.choice([width, -width])), bits, 1 if bits == 8 else 2, code * (megabytes(rng) // len(code)))


def large_bmp(rng: np.random.Generator) -> bytes:
    width, bits = side(rng), int(rng.choice([1, 4, 8]))
    return bmp(width, width, bits, 0, bytes(-(-width * bits // 32) * 4 * width)[: 63 * 2**20])


def gif(width: int, before: bytes = b"", codes: bytes = b"\2\x4c\1", behind: bytes = b"", flags: int = 0) -> bytes:
    """A GIF with two colours, transparent where it has no others, with blocks before its frame and behind it."""
    screen = b"GIF89a" + struct.pack("<2H3B", width, width, 0x80, 0, 0) + bytes((255, 0, 0, 0, 0, 255))
    return screen + before + b"," + struct.pack("<4HB", 0, 0, width, width, flags) + b"\2" + codes + b"\0" + behind + b";"


def gif_blocks(rng: np.random.Generator) -> bytes:
    kind = int(rng.choice([0xFE, 0xFF, 0xF9, 0x01]))
    block = (b"\1a", b"\xff" + b"a" * 255)[int(rng.integers(2))]
    count = megabytes(rng) // len(block)
    blocks = (
        b"!" + bytes([kind]) + block * count + b"\0"
        if rng.random() < 0.6
        else (b"!" + bytes([kind]) + (b"\1a\0", b"\0")[int(rng.integers(2))]) * (count // 4)
    )
    return gif(16, blocks) if rng.random() < 0.5 else gif(16, behind=blocks)


def gif_junk(rng: np.random.Generator) -> bytes:
    data = bytes([int(rng.choice([0, 1, 0x80]))]) * megabytes(rng)
    return gif(16, data) if rng.random() < 0.5 else gif(16, behind=data)


def gif_frames(rng: np.random.Generator) -> bytes:
    frame = b"," + struct.pack("<4HB", 0, 0, 16, 16, 0) + b"\2\2\x4c\1\0"
    return gif(16, behind=frame * (megabytes(rng) // len(frame)))


def large_gif(rng: np.random.Generator) -> bytes:
    """A GIF of one colour, whose codes unpack to thousands of pixels each."""
    image = Image.new("P", (side(rng),) * 2)
    image.putpalette([255, 0, 0, 0, 0, 255])
    return encode(image, "GIF", transparency=int(rng.integers(2)), interlace=int(rng.integers(2)))


def gif_codes(rng: np.random.Generator) -> bytes:
    """Codes that clear the table and produce no pixels."""
    codes = b"\xff" + bytes([0b100_100_10, 0b0_100_100_1, 0b100_100_10]) * 85
    return gif(int(rng.integers(16, 5000)), codes=codes * (megabytes(rng) // 256))


COSTLY_IMAGES: dict[str, Maker] = {
    "texts": texts,
    "compressed texts": packed_texts,
    "wide text": wide_text,
    "empty pixel chunks": empty_pixel_chunks,
    "pixel chunks of one byte": pixel_chunks_of_one_byte,
    "large PNG": large_png,
    "animation frames": animation_frames,
    "EXIF": exif,
    "colour profile": profile,
    "unknown WebP chunks": unknown_webp_chunks,
    "WebP frames": webp_frames,
    "large WebP": large_webp,
    "run lengths": run_lengths,
    "large BMP": large_bmp,
    "GIF blocks": gif_blocks,
    "GIF junk": gif_junk,
    "GIF frames": gif_frames,
    "large GIF": large_gif,
    "GIF codes": gif_codes,
}


def costly_files(count: int, seed: int, part: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield `count` kinds and files, every kind in turn whose name has that part. The same seed gives the same files."""
    makers = [(kind, make) for kind, make in (COSTLY_JPEGS | COSTLY_IMAGES).items() if part in kind]
    for number in range(count):
        kind, make = makers[number % len(makers)]
        yield kind, make(np.random.default_rng((seed, number)))
