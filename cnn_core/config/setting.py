"""Declaring a setting, and describing its range and a refused value.

In: pydantic models whose fields are created with `setting`. Out: labels, ranges and messages for the form, the command line and errors. This
module contains no setting itself, and importing it does not import torch.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cnn_core.errors import SettingError


@dataclass(frozen=True)
class Above:
    """The numbers above `limit`, as the condition of a setting that has an effect only where another one is on."""

    limit: float = 0

    def __contains__(self, value: Any) -> bool:
        return value is None or value > self.limit  # None: a number that is still to be typed


@dataclass(frozen=True)
class Not:
    """All values but `value`, as the condition of a setting."""

    value: Any

    def __contains__(self, value: Any) -> bool:
        return bool(value != self.value)


Conditions = dict[str, tuple[Any, ...] | Above | Not]
WHOLE_NUMBER, NUMBER, ON_OR_OFF = "a whole number", "a number", "on or off"
KNOTS_EXAMPLE, MILESTONES_EXAMPLE = "0:0.1, 0.3:1, 1:0", "0.5, 0.75"
TOO_LONG = "a number with thousands of digits"  # in place of its digits


class SettingMetadata(NamedTuple):
    """Unit, group and conditions of a field; see `setting`."""

    unit: str
    group: str
    only: Conditions


def setting(
    default: Any,
    *,
    title: str,
    group: str,
    help: str,
    unit: str = "",
    only: Conditions | None = None,
    **limits: float,
) -> Any:
    """Return a pydantic field.

    title: the label, one to three words. unit: added to the label in brackets where a number means nothing without it. group: the tab of
    the form. help: what the setting does and when to change it. only: when it has an effect; {"optimizer": ("sgd", "muon")} means
    with one of these optimizers, {"crop": Above(0)} where images are cropped. limits: pydantic's ge, gt, le, lt, min_length, max_length.
    """
    # pydantic's overloads do not accept limits that are collected in a dictionary.
    extra: dict[str, Any] = {"unit": unit, "group": group, "only": only or {}}
    return Field(default, title=title, description=help, json_schema_extra=extra, **cast(dict[str, Any], limits))


def metadata_of(field: FieldInfo) -> SettingMetadata:
    """Return the metadata of a field that `setting` created."""
    return SettingMetadata(**cast(dict[str, Any], field.json_schema_extra))


def label_of(field: FieldInfo) -> str:
    """Return the label: "Rotation (degrees)", "Epochs"."""
    unit = metadata_of(field).unit
    return f"{field.title} ({unit})" if unit else str(field.title)


@cache
def format_range(settings: type[BaseModel], field: str) -> str:
    """Return the allowed values of a field: "1 to 1,000", "above 0, at most 10", or "adam, adamw or sgd"; "" where all values are allowed."""
    schema = _schema(settings)[field]
    low, high = schema.get("minimum"), schema.get("maximum")
    if "enum" in schema:
        return f"{', '.join(schema['enum'][:-1])} or {schema['enum'][-1]}"
    if "exclusiveMinimum" in schema:
        return f"above {schema['exclusiveMinimum']:,g}, at most {high:,g}"
    return f"{low:,} to {high:,}" if low is not None else ""


@cache
def _schema(settings: type[BaseModel]) -> dict[str, Any]:
    return cast(dict[str, Any], settings.model_json_schema()["properties"])


def to_setting_error(settings: type[BaseModel], error: ValidationError) -> SettingError:
    """Return the first error in a ValidationError as a SettingError with the field's title, its range and the refused value, and the others
    with it."""
    first, *others = error.errors()
    return SettingError(
        *_message_and_field(settings, first), tuple(SettingError(*_message_and_field(settings, one)) for one in others)
    )


def _message_and_field(settings: type[BaseModel], error: ErrorDetails) -> tuple[str, str]:
    field, value = str(error["loc"][0]), _shown(error["input"])
    if error["type"] == "extra_forbidden":
        return f"There is no setting called “{field}”. Settings are: {', '.join(settings.model_fields)}.", field
    rule = error["ctx"]["error"] if error["type"] == "value_error" else f"must be {_allowed(settings, field)}"
    return f"{settings.model_fields[field].title} {rule}. “{value}” was given.", field


def _allowed(settings: type[BaseModel], field: str) -> str:
    """Return the allowed values of a field: "a whole number, 1 to 1,000", "adam, adamw or sgd", "on or off"."""
    kind = settings.model_fields[field].annotation
    if kind is str:
        most = _schema(settings)[field].get("maxLength", 100)
        return f"a text of 1 to {most:,} characters"
    prefix = f"{WHOLE_NUMBER}, " if kind is int else f"{NUMBER}, " if kind is float else ON_OR_OFF if kind is bool else ""
    return prefix + format_range(settings, field)


def _shown(value: Any) -> str:
    """Return a value as printable text of at most 80 characters; a whole number without decimals, as a person types it."""
    try:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return str(value)[:80].encode("utf-8", "replace").decode()
    except ValueError:  # Python refuses to convert whole numbers of more than 4,300 digits
        return TOO_LONG


def format_setting(value: Any) -> str:
    """Return a value as text for links, command lines, tables and charts: on or off for a switch, a number that is read back exactly."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


Knots = tuple[tuple[float, float], ...]


def parse_knots(text: str) -> Knots:
    """Read "0:0, 0.3:1, 1:0" as ((0, 0), (0.3, 1), (1, 0)): rising fractions of the training (0..1), each with a fraction of the peak learning rate (0..1).

    Raises ValueError, whose message follows a field's title.
    """
    try:
        knots = tuple((float(time), float(factor)) for time, factor in (pair.split(":") for pair in text.split(",")))
    except ValueError:
        raise ValueError(f"must be pairs “time:factor” separated by commas, like {KNOTS_EXAMPLE}") from None
    times, factors = zip(*knots, strict=True)
    if len(knots) < 2 or times[0] != 0 or times[-1] != 1 or any(a >= b for a, b in zip(times, times[1:], strict=False)):
        raise ValueError(f"must have times that rise from 0 to 1, like {KNOTS_EXAMPLE}")
    if not all(0 <= factor <= 1 for factor in factors) or not any(factors):
        raise ValueError(f"must have factors of 0 to 1, not all of them 0, like {KNOTS_EXAMPLE}")
    return knots


def parse_milestones(text: str) -> tuple[float, ...]:
    """Read "0.5, 0.75" as (0.5, 0.75): rising fractions of the training. Raises ValueError as `parse_knots` does."""
    try:
        milestones = tuple(float(time) for time in text.split(","))
    except ValueError:
        milestones = ()
    is_rising = all(a < b for a, b in zip(milestones, milestones[1:], strict=False))
    if not milestones or not all(0 < time < 1 for time in milestones) or not is_rising:
        raise ValueError(f"must be rising numbers between 0 and 1 separated by commas, like {MILESTONES_EXAMPLE}")
    return milestones
