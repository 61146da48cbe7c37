"""What a setting is, on settings made up for the purpose: ranges and refusals in words, whatever the fields are called."""

import re

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from cnn_core.config.setting import (
    KNOTS_EXAMPLE,
    MILESTONES_EXAMPLE,
    NUMBER,
    ON_OR_OFF,
    WHOLE_NUMBER,
    format_range,
    metadata_of,
    parse_knots,
    parse_milestones,
    setting,
    to_setting_error,
)
from tests.helpers import is_a_sentence, tells


class Kettle(BaseModel):
    """Settings of no studio."""

    model_config = ConfigDict(extra="forbid")

    heat: float = setting(40.0, title="Heat", unit="°C", group="Water", help="How hot.", gt=0, le=2000)
    cups: int = setting(2, title="Cups", unit="cups", group="Water", help="How many.", ge=1, le=1500)
    label: str = setting("tea", title="Label", unit="text", group="", help="What for.", min_length=1, max_length=1234)
    lid: bool = setting(True, title="Lid", unit="on or off", group="Water", help="Whether it is on.", only={"cups": (1, 2)})


def refused(**given: object) -> tuple[str, str]:
    with pytest.raises(ValidationError) as problem:
        Kettle(**given)
    error = to_setting_error(Kettle, problem.value)
    assert is_a_sentence(error)
    return str(error), error.field


def test_a_field_keeps_how_it_describes_itself():
    field = Kettle.model_fields["lid"]
    assert (field.title, field.description, field.default) == ("Lid", "Whether it is on.", True)
    assert metadata_of(field) == ("on or off", "Water", {"cups": (1, 2)})
    assert metadata_of(Kettle.model_fields["heat"]).only == {}


def test_ranges_and_refusals_are_described():
    assert [format_range(Kettle, name) for name in Kettle.model_fields] == ["above 0, at most 2,000", "1 to 1,500", "", ""]
    for given, named in (
        ({"heat": 0}, ("Heat", NUMBER, format_range(Kettle, "heat"), "“0”")),
        ({"cups": "many"}, ("Cups", WHOLE_NUMBER, format_range(Kettle, "cups"), "“many”")),
        ({"lid": "ajar"}, ("Lid", ON_OR_OFF, "“ajar”")),
        ({"label": ""}, ("Label", "1,234", "“”")),
        ({"spout": 1}, ("“spout”", *Kettle.model_fields)),
    ):
        text, field = refused(**given)
        assert field == next(iter(given)) and tells(text, *named)


def test_of_what_was_given_only_the_beginning_is_repeated_and_always_as_text_that_can_be_printed():
    text, _ = refused(heat="x" * 10_000)
    assert "x" * 80 in text and "x" * 81 not in text
    refused(heat="caf\udce9")[0].encode()
    refused(cups=10**5000)


def test_knots_are_pairs_of_position_and_factor():
    assert parse_knots("0:0.1, 0.3:1, 1:0") == ((0, 0.1), (0.3, 1), (1, 0))
    assert parse_knots("0:1,1:1") == ((0, 1), (1, 1))


def test_places_rise_between_0_and_1():
    assert parse_milestones("0.5, 0.75") == (0.5, 0.75) and parse_milestones("1e-1") == (0.1,)


@pytest.mark.parametrize(
    ("parse", "text", "example"),
    [
        (parse_knots, "0-1", KNOTS_EXAMPLE),
        (parse_knots, "0:1, 1:2", KNOTS_EXAMPLE),
        (parse_milestones, "2", MILESTONES_EXAMPLE),
        (parse_milestones, "", MILESTONES_EXAMPLE),
    ],
)
def test_what_cannot_be_parsed_is_refused_with_an_example(parse, text: str, example: str):
    with pytest.raises(ValueError, match=re.escape(example)):
        parse(text)
