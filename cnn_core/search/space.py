"""The search space: for each varied setting a range of numbers or a list of values. In: text. Out: frozen, checked values.

A setting without effect beside the other settings of a trial (momentum with Adam) is not sampled for it: two trials that differ only in it would
be the same training. Importing this module imports neither torch nor Optuna.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

from pydantic import ValidationError

from cnn_core.config.groups import hardware
from cnn_core.config.schema import TrainConfig, has_effect, metadata, settings_deciding_on, title
from cnn_core.config.setting import format_setting, to_setting_error
from cnn_core.errors import SettingError

# Trials with other images, another data split or other hardware settings cannot be compared.
NOT_SEARCHABLE = frozenset(name for name in TrainConfig.model_fields if name == "data" or metadata(name).group == hardware.GROUP)
SEARCHABLE = tuple(name for name in TrainConfig.model_fields if name not in NOT_SEARCHABLE)
TEXTS_WITH_COMMAS = ("knots", "drop_at")  # their values are separated by semicolons
LISTED = {
    "size": "96,128,224",
    "crop_share": "0.75,0.875,1",
}  # every value takes disk space of its own, so these numbers are no range
LOG = " log"
SYNTAX_HINT = "Write for example learning_rate=0.0001..0.1 log, depth=1..4 or optimizer=adam,sgd."
NO_SETTING = f"No setting to vary. Name at least one. {SYNTAX_HINT}"
TWICE = "{setting} appears twice. Name each setting once."
NO_EFFECT = "{setting} has no effect with the other settings. Leave it out, or vary the settings that it depends on too."
NOT_COMPARABLE = "{setting} cannot be searched, because trials that differ in it cannot be compared. Set it for the whole search."
NOT_RISING = "{setting} is searched from {low:g} to {high:g}. Enter the lower number first."
NO_LOGARITHM = "{setting} starts at {low:g}, which has no logarithm. Start above 0, or leave out “log”."
TOO_FEW_VALUES = "{setting} has fewer than two values. Enter at least two, or set it for all trials."
NO_RANGE = "{setting} is searched as a list of values, because the images are prepared for each of them. Write for example {name}={values}."
SAME_VALUE = "{setting} has the same value twice. Enter each value once."


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included; integers for an integer setting. `log`: sampled on a logarithmic scale."""

    name: str
    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """A list of values of a setting."""

    name: str
    values: tuple[Any, ...]


Dimension = Range | Choices
Space = tuple[Dimension, ...]


def is_integer(name: str) -> bool:
    """Whether setting `name` is an integer."""
    return TrainConfig.model_fields[name].annotation is int


def takes_range(name: str) -> bool:
    """Whether setting `name` is a number that can be searched as a range."""
    return name not in LISTED and TrainConfig.model_fields[name].annotation in (int, float)


def check_space(base: TrainConfig, space: Space) -> None:
    """Raise SettingError, which names the setting, for a space that cannot be searched beside the settings `base`."""
    if not space:
        raise SettingError(NO_SETTING, "space")
    for index, dimension in enumerate(space):
        _check_name(dimension.name)
        if any(dimension.name == other.name for other in space[:index]):
            raise SettingError(TWICE.format(setting=title(dimension.name)), dimension.name)
        if isinstance(dimension, Range):
            _check_range(dimension)
        else:
            _check_choices(dimension)
    for dimension in space:
        if not any(
            has_effect(dimension.name, base.model_dump() | controls) for controls in _controlling_combinations(base, space)
        ):
            raise SettingError(NO_EFFECT.format(setting=title(dimension.name)), dimension.name)


def _check_name(name: str) -> None:
    if name not in TrainConfig.model_fields:
        raise SettingError(
            f"There is no setting called “{name[:80]}”. These settings can be varied: {', '.join(SEARCHABLE)}.", name
        )
    if name in NOT_SEARCHABLE:
        raise SettingError(NOT_COMPARABLE.format(setting=title(name)), name)


def _check_range(dimension: Range) -> None:
    name = dimension.name
    if name in LISTED:
        raise SettingError(NO_RANGE.format(setting=title(name), name=name, values=LISTED[name]), name)
    if not takes_range(name):
        raise SettingError(f"{title(name)} is not a number. Enter a list of values, like {name}={_example(name)}.", name)
    low, high = validate_value(name, dimension.low), validate_value(name, dimension.high)
    if low >= high:
        raise SettingError(NOT_RISING.format(setting=title(name), low=low, high=high), name)
    if dimension.log and low <= 0:
        raise SettingError(NO_LOGARITHM.format(setting=title(name), low=low), name)


def _check_choices(dimension: Choices) -> None:
    values = [validate_value(dimension.name, value) for value in dimension.values]
    if len(values) < 2:
        raise SettingError(TOO_FEW_VALUES.format(setting=title(dimension.name)), dimension.name)
    if len(set(values)) < len(values):
        raise SettingError(SAME_VALUE.format(setting=title(dimension.name)), dimension.name)


def validate_value(name: str, value: Any) -> Any:
    """Return `value`, which may be text, as the type of setting `name`. Raises SettingError."""
    try:
        return getattr(TrainConfig.model_validate({name: value}), name)
    except ValidationError as error:
        raise to_setting_error(TrainConfig, error) from None


def in_sampling_order(space: Space) -> list[Dimension]:
    """Return the dimensions, beginning with those that decide which others have an effect."""
    controlling = _controlling_settings(space)
    return sorted(space, key=lambda dimension: controlling.get(dimension.name, len(controlling)))


