"""What a setting is: how a field of the settings describes itself, and how its ranges and refusals are told in words.

In: pydantic models whose fields were made with `setting`. Out: labels, ranges and sentences for the form, the command line and the
errors. It knows no setting by name. Importing it does not import torch.
"""

from functools import cache
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from cnn_core.errors import SettingError


def setting(
    default: Any, *, title: str, unit: str, group: str, help: str, only: dict[str, tuple] | None = None, **limits: float
) -> Any:
    """A field: `title` and `unit` are its label, `help` its sentence, `group` its place in the form, `limits` pydantic's ge, gt, le, lt.

    `only` says when it has an effect at all: {"optimizer": ("sgd", "muon")} means with one of these optimizers.
    """
    return Field(
        default, title=title, description=help, json_schema_extra={"unit": unit, "group": group, "only": only or {}}, **limits
    )


@cache
def range_in_words(settings: type[BaseModel], field: str) -> str:
    """The allowed values of a field: "1 to 1,000", "above 0, at most 10", or "adam, adamw or sgd"; "" where anything goes."""
    schema = _schema(settings)[field]
    low, high = schema.get("minimum"), schema.get("maximum")
    if "enum" in schema:
        return f"{', '.join(schema['enum'][:-1])} or {schema['enum'][-1]}"
    if "exclusiveMinimum" in schema:
        return f"above {schema['exclusiveMinimum']:,g}, at most {high:,g}"
    return f"{low:,} to {high:,}" if low is not None else ""


@cache
def _schema(settings: type[BaseModel]) -> dict[str, Any]:
    return settings.model_json_schema()["properties"]


def refusal(settings: type[BaseModel], error: ValidationError) -> SettingError:
    """The first refusal of a pydantic error as one sentence with the field's title, its range and what was given."""
    first = error.errors()[0]
    field, given = str(first["loc"][0]), _shown(first["input"])
    if first["type"] == "extra_forbidden":
        return SettingError(f"There is no setting called “{field}”. Settings are: {', '.join(settings.model_fields)}.", field)
    wanted = first["ctx"]["error"] if first["type"] == "value_error" else f"must be {_wanted(settings, field)}"
    return SettingError(f"{settings.model_fields[field].title} {wanted}. “{given}” was given.", field)


def _wanted(settings: type[BaseModel], field: str) -> str:
    """What a field takes: "a whole number, 1 to 1,000", "adam, adamw or sgd", "on or off"."""
    kind = settings.model_fields[field].annotation
    words = {int: "a whole number, ", float: "a number, ", bool: "on or off"}
    if kind is str:
        most = _schema(settings)[field].get("maxLength", 100)
        return f"a text of 1 to {most:,} letters"
    return words.get(kind, "") + range_in_words(settings, field)


def _shown(value: Any) -> str:
    """The beginning of what was given, as text that can be printed."""
    try:
        return str(value)[:80].encode("utf-8", "replace").decode()
    except ValueError:  # Python does not write out whole numbers of more than 4,300 digits
        return "a number of thousands of digits"


def value_in_words(value: Any) -> str:
    """A setting's value as links, command lines, tables and charts have it: on and off for a switch, a number so that it comes back as the same."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


Knots = tuple[tuple[float, float], ...]


def parse_knots(text: str) -> Knots:
    """ "0:0, 0.3:1, 1:0" as ((0, 0), (0.3, 1), (1, 0)): places in the training (0..1, rising) and shares of the peak (0..1).

    Raises ValueError, whose message follows a field's title.
    """
    try:
        knots = tuple((float(place), float(share)) for place, share in (pair.split(":") for pair in text.split(",")))
    except ValueError:
        raise ValueError("must be pairs “place:share” with commas between them, like 0:0.1, 0.3:1, 1:0") from None
    places, shares = zip(*knots, strict=True)
    if len(knots) < 2 or places[0] != 0 or places[-1] != 1 or any(a >= b for a, b in zip(places, places[1:], strict=False)):
        raise ValueError("must have places that rise from 0 to 1, like 0:0.1, 0.3:1, 1:0")
    if not all(0 <= share <= 1 for share in shares) or not any(shares):
        raise ValueError("must have shares of 0 to 1, not all of them 0, like 0:0.1, 0.3:1, 1:0")
    return knots


def parse_places(text: str) -> tuple[float, ...]:
    """ "0.5, 0.75" as (0.5, 0.75): rising places in the training, between 0 and 1. Raises ValueError as `parse_knots` does."""
    try:
        places = tuple(float(place) for place in text.split(","))
    except ValueError:
        places = ()
    if not places or not all(0 < place < 1 for place in places) or any(a >= b for a, b in zip(places, places[1:], strict=False)):
        raise ValueError("must be rising numbers between 0 and 1 with commas between them, like 0.5, 0.75")
    return places
