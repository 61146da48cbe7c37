"""Fonts for class names in figures: those of this computer that have the letters which matplotlib's own font lacks.

In: the names of the classes. Out: labels that can be drawn, and the font families to draw them with.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from matplotlib import font_manager

from cnn_core.class_labels import class_labels

DEFAULT = "DejaVu Sans"  # comes with matplotlib
NOT_LETTERS = "Last Resort"  # draws a box for every character
NO_FONT = "Some names of classes have letters that no font of this computer has. Such classes are shown by number."


def drawable_labels(names: Sequence[str], width: int) -> tuple[list[str], list[str], bool]:
    """Return labels for the different `names`, font families to draw them with, and whether every letter can be drawn.

    Letters of which no font is installed are left out of a label. Where nothing would remain, or two labels would look alike, the
    label is "class 0" with the class's number. A label is at most about `width` half-width characters wide.
    """
    letters = {letter for name in names for letter in name}
    families = [DEFAULT, *_families_for(frozenset(letters))]
    missing = letters - {letter for letter in letters if any(_has(path, letter) for path in map(_path, families))}
    lost = set(filter(_is_visible, missing))
    readable = [" ".join("".join(letter for letter in name if letter not in missing).split()) for name in names]
    count = Counter(readable)
    labels = []
    for number, (name, text) in enumerate(zip(names, readable, strict=True)):
        is_clear = lost.isdisjoint(name) or (any(map(str.isalnum, text)) and count[text] == 1)
        labels.append(text if is_clear else f"class {number}")
    return class_labels(labels, width), families, not lost


@lru_cache(maxsize=64)
def _families_for(letters: frozenset[str]) -> tuple[str, ...]:
    """Return families beyond DEFAULT, those with most of the missing letters first, until no installed font has more."""
    missing = {letter for letter in letters if _is_visible(letter) and not _has(_path(DEFAULT), letter)}
    families: list[str] = []
    while missing:
        covered = {font.name: _covered(font.fname, missing) for font in _installed_fonts()}
        best = max(covered, key=lambda name: len(covered[name]), default=None)
        if best is None or not covered[best]:
            break
        families.append(best)
        missing -= covered[best]
    return tuple(families)


def clear_found_fonts() -> None:
    """Look at the installed fonts again, after one has been added."""
    _families_for.cache_clear()


def _installed_fonts() -> Iterable[font_manager.FontEntry]:
    """Yield the upright fonts of ordinary weight that can be drawn at any size, but not the one without letters."""
    for font in font_manager.fontManager.ttflist:
        is_plain = font.style == "normal" and font.weight in (400, "normal", "regular") and font.size == "scalable"
        if is_plain and NOT_LETTERS not in font.name:
            yield font


def _covered(path: str, letters: Iterable[str]) -> set[str]:
    try:
        return {letter for letter in letters if _has(path, letter)}
    except (OSError, RuntimeError):  # a damaged font, or one that has been removed
        return set()


def _has(path: str, letter: str) -> bool:
    return font_manager.get_font(path).get_char_index(ord(letter)) != 0


def _path(family: str) -> str:
    return str(font_manager.findfont(family))


def _is_visible(letter: str) -> bool:
    """Whether a letter leaves a mark: not a joiner, a selector or a space."""
    return unicodedata.category(letter) not in ("Cf", "Cc", "Zs", "Mn")
