"""What a search varies: for each setting a range of numbers or a list of values. In: what a person typed. Out: frozen values, checked.

A setting that has no effect beside the others of a trial (momentum under Adam) is not drawn for it: two trials that differ in nothing
else would be the same training. Importing this module imports neither torch nor Optuna.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

from pydantic import ValidationError

from cnn_core.config.groups import hardware
from cnn_core.config.schema import TrainConfig, facts, has_effect
from cnn_core.config.setting import refusal, value_in_words
from cnn_core.errors import SettingError

# What is no quality of a network: trials with other images, another split or another arithmetic could not be compared.
NOT_SEARCHED = frozenset(name for name in TrainConfig.model_fields if name == "data" or facts(name).group == hardware.GROUP)
SEARCHABLE = tuple(name for name in TrainConfig.model_fields if name not in NOT_SEARCHED)
TEXTS_WITH_COMMAS = ("knots", "drop_at")  # their values are told apart by semicolons
LOG = " log"
HOW = "Write learning_rate=0.0001..0.1 log, depth=1..4 or optimizer=adam,sgd."


@dataclass(frozen=True)
class Range:
    """Every number from `low` to `high`, both included; whole numbers where the setting is one. `log`: drawn by its logarithm."""

    name: str
    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """Some values of a setting."""

    name: str
    values: tuple[Any, ...]


Space = tuple[Range | Choices, ...]


def is_whole(name: str) -> bool:
    """Whether setting `name` takes whole numbers only."""
    return TrainConfig.model_fields[name].annotation is int


def takes_range(name: str) -> bool:
    """Whether setting `name` is a number."""
    return TrainConfig.model_fields[name].annotation in (int, float)


def check_space(base: TrainConfig, space: Space) -> None:
    """Refuse a space that cannot be searched beside the settings `base`. Raises SettingError, which names the setting."""
    if not space:
        raise SettingError(f"There is nothing to search. Name at least one setting to vary. {HOW}", "space")
    for index, part in enumerate(space):
        _check_name(part.name)
        if any(part.name == other.name for other in space[:index]):
            raise SettingError(f"{_title(part.name)} is named twice. Name each setting once.", part.name)
        (_check_range if isinstance(part, Range) else _check_choices)(part)
    for part in space:
        if not any(has_effect(part.name, base.model_dump() | decided) for decided in _decisions(base, space)):
            raise SettingError(
                f"{_title(part.name)} has no effect beside the other settings. Leave it out, or search those that it depends on too.",
                part.name,
            )


def _check_name(name: str) -> None:
    if name not in TrainConfig.model_fields:
        raise SettingError(f"There is no setting called “{name[:80]}”. Settings to search are: {', '.join(SEARCHABLE)}.", name)
    if name in NOT_SEARCHED:
        raise SettingError(
            f"{_title(name)} cannot be searched: trials that differ in it could not be compared. Set it for the whole search.",
            name,
        )


def _check_range(part: Range) -> None:
    name = part.name
    if not takes_range(name):
        raise SettingError(f"{_title(name)} is no number. Give a list of values, like {name}={_example(name)}.", name)
    low, high = checked_value(name, part.low), checked_value(name, part.high)
    if low >= high:
        raise SettingError(f"{_title(name)} goes from {low:g} to {high:g}. Give a lower number first.", name)
    if part.log and low <= 0:
        raise SettingError(f"{_title(name)} begins at {low:g}, which has no logarithm. Begin above 0, or leave out “log”.", name)


def _check_choices(part: Choices) -> None:
    values = [checked_value(part.name, value) for value in part.values]
    if len(values) < 2:
        raise SettingError(
            f"{_title(part.name)} has fewer than two values. Give at least two, or set it for all trials.", part.name
        )
    if len(set(values)) < len(values):
        raise SettingError(f"{_title(part.name)} has the same value twice. Give each value once.", part.name)


def checked_value(name: str, value: Any) -> Any:
    """`value`, which may be text, as setting `name` keeps it. Raises SettingError."""
    try:
        return getattr(TrainConfig.model_validate({name: value}), name)
    except ValidationError as error:
        raise refusal(TrainConfig, error) from None


def in_order(space: Space) -> list[Range | Choices]:
    """The space's parts, those first that decide which others have an effect."""
    return sorted(space, key=lambda part: part.name not in _deciding())


