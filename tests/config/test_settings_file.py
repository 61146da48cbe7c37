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
    DUPLICATE,
    MAX_BYTES,
    NO_SETTINGS,
    SYNTAX,
    TAB,
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
        ("epochs: " + "9" * 9000, "epochs"),
        ("epochs: 2024-13-45", "epochs"),
        ("epochs: 1:30", "epochs"),
        ("learning_rate: 1:30.5", "learning_rate"),
        ("epochs: 0x1F", "epochs"),
        ("seed: 0o17", "seed"),
        ("seed: 0b101", "seed"),
        ("learning_rate: .inf", "learning_rate"),
        ("learning_rate: .nan", "learning_rate"),
        ('{"learning_rate": NaN}', "learning_rate"),
        ("weights:", "weights"),
        ("data: null", "data"),
        ("<<: {epochs: 3}", "<<"),
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
        b"\xff\xfe\x00\xd8",
        bytes(range(256)),
        b"\x00" * 50,
        b"\x89PNG\r\n\x1a\n\x00",
        b"[" * 50_000,
        b'epochs: !!int ""',
        b'epochs: !!timestamp "x"',
        b'epochs: !!bool "x"',
        b"a: *b",
    ],
)
def test_a_file_that_is_broken_binary_or_hostile_is_refused_as_neither_json_nor_yaml(content: bytes):
    assert str(refusal_of(content)) == UNKNOWN_FORMAT.format(name="my.yaml")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("epochs: 3\n\tseed: 1", 2, 1),
        ("epochs:\t3", 1, 8),
        ("epochs: 3\nseed 4\nflip: off", 2, 1),
        ("epochs: 3\n  - x: [", 2, 6),
        ("# mine\r\nepochs: 'three", 2, 9),
        ("seed: 1\nmodel: !!python/object/apply:os.system [ls]", 2, 8),
        ("{a: 1}: 2", 1, 1),
        ("a: 1\n---\nb: 2", 2, 1),
        ('{"epochs": 3', 1, 13),
        ('{\n\t"epochs": 3\n\t"seed": 1\n}', 3, 8),
        ('{\n  "epochs": 3,\n  "seed"; 1\n}', 3, 9),
    ],
)
def test_a_mistake_in_a_file_is_reported_with_its_line_and_column(text: str, line: int, column: int):
    message = str(refusal_of(text.encode()))
    assert message.startswith(SYNTAX.partition(":")[0].format(name="my.yaml", line=line, column=column) + ":")
    assert (TAB in message) == ("\t" in text and not text.startswith("{"))


@pytest.mark.parametrize(
    ("text", "setting", "first", "line", "column"),
    [
        ("epochs: 3\nseed: 1\nepochs: 4", "epochs", 1, 3, 1),
        ("epochs: 3\n'epochs': 3", "epochs", 1, 2, 1),
        ("{epochs: 3, epochs: 4}", "epochs", 1, 1, 13),
        ('{\n\t"seed": 1,\n\t"epochs": 3,\n\t"seed": 1\n}', "seed", 2, 4, 2),
    ],
)
def test_a_setting_that_is_given_twice_is_refused_with_both_places(text: str, setting: str, first: int, line: int, column: int):
    place = {"setting": setting, "first": first, "line": line, "column": column}
    assert str(refusal_of(text.encode())) == DUPLICATE.format(name="my.yaml", **place)


@pytest.mark.parametrize(
    ("text", "setting", "value"),
    [
        ("seed: 010", "seed", 10),
        ("seed: 08", "seed", 8),
        ("seed: !!int 010", "seed", 10),
        ("seed: 1_000", "seed", 1000),
        ("epochs: +5", "epochs", 5),
        ("learning_rate: 1E-3", "learning_rate", 0.001),
        ("dropout: .5", "dropout", 0.5),
        ("knots: '0:1, 1:0'", "knots", "0:1, 1:0"),
        ("drop_at: 0.50", "drop_at", "0.50"),
        ("data: 2024-01-01", "data", "2024-01-01"),
        ("data: 007", "data", "007"),
        ("data: 1.10", "data", "1.10"),
        ("data: no", "data", "no"),
        ("data: 12:30:45", "data", "12:30:45"),
        ('{"data": "caf\\u00e9 \\ud83d\\ude00", \t"seed": 1}', "data", "café 😀"),
    ],
)
def test_values_are_read_as_they_are_written(text: str, setting: str, value: object):
    read = parse_settings(text.encode(), "my.yaml")
    assert (read[setting] if setting == "data" else getattr(make_config(**read), setting)) == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_files_of_other_editors_are_read(encoding: str, line_end: str):
    content = f"epochs: 3{line_end}data: Früchte{line_end}".encode(encoding)
    assert parse_settings(content, "my.yaml") == {"epochs": 3, "data": "Früchte"}


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
