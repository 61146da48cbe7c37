"""Numbers in sentences: counts with their noun, fractions as percentages, losses, bytes and durations with their unit.

In: numbers. Out: text for messages, tables and charts. Importing this module imports nothing heavy.
"""

import math
from collections.abc import Iterable

ABSENT = "–"  # in place of a figure that does not exist
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LARGE, TINY = 10**6, 1e-4  # from this value on, and below this one, a number is written with a power of ten


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 image", "1,200 images", "2 classes" (with `plural`)."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def listed(values: Iterable[object], word: str = "and") -> str:
    """Return "5, 10 and 20"."""
    *before, last = map(str, values)
    return f"{', '.join(before)} {word} {last}" if before else last


def percent(fraction: float) -> str:
    """Return a fraction of 0 to 1 as a whole percentage: "12%"; "under 1%" for a small one that is not 0."""
    return "under 1%" if 0 < fraction < 0.005 else f"{fraction:.0%}"


def format_count(count: int | None) -> str:
    """Return a count as "1,200"; ABSENT for None."""
    return ABSENT if count is None else f"{count:,}"


def format_percent(fraction: float | None, digits: int = 1) -> str:
    """Return a fraction as "93.1%", as Python, Plotly and Streamlit write it; ABSENT for None and NaN. digits: after the decimal point."""
    return ABSENT if fraction is None or fraction != fraction else f"{fraction:.{digits}%}"


def format_number(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits: "0.0123", "12,300"; "2.0 × 10¹⁶" from a million on and below 0.0001."""
    if is_extreme(value):
        return _power_of_ten(value)
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def format_loss(loss: float, decimals: int = 4) -> str:
    """Return a loss with so many decimals: "0.4213"; "2.0 × 10¹⁶" from a million on."""
    return _power_of_ten(loss) if is_extreme(loss) and abs(loss) >= 1 else f"{loss:.{decimals}f}"


def is_extreme(value: float) -> bool:
    """Whether a number is too large or too small to be read without a power of ten; False for 0 and what is not finite."""
    return LARGE <= abs(value) < math.inf or 0 < abs(value) < TINY


def _power_of_ten(value: float) -> str:
    factor, _, exponent = f"{value:.1e}".partition("e")
    return f"{factor} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def format_bytes(count: float) -> str:
    """Return a number of bytes as "12 kB", "6.6 MB", "410 MB" or "1.2 GB"; "1 kB" for fewer than 1,000 bytes, "0 MB" for none."""
    if count >= 0.995 * 10**9:
        return f"{count / 10**9:.1f} GB"
    if 0 < count < 10**6:
        return f"{max(1, count // 1000):.0f} kB"
    return f"{count / 10**6:.1f} MB" if 0 < count < 9.95 * 10**6 else f"{count / 10**6:.0f} MB"


def format_duration(seconds: float) -> str:
    """Return "12 s", "4 min" or "2.5 h"; at least "1 s"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
