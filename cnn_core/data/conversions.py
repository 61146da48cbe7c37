"""The kinds of conversion that images need before a model can be trained on them, and how many images of a data set needed each.

In: the notes of the decoder, or the index of a data set. Out: kinds, counts, and a sentence for people: the same for every way to import
images. Importing this module does not import torch.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from cnn_core.data.decoder import REDUCED
from cnn_core.data.image_conversion import (
    FIRST_FRAME,
    FROM_16_BIT,
    FROM_CMYK,
    NOT_ROTATED,
    ON_BLACK,
    ON_WHITE,
    ROTATED,
    TO_SRGB,
)
from cnn_core.data.index.index import Index
from cnn_core.text import counted

KINDS = {  # kind, as it is stored: the decoder's note, and how images of this kind are counted
    "srgb": (TO_SRGB, "{count} to sRGB from a colour profile"),
    "cmyk": (FROM_CMYK, "{count} from CMYK to RGB"),
    "16_bit": (FROM_16_BIT, "{count} from 16 to 8 bits"),
    "reduced": (REDUCED, "{count} reduced while reading, because of the size"),
    "rotated": (ROTATED, "{count} rotated by EXIF data"),
    "not_rotated": (NOT_ROTATED, "{count} not rotated, because the EXIF data cannot be read"),
    "first_frame": (FIRST_FRAME, "{count} animated, of which the first frame is used"),
    "on_white": (ON_WHITE, "{count} with transparent parts put on white"),
    "on_black": (ON_BLACK, "{count} with transparent parts put on black"),
}
CONVERTED = "{images} converted: {kinds}."


def kinds_of(notes: Iterable[str]) -> tuple[str, ...]:
    """Return the kind of each note of the decoder (see `decoder.DecodedImage`)."""
    return tuple(_kind_of(note) for note in notes)


@lru_cache(maxsize=1024)
def _kind_of(note: str) -> str:
    return next(kind for kind, (text, _) in KINDS.items() if re.fullmatch(re.sub(r"\\{\w+\\}", ".+", re.escape(text)), note))


def describe_conversions(index: Index) -> str:
    """Return a sentence with the number of converted images, in all and of each kind; "" for none."""
    images, counts = index.count_conversions()
    if not images:
        return ""
    kinds = ", ".join(text.format(count=f"{counts[kind]:,}") for kind, (_, text) in KINDS.items() if kind in counts)
    return CONVERTED.format(images=counted(images, "image was", "images were"), kinds=kinds)


def conversion_facts(index: Index) -> dict[str, Any]:
    """Return the number of converted images, and of those of each kind, for JSON."""
    images, counts = index.count_conversions()
    return {"converted": images, "conversions": counts}
