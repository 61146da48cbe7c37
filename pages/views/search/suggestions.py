"""Suggested ranges and values: the defaults in the rows of the search form. Pure functions."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from cnn_core.config.schema import TrainConfig, choices
from cnn_core.models.pretrained_table import NETWORKS
from cnn_core.models.registry import FAMILIES
from cnn_core.search.space import Range, is_integer

# Lowest value, highest value, logarithmic. For the learning rate, epochs and batch size the range lies around the value in the form; for any
# other number it is the range of the setting.
RANGES: dict[str, tuple[float, float, bool]] = {
    "momentum": (0.8, 0.99, False),
    "adam_rate": (0.01, 1, True),
    "weight_decay": (0.00001, 0.01, True),
    "width": (0.5, 2, True),
    "depth": (1, 4, False),
    "warmup": (0, 0.3, False),
    "drop_factor": (0.05, 0.5, True),
    "plateau_patience": (1, 5, False),
    "start_side": (0.5, 1, False),
    "crop": (0, 0.25, False),
    "cutout": (0, 0.5, False),
    "brightness": (0, 0.4, False),
    "contrast": (0, 0.4, False),
    "rotation": (0, 20, False),
    "scale": (0, 0.2, False),
    "shear": (0, 15, False),
    "mixup": (0, 1, False),
    "cutmix": (0, 1, False),
    "dropout": (0, 0.5, False),
    "label_smoothing": (0, 0.2, False),
    "clip_norm": (0.5, 5, True),
    "ema": (0.9, 0.999, False),
    "patience": (2, 8, False),
}
FACTORS: dict[str, float] = {"learning_rate": 10, "batch_size": 4, "epochs": 2}  # range from value / factor to value * factor


def suggest_range(name: str, base: Mapping[str, Any]) -> Range:
    """Return a range for the number `name` with the other settings `base`, within the limits of the setting."""
    if name in RANGES:
        return Range(name, *RANGES[name])
    if name not in FACTORS:
        low, high = _lowest(name), _highest(name, base)
        return Range(name, int(low), int(high)) if is_integer(name) else Range(name, low, high)
    value, factor = base[name], FACTORS[name]
    low, high = max(value / factor, _lowest(name)), min(value * factor, _highest(name, base))
    if is_integer(name):
        low, high = int(low), max(int(high), int(low) + 1)
    return Range(name, _short(low), _short(high), log=name != "epochs")


def suggest_values(name: str, base: Mapping[str, Any]) -> list[Any]:
    """Return values for a list: all choices, on and off, two texts, or the ends and the middle of a number's range."""
    if name == "model":
        return list(dict.fromkeys([base["model"], *FAMILIES]))[:3]
    if options := choices(name):
        return list(options)
    if TrainConfig.model_fields[name].annotation is bool:
        return [False, True]
    if name in NUMBERS:
        return list(NUMBERS[name])
    if TrainConfig.model_fields[name].annotation is str:
        return list(dict.fromkeys([base[name], *OTHER_TEXTS.get(name, ())]))[:2]
    suggested = suggest_range(name, base)
    middle = sqrt(suggested.low * suggested.high) if suggested.log else (suggested.low + suggested.high) / 2
    values = [suggested.low, middle, suggested.high]
    return sorted({round(value) for value in values}) if is_integer(name) else [_short(value) for value in values]


NUMBERS = {"size": (96, 128, 160), "crop_share": (0.75, 0.875, 1.0)}  # of settings that are searched as a list
OTHER_TEXTS = {
    "timm_name": tuple(NETWORKS),
    "weights": ("pretrained", "scratch"),
    "drop_at": ("0.3, 0.6",),
    "knots": ("0:0.2, 0.5:1, 1:0",),
}


def _lowest(name: str) -> float:
    return next((float(rule.ge) for rule in TrainConfig.model_fields[name].metadata if hasattr(rule, "ge")), 0.0)


def _highest(name: str, base: Mapping[str, Any]) -> float:
    """Return the upper limit of the setting; without one a value above that in the form."""
    limits = (float(rule.le) for rule in TrainConfig.model_fields[name].metadata if hasattr(rule, "le"))
    return next(limits, max(2.0 * base[name], _lowest(name) + 1))


def _short(number: float) -> float:
    """Round to three significant digits."""
    return float(f"{number:.3g}")