def effective(base: TrainConfig, space: Space, chosen: Mapping[str, Any]) -> Iterator[Range | Choices]:
    """The parts of `space` that have an effect, one by one; what is drawn for one is to be in `chosen` before the next is asked for."""
    settings = base.model_dump()
    return (part for part in in_order(space) if has_effect(part.name, settings | dict(chosen)))


@cache
def _deciding() -> frozenset[str]:
    """The settings on which it depends whether others have an effect."""
    return frozenset({"model"}.union(*(facts(name).only for name in TrainConfig.model_fields)))


def values_of(part: Range | Choices) -> tuple[Any, ...] | None:
    """The values that a part stands for; None for a range of real numbers."""
    if isinstance(part, Choices):
        return part.values
    return tuple(range(int(part.low), int(part.high) + 1)) if is_whole(part.name) else None


def combinations(base: TrainConfig, space: Space) -> Iterator[dict[str, Any]]:
    """Every combination of a space without ranges of real numbers, each with those settings only that have an effect in it."""
    parts, settings = in_order(space), base.model_dump()

    def from_part(index: int, chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if index == len(parts):
            yield chosen
        elif has_effect(parts[index].name, settings | chosen):
            for value in values_of(parts[index]):
                yield from from_part(index + 1, chosen | {parts[index].name: value})
        else:
            yield from from_part(index + 1, chosen)

    return from_part(0, {})


def space_size(base: TrainConfig, space: Space) -> int | None:
    """The number of combinations that are different trainings beside the settings `base`; None where there is no end of them."""
    rest, size, settings = [part for part in space if part.name not in _deciding()], 0, base.model_dump()
    for decided in _decisions(base, space):
        values = [values_of(part) for part in rest if has_effect(part.name, settings | decided)]
        if None in values:
            return None
        size += prod(map(len, values))
    return size


def _decisions(base: TrainConfig, space: Space) -> Iterator[dict[str, Any]]:
    """The combinations of those settings that decide which others have an effect; they are lists, never ranges."""
    return combinations(base, tuple(part for part in space if part.name in _deciding()))


def parse_space(lines: Iterable[str]) -> Space:
    """The space that lines like `learning_rate=0.0001..0.1 log`, `depth=1..4`, `optimizer=adam,sgd`, `batch_norm=on,off` describe.

    Values of settings that are lists themselves are told apart by semicolons. Raises SettingError.
    """
    return tuple(_parse(line) for line in lines)


def _parse(line: str) -> Range | Choices:
    name, sign, text = (piece.strip() for piece in line.partition("="))
    name = name.replace("-", "_")
    if not sign or not name:
        raise SettingError(f"“{line[:80]}” does not say what to vary. {HOW}", "space")
    _check_name(name)
    low, dots, high = text.removesuffix(LOG).partition("..")
    if dots and takes_range(name):
        return Range(name, checked_value(name, low.strip()), checked_value(name, high.strip()), text.endswith(LOG))
    pieces = [piece.strip() for piece in text.split(";" if name in TEXTS_WITH_COMMAS else ",")]
    return Choices(name, tuple(checked_value(name, piece) for piece in pieces))


def space_in_words(space: Space) -> list[str]:
    """The space as lines that `parse_space` reads."""
    return [_line(part) for part in space]


def settings_in_words(settings: Mapping[str, Any]) -> str:
    """What a trial varies: "learning_rate=0.003, batch_norm=on"."""
    return ", ".join(f"{name}={_word(value)}" for name, value in settings.items())


def _line(part: Range | Choices) -> str:
    if isinstance(part, Range):
        return f"{part.name}={_word(part.low)}..{_word(part.high)}{LOG if part.log else ''}"
    return f"{part.name}={('; ' if part.name in TEXTS_WITH_COMMAS else ',').join(map(_word, part.values))}"


def _word(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else value_in_words(value)


def _title(name: str) -> str:
    return TrainConfig.model_fields[name].title


def _example(name: str) -> str:
    return "on,off" if TrainConfig.model_fields[name].annotation is bool else "one,another"
