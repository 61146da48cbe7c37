"""The settings: every field explains itself, and every refused value is a sentence with its title and its range."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import (
    GROUPS,
    TrainConfig,
    choices,
    format_range,
    has_effect,
    label,
    metadata,
    settings_deciding_on,
    settings_in_effect,
)
from cnn_core.config.setting import ON_OR_OFF, TOO_LONG, WHOLE_NUMBER, parse_knots, parse_milestones
from cnn_core.errors import SettingError
from cnn_core.models.registry import FAMILIES
from tests.helpers import is_a_sentence, tells

FIELDS = TrainConfig.model_fields
SCHEMA = TrainConfig.model_json_schema()["properties"]
NUMBERS = [name for name in FIELDS if FIELDS[name].annotation in (int, float)]
CHOICES = [name for name in FIELDS if "enum" in SCHEMA[name]]
SWITCHES = [name for name in FIELDS if FIELDS[name].annotation is bool]
RANGES = {
    "epochs": "1 to 1,000",
    "batch_size": "1 to 4,096",
    "learning_rate": "above 0, at most 10",
    "adam_rate": "above 0, at most 10",
    "momentum": "0 to 0.999",
    "width": "0.25 to 4",
    "drop_factor": "0.001 to 0.9",
    "rotation": "0 to 180",
    "clip_norm": "0 to 1,000",
    "ema": "0 to 0.9999",
    "dropout": "0 to 0.9",
    "validation_share": "0.02 to 0.5",
    "seed": "0 to 2,147,483,647",
    "optimizer": "adam, adamw, sgd, rmsprop or muon",
    "crop_fill": "black or reflect",
    "flip": "off, random or alternating",
    "device": "auto, cpu, cuda or mps",
    "precision": "auto, float32, bfloat16 or float16",
    "compile": "auto, on or off",
}
NO_NUMBERS = ["nan", "inf", "-inf", -1, "-1", "many", "", "1e400", None, [], {}, 10**30, math.nan, math.inf]


def refusal_of(**chosen: Any) -> SettingError:
    with pytest.raises(SettingError) as refusal:
        make_config(**chosen)
    assert is_a_sentence(refusal.value), str(refusal.value)
    return refusal.value


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_a_title_a_group_and_a_sentence_of_help(name: str):
    field = FIELDS[name]
    assert field.title and field.title[0].isupper()
    assert label(name).startswith(field.title) and (metadata(name).unit in label(name))
    assert metadata(name).group in (GROUPS if name not in ("data", "model") else ("",))
    assert is_a_sentence(field.description or "")


def test_no_two_settings_have_the_same_title_and_every_group_has_some():
    titles = [field.title for field in FIELDS.values()]
    assert len(set(titles)) == len(titles)
    assert {metadata(name).group for name in FIELDS} == {"", *GROUPS}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_lowest_and_a_highest_value_and_both_limits_hold(name: str):
    schema = SCHEMA[name]
    lowest = schema.get("minimum", schema.get("exclusiveMinimum"))
    highest = schema["maximum"]
    assert lowest <= schema["default"] <= highest
    step = 1 if schema["type"] == "integer" else 1e-6
    accepted = [highest, lowest if "minimum" in schema else lowest + step]
    assert [getattr(make_config(**{name: value}), name) for value in accepted] == accepted
    for value in (highest + step, lowest - step if "minimum" in schema else lowest):
        refusal_of(**{name: value})


def test_ranges_are_described():
    assert {name: format_range(name) for name in RANGES} == RANGES
    assert {name for name in FIELDS if format_range(name)} == {*NUMBERS, *CHOICES}


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_in_range_is_refused_with_title_and_range(name: str):
    for value in NO_NUMBERS:
        refusal = refusal_of(**{name: value})
        assert FIELDS[name].title in str(refusal) and format_range(name) in str(refusal) and f"“{value}”" in str(refusal)
        assert refusal.field == name


@pytest.mark.parametrize("name", [name for name in NUMBERS if FIELDS[name].annotation is int])
@pytest.mark.parametrize("value", [1.5, "2.5", "3 epochs"])
def test_half_an_epoch_is_refused_as_no_whole_number(name: str, value: object):
    assert WHOLE_NUMBER in str(refusal_of(**{name: value}))


@pytest.mark.parametrize("name", CHOICES)
def test_what_is_no_choice_is_refused_with_all_choices_and_every_choice_is_taken(name: str):
    for value in ("lion", "", SCHEMA[name]["enum"][0].upper(), 3, None, [], {}):
        refusal = refusal_of(**{name: value})
        assert FIELDS[name].title in str(refusal) and format_range(name) in str(refusal) and refusal.field == name
    assert choices(name) == tuple(SCHEMA[name]["enum"])
    for value in choices(name):
        assert getattr(make_config(**{name: value}), name) == value


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_on_or_off(name: str):
    for value in ("perhaps", 2, None, ""):
        refusal = refusal_of(**{name: value})
        assert FIELDS[name].title in str(refusal) and ON_OR_OFF in str(refusal) and refusal.field == name
    assert [getattr(make_config(**{name: given}), name) for given in (True, "false", "on")] == [True, False, True]


@pytest.mark.parametrize("value", ["vgg", "", 3, None, ["simple"], {}])
def test_an_unknown_model_is_refused_by_its_title(value: object):
    refusal = refusal_of(model=value)
    assert FIELDS["model"].title in str(refusal) and f"“{value}”" in str(refusal) and refusal.field == "model"
    assert not isinstance(value, str) or all(name in str(refusal) for name in FAMILIES)


def test_an_unknown_setting_is_refused_with_the_known_ones():
    refusal = refusal_of(wings=2)
    assert "“wings”" in str(refusal) and "learning_rate" in str(refusal) and refusal.field == "wings"


@pytest.mark.parametrize("value", ["", "x" * 5000, "caf\udce9"], ids=["empty", "too long", "no text"])
def test_a_data_set_without_a_usable_name_is_refused_with_a_message(value: str):
    refusal = refusal_of(data=value)
    assert FIELDS["data"].title in str(refusal) and refusal.field == "data"
    assert "must be ." not in str(refusal)
    str(refusal).encode("utf-8", "backslashreplace")


def test_a_number_too_long_to_be_written_out_is_refused_with_a_message():
    assert f"“{TOO_LONG}”" in str(refusal_of(epochs=16**5000))


@pytest.mark.parametrize(
    "text",
    ["", "1", "0:1", "0:1,", "0:0, 1:0", "0:1 1:0", "0.1:1, 1:0", "0:1, 0.9:0", "0:1, 0.5:1, 0.5:0, 1:0", "0:1, 1:1.1"]
    + [
        "0:1, 1:-0.1",
        "0:1, 1:nan",
        "nan:1, 1:0",
        "0:inf, 1:0",
        "0:1, 0.5:1:1, 1:0",
        "a:b, 1:0",
        "0:1, inf:0",
        5,
        None,
        "0:1," * 200,
    ],
)
def test_knots_that_are_no_curve_from_0_to_1_are_refused_with_a_message(text: object):
    refusal = refusal_of(knots=text)
    assert str(refusal).startswith(FIELDS["knots"].title) and refusal.field == "knots"


@pytest.mark.parametrize(
    "text", ["", "0", "1", "0.5, 0.5", "0.7, 0.3", "0.5; 0.7", "half", "nan", "inf", "-0.1", "0.1,", None, []]
)
def test_places_of_drops_that_do_not_rise_between_0_and_1_are_refused_with_a_message(text: object):
    refusal = refusal_of(drop_at=text)
    assert str(refusal).startswith(FIELDS["drop_at"].title) and refusal.field == "drop_at"


def test_knots_and_places_may_be_written_in_any_spacing():
    assert make_config(knots="0:0,0.25 : 1 , 1:0").knots == "0:0,0.25 : 1 , 1:0"
    assert parse_knots("0:0,0.25 : 1 , 1:0") == ((0, 0), (0.25, 1), (1, 0))
    assert parse_milestones(make_config(drop_at=" .5,0.75 ").drop_at) == (0.5, 0.75)
    assert parse_milestones(make_config(drop_at=0.5).drop_at) == (0.5,)  # as a YAML file has it


def test_text_as_a_command_line_gives_it_becomes_numbers_and_switches():
    config = make_config(epochs="7", learning_rate="1e-2", dropout="0.5", nesterov="false", seed="0")
    assert (config.epochs, config.learning_rate, config.dropout, config.nesterov, config.seed) == (7, 0.01, 0.5, False, 0)


def test_a_run_of_the_first_version_still_has_its_settings():
    first = {"data": "digits", "model": "simple", "epochs": 25, "batch_size": 64, "learning_rate": 0.001, "schedule": "cosine"}
    first |= {"optimizer": "sgd", "dropout": 0.25, "validation_share": 0.15, "seed": 0, "device": "auto"}
    for given, crop, flip in ((True, 0.125, "random"), (False, 0.0, "off")):
        config = TrainConfig.model_validate_json(json.dumps({**first, "crop": given, "flip": given}))
        assert (config.crop, config.flip, config.epochs, config.momentum, config.nesterov) == (crop, flip, 25, 0.9, True)


def test_a_setting_has_an_effect_where_its_network_optimizer_or_schedule_knows_it():
    simple = make_config().model_dump()
    without = {name for name in FIELDS if not has_effect(name, simple)}
    schedules = {"drop_at", "drop_factor", "plateau_patience", "knots"}
    pretrained = {"train", "trained_blocks", "head_epochs", "fine_tuning_rate", "layer_decay", "frozen_norm"}
    assert (
        without
        == {"timm_name", "momentum", "nesterov", "adam_rate", "weights", "mirror", "start_side", "decay_all"}
        | schedules
        | pretrained
    )  # digits are not flipped, and Adam's weight decay is 0
    assert has_effect("momentum", {**simple, "optimizer": "rmsprop"}) and not has_effect(
        "nesterov", {**simple, "optimizer": "rmsprop"}
    )
    assert has_effect("adam_rate", {**simple, "optimizer": "muon"}) and has_effect("nesterov", {**simple, "optimizer": "muon"})
    assert has_effect("mirror", {**simple, "flip": "random"}) and not has_effect("mirror", {**simple, "flip": "off"})
    head, blocks, everything = (
        {"model": "mobilenet", "weights": "pretrained", "train": train} for train in ("head", "blocks", "all")
    )
    assert has_effect("trained_blocks", blocks) and not has_effect("trained_blocks", everything)
    assert has_effect("layer_decay", blocks) and has_effect("layer_decay", everything) and not has_effect("layer_decay", head)
    assert has_effect("train", head) and not has_effect("head_epochs", head) and has_effect("head_epochs", everything)
    assert has_effect("weights", {"model": "mobilenet"}) and not has_effect("width", {"model": "mobilenet"})
    assert not has_effect("depth", {"model": "resnet9"}) and has_effect("width", {"model": "resnet9"})
    step, plateau = ({**simple, "schedule": name} for name in ("step", "plateau"))
    assert has_effect("drop_at", step) and has_effect("drop_factor", step) and not has_effect("plateau_patience", step)
    assert has_effect("drop_factor", plateau) and has_effect("plateau_patience", plateau) and not has_effect("drop_at", plateau)


def test_nothing_that_changes_the_training_images_has_an_effect_where_only_a_pretrained_head_learns():
    changes_images = {name for name in FIELDS if metadata(name).group == "Augmentation"} | {"start_side"}
    head, everything = (make_config(data="photos", model="efficientnet-lite0", train=train) for train in ("head", "all"))
    scratch = make_config(data="photos", model="efficientnet-lite0", weights="scratch", train="head")
    other = make_config(data="photos", model="simple", train="head")
    assert not changes_images & settings_in_effect(head).keys() and "mirror" in settings_in_effect(head)
    assert changes_images <= settings_in_effect(everything).keys()
    assert changes_images <= settings_in_effect(scratch).keys()
    assert changes_images - {"start_side"} <= settings_in_effect(other).keys()
    assert [one.learns_on_features for one in (head, everything, scratch, other)] == [True, False, False, False]
    assert settings_deciding_on("flip") == ("weights", "train")


@pytest.mark.parametrize(
    ("name", "deciding", "values"),
    [("crop_fill", "crop", (0, 0.0625)), ("decay_all", "weight_decay", (0.0, 1e-4)), ("nesterov", "momentum", (0, 0.5))],
)
def test_a_setting_has_an_effect_only_where_the_number_that_it_depends_on_is_above_zero(name, deciding, values):
    without, with_effect = (make_config(**{"optimizer": "sgd", deciding: value}) for value in values)
    assert not has_effect(name, without.model_dump()) and has_effect(name, with_effect.model_dump())
    assert name not in settings_in_effect(without) and name in settings_in_effect(with_effect)
    assert has_effect(name, with_effect.model_dump() | {deciding: None})  # a field that is being typed
    assert settings_deciding_on(name)[-1] == deciding


def test_cutmix_beside_the_plateau_schedule_is_refused_by_name():
    refusal = refusal_of(schedule="plateau", cutmix=1.0)
    assert refusal.field == "cutmix" and FIELDS["cutmix"].title in str(refusal) and "plateau" in str(refusal)
    assert make_config(schedule="plateau", mixup=0.2).mixup == 0.2 and make_config(cutmix=1.0).cutmix == 1


def test_early_stopping_before_the_plateau_schedule_can_drop_is_refused():
    for patience in (1, 4):
        refusal = refusal_of(schedule="plateau", patience=patience, plateau_patience=4)
        assert refusal.field == "patience" and tells(str(refusal), str(patience), "4")
    assert make_config(schedule="plateau", patience=5, plateau_patience=4).patience == 5
    assert make_config(schedule="cosine", patience=1).patience == 1


def test_float16_is_refused_on_the_cpu():
    assert refusal_of(device="cpu", precision="float16").field == "precision"
    assert make_config(device="cuda", precision="float16").precision == "float16"


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
