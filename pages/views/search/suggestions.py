"""Ranges and values worth trying first: what the rows of the form for a search hold before anybody changed them. Pure functions."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from cnn_core.config.schema import TrainConfig, choices
from cnn_core.models.registry import FAMILIES
from cnn_core.search.space import Range, is_integer

# From where to where, and whether by the logarithm. The learning rate, epochs and batch size start from what the form holds.
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
FACTORS: dict[str, float] = {"learning_rate": 10, "batch_size": 4, "epochs": 2}  # times less and times more


def suggest_range(name: str, base: Mapping[str, Any]) -> Range:
    """A range for the number `name` beside the settings `base`; within what the setting takes."""
    if name in RANGES:
        return Range(name, *RANGES[name])
    value, factor = base[name], FACTORS[name]
    low, high = max(value / factor, _least(name)), min(value * factor, _most(name))
    if is_integer(name):
        low, high = int(low), max(int(high), int(low) + 1)
    return Range(name, _short(low), _short(high), log=name != "epochs")


def suggest_values(name: str, base: Mapping[str, Any]) -> list[Any]:
    """Values for a list: all of a choice, on and off, both starts of a text, or the ends and the middle of a number's range."""
    if name == "model":
        return list(dict.fromkeys([base["model"], *FAMILIES]))[:3]
    if options := choices(name):
        return list(options)
    if TrainConfig.model_fields[name].annotation is bool:
        return [False, True]
    if TrainConfig.model_fields[name].annotation is str:
        return [base[name], OTHER_TEXTS[name]]
    part = suggest_range(name, base)
    middle = sqrt(part.low * part.high) if part.log else (part.low + part.high) / 2
    values = [part.low, middle, part.high]
    return sorted({round(value) for value in values}) if is_integer(name) else [_short(value) for value in values]


OTHER_TEXTS = {"weights": "pretrained", "drop_at": "0.3, 0.6", "knots": "0:0.2, 0.5:1, 1:0"}


def _least(name: str) -> float:
    return next((rule.ge for rule in TrainConfig.model_fields[name].metadata if hasattr(rule, "ge")), 0)


def _most(name: str) -> float:
    return next(rule.le for rule in TrainConfig.model_fields[name].metadata if hasattr(rule, "le"))


def _short(number: float) -> float:
    """Three digits: what more of them say is noise in a range."""
    return float(f"{number:.3g}")
