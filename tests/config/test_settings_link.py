"""Links to settings: every form state goes into one and comes back, and what strangers write into one is refused by name."""

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig, choices, title
from cnn_core.config.settings_file import parse_settings, write_yaml
from cnn_core.config.settings_link import MAX_LENGTH, NO_SET, NO_SETTING, OTHERS, TOO_LONG, read_link, settings_query
from cnn_core.errors import SettingError
from cnn_core.models.registry import FAMILIES
from cnn_core.text import counted

FIELDS = TrainConfig.model_fields
OTHERWISE = {
    "size": 48,
    "crop_share": 0.5,
    "data": "cifar10",
    "model": "resnet20",
    "timm_name": "resnet50.a1_in1k",
    "weights": "/home/me/weights & co=ü.pth",
    "drop_at": "0.1, 0.2, 0.9",
    "knots": "0:0.3, 0.5:1, 1:0.01",
    "learning_rate": 1.2345678901234e-05,
    "crop": 0.2,
    "start_side": 0.75,
}


def another(name):
    """A value of the setting that is not its default."""
    default = FIELDS[name].default
    if name in OTHERWISE:
        return OTHERWISE[name]
    if isinstance(default, bool):
        return not default
    if found := choices(name):
        return next(value for value in reversed(found) if value != default)
    return default + 1 if isinstance(default, int) else 0.3


def refusal_of(name: str, value: object) -> str:
    """The message with which the form refuses a value."""
    with pytest.raises(SettingError) as refusal:
        make_config(**{name: value})
    assert refusal.value.field == name and title(name) in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_comes_back_from_a_link_and_from_a_yaml_file(name):
    config = make_config(**{name: another(name)})
    query = settings_query(config.model_dump())
    assert make_config(**read_link(query).settings) == config and not read_link(query).refused
    assert set(query) == {"data", "model", name}
    assert make_config(**parse_settings(write_yaml(config.model_dump()).encode(), "settings.yaml")) == config


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("optimizer", choices("optimizer"))
def test_what_data_network_and_optimizer_bring_is_left_out(family, optimizer):
    config = make_config(data="svhn", model=family, optimizer=optimizer)
    query = settings_query(config.model_dump())
    assert set(query) <= {"data", "model", "optimizer"}
    assert make_config(**read_link(query).settings) == config


@pytest.mark.parametrize("name, value", [(name, value) for name in FIELDS for value in choices(name)])
def test_every_value_of_every_choice_comes_back(name, value):
    chosen = {**make_config(model="speed").model_dump(), name: value}
    read = read_link(settings_query(chosen))
    assert not read.refused and read.settings.get(name, chosen[name]) == value


def test_all_settings_changed_at_once_come_back():
    config = TrainConfig(**{name: another(name) for name in FIELDS if name not in ("precision", "cutmix")}, cutmix=0.0)
    query = settings_query(config.model_dump())
    assert {**config.model_dump(), **read_link(query).settings} == config.model_dump() and len(query) >= len(FIELDS) - 3


def test_a_form_with_a_refused_value_has_a_link_too_which_says_so_when_it_is_read():
    query = settings_query({"data": "digits", "model": "simple", "epochs": 0, "dropout": 0.5})
    assert query == {"data": "digits", "model": "simple", "epochs": "0", "dropout": "0.5"}
    read = read_link(query)
    assert read.settings == {"data": "digits", "model": "simple", "dropout": 0.5}
    assert read.refused == (refusal_of("epochs", 0),)


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("epochs", "many", None),
        ("epochs", "1e999", None),
        ("learning_rate", "nan", None),
        ("learning_rate", "inf", None),
        ("seed", "9" * 4000, None),
        ("dropout", "", None),
        ("dropout", "0.5; drop table runs", None),
        ("optimizer", "sgd\x00", None),
        ("model", "../../etc", None),
        ("nesterov", "perhaps", None),
        ("knots", "0:1", None),
        ("data", "", None),
        ("seed", "9" * (MAX_LENGTH + 1), TOO_LONG.format(setting=title("seed"), length=MAX_LENGTH + 1)),
        ("data", "flowers", NO_SET.format(name="flowers")),
        ("model_config", "x", NO_SETTING.format(name="model_config")),
        ("__class__", "x", NO_SETTING.format(name="__class__")),
        ("<script>" * 50, "x", NO_SETTING.format(name="<script>" * 5)),
        ("\ud800", "x", NO_SETTING.format(name="?")),
    ],
)
def test_what_a_setting_cannot_be_is_refused_by_name_and_the_rest_is_taken(name, text, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path))
    read = read_link({"batch_size": "32", name: text})
    assert read.settings == {"batch_size": 32}
    (sentence,) = read.refused
    assert sentence == (expected or refusal_of(name, text)) and len(sentence) < 400 and sentence.encode()


def test_of_many_refusals_the_first_are_reported():
    read = read_link({f"x{number}": "1" for number in range(1000)})
    assert len(read.refused) == 6 and read.refused[-1] == OTHERS.format(parameters=counted(995, "more parameter"))
    expected = OTHERS.format(parameters=counted(1, "more parameter"))
    assert read_link({f"x{number}": "1" for number in range(6)}).refused[-1] == expected