def effective_dimensions(base: TrainConfig, space: Space, chosen: Mapping[str, Any]) -> Iterator[Dimension]:
    """Yield the dimensions with an effect; the caller adds the value of each to `chosen` before it takes the next."""
    settings = base.model_dump()
    return (dimension for dimension in in_sampling_order(space) if has_effect(dimension.name, settings | dict(chosen)))


def _controlling_settings(space: Space) -> dict[str, int]:
    """Return the settings that decide whether others of the space have an effect, each with its level: those of a level decide on the next.

    The model and other choices are always at the first level, numbers only where the space has settings that depend on them.
    """
    dependent = {dimension.name: settings_deciding_on(dimension.name) for dimension in space}
    levels = dict.fromkeys(_controlling_choices(), 0)
    for name in (name for deciding in dependent.values() for name in deciding):
        levels.setdefault(name, len(settings_deciding_on(name)))
    return levels


@cache
def _controlling_choices() -> frozenset[str]:
    deciding = {"model"}.union(*(metadata(name).only for name in TrainConfig.model_fields))
    return frozenset(name for name in deciding if not takes_range(name))


def values_of(dimension: Dimension) -> tuple[Any, ...] | None:
    """Return the values of a dimension; None for a range of real numbers."""
    if isinstance(dimension, Choices):
        return dimension.values
    return tuple(range(int(dimension.low), int(dimension.high) + 1)) if is_integer(dimension.name) else None


def combinations(base: TrainConfig, space: Space) -> Iterator[dict[str, Any]]:
    """Yield every combination of a space without ranges of real numbers, each with only the settings that have an effect in it."""
    dimensions, settings = in_sampling_order(space), base.model_dump()

    def from_dimension(index: int, chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if index == len(dimensions):
            yield chosen
        elif has_effect(dimensions[index].name, settings | chosen):
            for value in values_of(dimensions[index]) or ():
                yield from from_dimension(index + 1, chosen | {dimensions[index].name: value})
        else:
            yield from from_dimension(index + 1, chosen)

    return from_dimension(0, {})


def space_size(base: TrainConfig, space: Space) -> int | None:
    """Return the number of different trainings beside the settings `base`; None for infinitely many."""
    controlling, size, settings = _controlling_settings(space), 0, base.model_dump()
    rest = [dimension for dimension in space if dimension.name not in controlling]
    endless = {dimension.name for dimension in space if values_of(dimension) is None}
    for controls in _controlling_combinations(base, space):
        if endless & controls.keys():
            return None
        values = [values_of(dimension) for dimension in rest if has_effect(dimension.name, settings | controls)]
        counts = [len(listed) for listed in values if listed is not None]
        if len(counts) < len(values):
            return None
        size += prod(counts)
    return size


def _controlling_combinations(base: TrainConfig, space: Space) -> Iterator[dict[str, Any]]:
    """Return the combinations of the settings that decide which others have an effect; of a range of real numbers both ends."""
    controlling = (dimension for dimension in space if dimension.name in _controlling_settings(space))
    return combinations(
        base,
        tuple(
            Choices(dimension.name, (dimension.low, dimension.high))
            if isinstance(dimension, Range) and values_of(dimension) is None
            else dimension
            for dimension in controlling
        ),
    )


def parse_space(lines: Iterable[str]) -> Space:
    """Return the space in lines like `learning_rate=0.0001..0.1 log`, `depth=1..4`, `optimizer=adam,sgd`, `batch_norm=on,off`.

    Values of settings that are lists themselves are separated by semicolons. Raises SettingError.
    """
    return tuple(_parse(line) for line in lines)


def _parse(line: str) -> Dimension:
    name, sign, text = (piece.strip() for piece in line.partition("="))
    name = name.replace("-", "_")
    if not sign or not name:
        raise SettingError(f"“{line[:80]}” is not a setting with values. {SYNTAX_HINT}", "space")
    _check_name(name)
    low, dots, high = text.removesuffix(LOG).partition("..")
    if dots and name in LISTED:
        raise SettingError(NO_RANGE.format(setting=title(name), name=name, values=LISTED[name]), name)
    if dots and takes_range(name):
        return Range(name, validate_value(name, low.strip()), validate_value(name, high.strip()), text.endswith(LOG))
    pieces = [piece.strip() for piece in text.split(";" if name in TEXTS_WITH_COMMAS else ",")]
    return Choices(name, tuple(validate_value(name, piece) for piece in pieces))


def format_space(space: Space) -> list[str]:
    """Return the space as lines that `parse_space` reads."""
    return [_line(dimension) for dimension in space]


def format_settings(settings: Mapping[str, Any]) -> str:
    """Return settings as text: "learning_rate=0.003, batch_norm=on"."""
    return ", ".join(f"{name}={_format(value)}" for name, value in settings.items())


def _line(dimension: Dimension) -> str:
    if isinstance(dimension, Range):
        return f"{dimension.name}={_format(dimension.low)}..{_format(dimension.high)}{LOG if dimension.log else ''}"
    return f"{dimension.name}={('; ' if dimension.name in TEXTS_WITH_COMMAS else ',').join(map(_format, dimension.values))}"


def _format(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else format_setting(value)


def _example(name: str) -> str:
    return "on,off" if TrainConfig.model_fields[name].annotation is bool else "one,another"
