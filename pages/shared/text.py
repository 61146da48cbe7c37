"""Words on a page: names from outside (files, folders, classes, runs) shown as they are, never as links or pictures; sizes of files."""

import re

# What Markdown gives a meaning; an underscore or a colon within a word has none of its own but for ":red", a colour.
MARKS = re.compile(r"[\\\[\]<`$&*~]|(?<![^\W_])_|_(?![^\W_])|:(?=[A-Za-z])")
# Addresses and icons are found after marks are undone: only a letter that has no width keeps them apart.
FOUND_LATER = re.compile(r"(?<=:)(?=//|material/)|(?<=www)(?=\.)", re.IGNORECASE)
WORD_JOINER = "\u2060"


def plain(text: object) -> str:
    """`text` as Markdown without links, pictures, code, formulas or colours. (A picture's address in a run's name would otherwise be fetched.)"""
    return FOUND_LATER.sub(WORD_JOINER, MARKS.sub(r"\\\g<0>", str(text)))


def percent(share: float) -> str:
    """A share of 0 to 1 in whole percent: "12%"; "under 1%" of what is there but is less, for 0% would say that it is not."""
    return "under 1%" if 0 < share < 0.005 else f"{share:.0%}"


def size_in_words(count: int) -> str:
    """So many bytes: "6.6 MB", "12 kB"."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{max(1, count // 1000)} kB"
