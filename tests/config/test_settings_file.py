"""Settings as files: JSON and YAML give the same settings as their options would, and everything else is refused in words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.settings_file import (
    MAX_BYTES,
    NO_SETTINGS,
    TOO_LARGE,
    UNKNOWN_FORMAT,
    UNREADABLE,
    parse_settings,
    read_settings,
)
from cnn_core.errors import SettingError
from cnn_core.home import CONFIG
from cnn_core.runs.store import Store
from tests.helpers import is_a_sentence

CHOSEN: dict[str, Any] = {
    "epochs": 7,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "flip": "off",
    "nesterov": False,
    "knots": "0:1, 1:0",
}


def refusal_of(content: bytes) -> SettingError:
    with pytest.raises(SettingError, match="“my.yaml”") as refusal:
        parse_settings(content, "my.yaml")
    assert is_a_sentence(refusal.value) and refusal.value.field == "config"
    return refusal.value


def config_from(text: str) -> TrainConfig:
    return make_config(**parse_settings(text.encode(), "my.yaml"))


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump, lambda chosen: "\ufeff" + json.dumps(chosen, indent=4)])
def test_json_and_yaml_give_the_same_settings_as_choosing_them_one_by_one(tmp_path: Path, write):
    (tmp_path / "settings").write_text(write(CHOSEN), encoding="utf-8")
    assert read_settings(tmp_path / "settings") == CHOSEN
    assert make_config(**read_settings(tmp_path / "settings")) == make_config(**CHOSEN)


def test_a_runs_own_config_is_a_settings_file_that_gives_the_same_run_again(store: Store):
    config = make_config(model="speed", optimizer="muon", mixup=0.2, drop_at="0.3", seed=9)
    run = store.create(config)
    assert make_config(**read_settings(store.home.run_folder(run) / CONFIG)) == config


def test_yaml_as_people_write_it_is_understood():
    config = config_from(
        "# my settings\nlearning_rate: 1e-3\nepochs: 1_0\nflip: off\ncrop: on\ncompile: on\nchannels_last: off\nnesterov: no\n"
        "drop_at: 0.5\nknots: 0:0.1, 0.3:1, 1:0\nschedule: 'step'\n"
    )
    assert (config.learning_rate, config.epochs, config.flip, config.crop) == (0.001, 10, "off", 0.125)
    assert (config.compile, config.channels_last, config.nesterov) == ("on", "off", False)
    assert (config.drop_at, config.knots, config.schedule) == ("0.5", "0:0.1, 0.3:1, 1:0", "step")
    assert config_from("flip: on").flip == "random" and config_from("flip: alternating").flip == "alternating"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("epochs: many", "epochs"),
        ("wings: 2", "wings"),
        ("model: [simple]", "model"),
        ("epochs:", "epochs"),
        ("epochs: true", "epochs"),
        ("learning_rate: yes", "learning_rate"),
        ("optimizer: {a: 1}", "optimizer"),
    ]
    + [
        ("data: 2024-01-01\nepochs: 2024-01-01", "epochs"),
        ("epochs: 0x" + "f" * 9000, "epochs"),
        ("drop_at: [0.5, 0.75]", "drop_at"),
    ],
)
def test_values_are_checked_like_all_others(text: str, field: str):
    with pytest.raises(SettingError) as refusal:
        config_from(text)
    assert is_a_sentence(refusal.value) and refusal.value.field == field


@pytest.mark.parametrize("text", ["", "[1, 2]", "7", "epochs", "null", "1: 2", "on: 1", "- epochs: 3", "# nothing"])
def test_a_file_without_settings_gives_an_example(text: str):
    assert str(refusal_of(text.encode())) == NO_SETTINGS.format(name="my.yaml")


@pytest.mark.parametrize(
    "content",
    [
        b'{"epochs": 3',
        b"epochs: 3\n  - x: [",
        b"\xff\xfe\x00\xd8",
        bytes(range(256)),
        b"\x00" * 50,
        b"\x89PNG\r\n\x1a\n\x00",
        b"[" * 50_000,
    ]
    + [b"a: !!python/object/apply:os.system [ls]", b'epochs: !!int ""', b'epochs: !!timestamp "x"', b'epochs: !!bool "x"']
    + [b"{a: 1}: 2", b"epochs: 2024-13-45", b"a: *b", b"epochs: " + b"9" * 9000, b"a: 1\n---\nb: 2"],
)
def test_a_file_that_is_broken_binary_or_hostile_is_refused_as_neither_json_nor_yaml(content: bytes):
    assert str(refusal_of(content)) == UNKNOWN_FORMAT.format(name="my.yaml")


def test_a_few_lines_that_stand_for_more_than_memory_holds_are_refused_at_once():
    bomb = "a0: &a0 {x: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(30))
    merged = "a0: &a0 {x: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 10)}]}}\n" for n in range(30))
    for text in (bomb, merged):
        refusal_of(text.encode())


def test_a_file_far_too_large_is_refused_without_being_read_whole(tmp_path: Path):
    assert parse_settings(b"epochs: 3" + b" " * (MAX_BYTES - 9), "x") == {"epochs": 3}
    assert str(refusal_of(b"epochs: 3" + b" " * MAX_BYTES)) == TOO_LARGE.format(name="my.yaml")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)  # a hole of a terabyte
    with pytest.raises(SettingError, match=re.escape(TOO_LARGE.format(name=tmp_path / "huge"))):
        read_settings(tmp_path / "huge")


def test_a_file_that_cannot_be_opened_is_refused_by_its_path(tmp_path: Path):
    for path in (tmp_path / "missing.json", tmp_path, tmp_path / "a" / "b", tmp_path / ("x" * 300)):
        with pytest.raises(SettingError) as refusal:
            read_settings(path)
        assert str(refusal.value).startswith(UNREADABLE.partition("(")[0].format(name=path)) and is_a_sentence(refusal.value)
