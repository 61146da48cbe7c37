"""Class names as labels: shortened in the middle, so that names of 55 letters fit into a chart and stay distinct.

In: names as people write them, in any script. Out: labels of a limited width. Where a label is shown, the whole name stands in the
hover text. Importing this module imports nothing heavy.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence

ELLIPSIS = "…"
WIDTH = 24  # half-width characters: 12 Chinese characters, or 24 letters
STEP = 3
JOINER, VARIATIONS = "\u200d", range(0xFE00, 0xFE10)
SKIN_TONES = range(0x1F3FB, 0x1F400)


def display_width(text: str) -> int:
    """Return how many half-width characters `text` takes: 2 for a Chinese, Japanese or Korean character or an emoji, 0 for an accent."""
    return sum(max(map(_width, cluster)) for cluster in _clusters(text))


def shorten(name: str, width: int = WIDTH) -> str:
    """Return `name`, cut in the middle if it is wider than `width` half-width characters: "Plant___Hea…n variety)".

    No letter is separated from its accents, and no emoji is cut in two.
    """
    if display_width(name) <= width:
        return name
    letters = _clusters(name)
    room = width - 1
    head = _take(letters, (room + 1) // 2)
    tail = _take(letters[::-1], room - display_width("".join(head)))[::-1]
    return "".join(head).rstrip() + ELLIPSIS + "".join(tail).lstrip()


def class_labels(names: Sequence[str], width: int = WIDTH) -> list[str]:
    """Return a label of at most `width` half-width characters for each of the different `names`; distinct names get distinct labels.

    Where two names would look alike, their labels are made as much wider as it takes to tell them apart.
    """
    labels = [shorten(name, width) for name in names]
    while len(set(labels)) < len(set(names)) and width < max(map(display_width, names)):
        width += STEP
        count = Counter(label for label, _ in set(zip(labels, names, strict=True)))
        labels = [shorten(name, width) if count[label] > 1 else label for label, name in zip(labels, names, strict=True)]
    return labels


def _width(letter: str) -> int:
    if unicodedata.combining(letter) or letter == JOINER or ord(letter) in VARIATIONS:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _clusters(text: str) -> list[str]:
    """Return the letters of `text`, each with its accents, variation selectors, and what is joined to it."""
    clusters: list[str] = []
    for letter in text:
        is_attached = _width(letter) == 0 or ord(letter) in SKIN_TONES or (clusters and clusters[-1].endswith(JOINER))
        if is_attached and clusters:
            clusters[-1] += letter
        else:
            clusters.append(letter)
    return clusters


def _take(clusters: Sequence[str], room: int) -> list[str]:
    """Return the first clusters that fit into `room` half-width characters."""
    taken: list[str] = []
    for cluster in clusters:
        room -= display_width(cluster)
        if room < 0:
            break
        taken.append(cluster)
    return taken
