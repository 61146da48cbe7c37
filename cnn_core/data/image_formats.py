"""Which files are images: their first bytes decide, not their names.

In: the first bytes of a file and its suffix. Out: whether the decoder reads its format, or the name of another format with what to do.
Saved from a browser or a crawler, a JPEG may be called `photo.jfif`, `photo.jpg_large`, `photo.jpeg~` or only `photo`.
"""

import os

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".jpe", ".pjpeg", ".pjp", ".png", ".webp", ".bmp", ".gif"))
START_BYTES = 32  # that tell the format of a file
SVG_BYTES = 1024  # in which an SVG drawing begins, after comments
BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes: the sizes of the second header of a BMP
RAW_SUFFIXES = frozenset(
    (
        ".arw",
        ".cr2",
        ".cr3",
        ".dng",
        ".erf",
        ".iiq",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".sr2",
        ".srf",
        ".srw",
    )
)
HEIC, AVIF, RAW = "a HEIC photograph", "an AVIF image", "a raw file of a camera"
TIFF, PSD, SVG, PDF = "a TIFF image", "a Photoshop document (PSD)", "an SVG drawing", "a PDF document"
JPEG_2000, JPEG_XL, ICON = "a JPEG 2000 image", "a JPEG XL image", "an icon (ICO)"
SAVE_AS = {name: "JPEG" for name in (HEIC, AVIF, RAW, JPEG_2000, JPEG_XL)} | {name: "PNG" for name in (TIFF, PSD, SVG, PDF, ICON)}
IN_A_MESSAGE = "is {name}, which is not supported. Save it as {format}."
AS_A_REASON = "it is {name}; save it as {format}"
BRANDS = {  # of files in the ISO base media format, bytes 8 to 11
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    b"crx ": RAW,
}
STARTS = (
    (b"II*\0", TIFF), (b"MM\0*", TIFF), (b"II+\0", TIFF), (b"MM\0+", TIFF), (b"8BPS", PSD), (b"%PDF-", PDF), (b"\0\0\1\0", ICON),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000), (b"\xff\x4f\xff\x51", JPEG_2000), (b"\0\0\0\x0cJXL \r\n\x87\n", JPEG_XL),
    (b"\xff\x0a", JPEG_XL), (b"FUJIFILMCCD-RAW", RAW), (b"IIU\0", RAW), (b"IIRO", RAW),
)  # fmt: skip


def suffix_of(name: str) -> str:
    """Return the suffix of a path in lower case, with its dot: ".jpg"; "" where there is none."""
    return os.path.splitext(name.rpartition("/")[2])[1].lower()


def is_image(start: bytes) -> bool:
    """Whether a file that begins with `start` (START_BYTES bytes) is a JPEG, PNG, WebP, BMP or GIF file."""
    if start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")):
        return True
    is_bmp = start[:2] == b"BM" and int.from_bytes(start[14:18], "little") in BMP_HEADERS
    return is_bmp or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def other_format(start: bytes, suffix: str) -> str:
    """Return the name of the image format, not one of FORMATS, of a file that begins with `start`; "" for a file that is no image."""
    if start[4:8] == b"ftyp":
        name = AVIF if b"avif" in start[8:] else BRANDS.get(start[8:12], "")
    else:
        name = next((name for beginning, name in STARTS if start.startswith(beginning)), "")
    if suffix in RAW_SUFFIXES and name in (TIFF, ""):  # most raw files are TIFF files of a kind
        return RAW
    text = start[:SVG_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<svg") or (
        text.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and (suffix == ".svg" or b"<svg" in text)
    ):
        return SVG
    return name


def as_a_message(name: str) -> str:
    """Return the rest of a sentence that begins with a file's name."""
    return IN_A_MESSAGE.format(name=name, format=SAVE_AS[name])


def as_a_reason(name: str) -> str:
    """Return the reason why a file of that format is skipped."""
    return AS_A_REASON.format(name=name, format=SAVE_AS[name])
