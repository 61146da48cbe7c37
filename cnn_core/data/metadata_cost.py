"""What is common to the walks over all formats: the error that ends them, and limits for EXIF data and colour profiles.

In: the size of EXIF data, or the bytes of a colour profile. Out: CostlyFile where reading it would take seconds or much memory. Pillow makes
a Python object of every number in EXIF data; a profile may have any number of steps, each of which is computed for every colour.
"""

MAX_JUNK = 2**16  # bytes between the parts of a file, which Pillow skips one by one
MAX_EXIF_BYTES = 2**20  # a camera writes up to 64 kB
MAX_STEPS, MAX_CHANNELS = 64, 4  # of a profile's conversion and of its steps; profiles have up to 5 and 4
MAX_CURVE_PARTS = 4096  # of all curves in a conversion, about 60 µs each; profiles have up to about 50
MAX_TAGS = 100  # of a profile; the library that reads them accepts no more
TAG_TABLE, TAG = 128, 12  # bytes
MULTI_PROCESS, CURVES = b"mpet", b"cvst"  # a conversion of any number of steps, and a step with a curve for every channel
TOO_MUCH_EXIF, TOO_MANY_STEPS = "too much EXIF data", "a colour profile that is too complex"


class CostlyFile(Exception):
    """The file would take too long or too much memory to decode; the text says what it has too much of."""


def check_exif_size(size: int) -> None:
    """Raise CostlyFile where EXIF data of `size` bytes would take too long to read."""
    if size > MAX_EXIF_BYTES:
        raise CostlyFile(TOO_MUCH_EXIF)


def check_profile(profile: bytes) -> None:
    """Raise CostlyFile where a conversion of the colour profile has too many steps, channels or parts of curves.

    Source: ICC.1:2022, sections 7.3 (tag table) and 10.16 (multiProcessElementsType).
    """
    for place in range(TAG_TABLE + 4, TAG_TABLE + 4 + TAG * min(_number(profile, TAG_TABLE), MAX_TAGS), TAG):
        start = _number(profile, place + 4)
        if profile.startswith(MULTI_PROCESS, start):
            _check_conversion(profile, start)


def _check_conversion(profile: bytes, start: int) -> None:
    """Raise CostlyFile where the conversion at `start` is too expensive. Steps and curves may share their place, so that few bytes hold many."""
    steps, parts = _number(profile, start + 12), 0
    if steps > MAX_STEPS:
        raise CostlyFile(TOO_MANY_STEPS)
    for place in range(start + 16, start + 16 + 8 * steps, 8):
        step = start + _number(profile, place)
        channels = max(_number(profile, step + 8, 2), _number(profile, step + 10, 2))
        if channels > MAX_CHANNELS:
            raise CostlyFile(TOO_MANY_STEPS)
        if profile.startswith(CURVES, step):
            curves = (step + _number(profile, step + 12 + 8 * channel) for channel in range(channels))
            parts += sum(_number(profile, curve + 8, 2) for curve in curves)
    if parts > MAX_CURVE_PARTS:
        raise CostlyFile(TOO_MANY_STEPS)


def _number(data: bytes, place: int, size: int = 4) -> int:
    """Return the number at `place`, 0 behind the end."""
    return int.from_bytes(data[place : place + size], "big")
