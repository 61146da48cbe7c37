"""The settings: every field explains itself, and every refused value is a sentence with its title and its range."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cnn_core.config import TrainConfig, make_config, range_in_words
from cnn_core.errors import SettingError
from tests.helpers import is_a_sentence

FIELDS = TrainConfig.model_fields
SCHEMA = TrainConfig.model_json_schema()["properties"]
NUMBERS = [name for name in FIELDS if FIELDS[name].annotation in (int, float)]
CHOICES = [name for name in FIELDS if "enum" in SCHEMA[name]]
SWITCHES = [name for name in FIELDS if FIELDS[name].annotation is bool]
RANGES = {
    "epochs": "1 to 1,000",
    "batch_size": "1 to 4,096",
    "learning_rate": "above 0, at most 10",
    "schedule": "cosine or constant",
    "optimizer": "adam, adamw or sgd",
    "dropout": "0 to 0.9",
    "validation_share": "0.02 to 0.5",
    "seed": "0 to 2,147,483,647",
    "device": "auto, cpu, cuda or mps",
}


def refusal_of(**chosen: Any) -> SettingError:
    with pytest.raises(SettingError) as refusal:
        make_config(**chosen)
    assert is_a_sentence(refusal.value), str(refusal.value)
    return refusal.value


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_a_title_a_unit_and_a_sentence_of_help(name: str):
    field = FIELDS[name]
    assert field.title and field.title[0].isupper()
    assert isinstance(field.json_schema_extra, dict) and field.json_schema_extra["unit"]
    assert is_a_sentence(field.description or "")


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_lowest_and_a_highest_value_and_both_limits_hold(name: str):
    schema = SCHEMA[name]
    lowest = schema.get("minimum", schema.get("exclusiveMinimum"))
    highest = schema["maximum"]
    assert lowest < schema["default"] < highest or lowest <= schema["default"]
    step = 1 if schema["type"] == "integer" else 1e-6
    accepted = [highest, lowest if "minimum" in schema else lowest + step]
    assert [getattr(make_config(**{name: value}), name) for value in accepted] == accepted
    for value in (highest + step, lowest - step if "minimum" in schema else lowest):
        refusal_of(**{name: value})


def test_ranges_are_told_in_words():
    assert {name: range_in_words(name) for name in FIELDS if range_in_words(name)} == RANGES
    assert set(RANGES) == {*NUMBERS, *CHOICES}


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-inf", -1, "-1", "many", "", "1e400", None, [], {}, 10**30, float("nan"), float("inf")]
)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_in_range_is_refused_with_title_and_range(name: str, value: object):
    refusal = refusal_of(**{name: value})
    assert FIELDS[name].title in str(refusal) and RANGES[name] in str(refusal) and f"“{value}”" in str(refusal)
    assert refusal.field == name


@pytest.mark.parametrize("name", ["epochs", "batch_size", "seed"])
@pytest.mark.parametrize("value", [1.5, "2.5", "3 epochs"])
def test_half_an_epoch_is_refused_as_no_whole_number(name: str, value: object):
    assert "a whole number" in str(refusal_of(**{name: value}))


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["rmsprop", "", "ADAM", 3, None])
def test_what_is_no_choice_is_refused_with_all_choices(name: str, value: object):
    refusal = refusal_of(**{name: value})
    assert FIELDS[name].title in str(refusal) and RANGES[name] in str(refusal) and refusal.field == name


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", ["perhaps", 2, None, ""])
def test_a_switch_is_on_or_off(name: str, value: object):
    refusal = refusal_of(**{name: value})
    assert FIELDS[name].title in str(refusal) and "on or off" in str(refusal) and refusal.field == name
    assert [getattr(make_config(**{name: given}), name) for given in (True, "false", "on")] == [True, False, True]


def test_an_unknown_model_is_refused_with_the_known_ones():
    refusal = refusal_of(model="vgg")
    assert "Model" in str(refusal) and "simple" in str(refusal) and "“vgg”" in str(refusal) and refusal.field == "model"


def test_an_unknown_setting_is_refused_with_the_known_ones():
    refusal = refusal_of(momentum=0.9)
    assert "“momentum”" in str(refusal) and "learning_rate" in str(refusal) and refusal.field == "momentum"


@pytest.mark.parametrize("value", ["", "x" * 5000, "caf\udce9"], ids=["empty", "too long", "no text"])
def test_a_data_set_without_a_usable_name_is_refused_in_words(value: str):
    refusal = refusal_of(data=value)
    assert "Data set" in str(refusal) and refusal.field == "data"
    assert "must be ." not in str(refusal)
    str(refusal).encode("utf-8", "backslashreplace")


def test_text_as_a_command_line_gives_it_becomes_numbers_and_switches():
    config = make_config(epochs="7", learning_rate="1e-2", dropout="0.5", flip="true", seed="0")
    assert (config.epochs, config.learning_rate, config.dropout, config.flip, config.seed) == (7, 0.01, 0.5, True, 0)


def test_a_choice_weighs_more_than_the_data_sets_defaults_and_those_more_than_the_general_ones(pictures: Path):
    assert (make_config().data, make_config().flip, make_config().validation_share) == ("digits", False, 0.15)
    assert (make_config(flip=True).flip, make_config(flip=True).validation_share) == (True, 0.15)
    photos = make_config(data=str(pictures))
    assert (photos.flip, photos.validation_share) == (True, 0.1)


def test_a_folders_name_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    here = tmp_path.resolve()
    names = {"photos": here / "photos", "./a/../photos/": here / "photos", "~/photos": here / "me" / "photos", "/x": Path("/x")}
    for name, expected in names.items():
        assert make_config(data=name).data == str(expected)
    assert make_config(data="digits").data == "digits" and make_config(data="cifar10").data == "cifar10"


def test_settings_cannot_be_changed_and_survive_json():
    config = make_config(epochs=3, optimizer="sgd")
    with pytest.raises(ValidationError):
        config.epochs = 4
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config
    assert json.loads(config.model_dump_json()).keys() == FIELDS.keys()
