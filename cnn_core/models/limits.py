"""Limits of the settings of a network. In: settings and the size of the images. Out: a SettingError that says what would be possible.

Importing this module does not import torch.
"""

from collections.abc import Mapping
from typing import Any

from cnn_core.errors import SettingError

DEPTHS, WIDTHS = (1, 6), (0.25, 4.0)  # the ranges of the settings `depth` and `width`


def check_limits(title: str, smallest: int, least: int, side: int, options: Mapping[str, Any]) -> None:
    """Raise SettingError where depth or width are out of range, or images of `side` pixels are smaller than `smallest`, or than `least` for this depth."""
    depth, width = options.get("depth", 3), options.get("width", 1.0)
    if "depth" in options and not DEPTHS[0] <= depth <= DEPTHS[1]:
        raise SettingError(f"A network of {depth} blocks cannot be built. Choose a depth of 1 to 6.", "depth")
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        raise SettingError(f"A network {width:g} times as wide cannot be built. Choose a width of 0.25 to 4.", "width")
    if side < smallest:
        raise SettingError(
            f"{title} needs images of at least {smallest}×{smallest} pixels; these are {side}×{side}. "
            "Choose another model or larger images.",
            "model",
        )
    if side < least:
        raise SettingError(
            f"{title} with {depth} blocks needs images of at least {least}×{least} pixels; these are {side}×{side}. "
            f"Choose a depth of at most {side.bit_length() - 1}.",
            "depth",
        )
