"""The studio home: where it is, and that no name of a run or a data set leads out of it."""

from pathlib import Path

import pytest

from cnn_core.errors import DataError, RunError
from cnn_core.home import NOT_A_RUN, NOT_A_SET, Home
from tests.helpers import is_a_sentence

NO_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "0001-a/../../etc",
    "0001-a/b",
    "/etc/passwd",
    "0001-digits\n",
    "0001-digits\0",
    "0001-Digits",
    "0001-",
    "001-digits",
    "٠٠٠١-digits",
    "latest",
    "0001-" + "a" * 61,
]


def test_the_home_is_where_the_environment_says_else_studio_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for value, expected in (("", tmp_path / "studio"), ("other", tmp_path / "other"), (str(tmp_path / "far"), tmp_path / "far")):
        monkeypatch.setenv("CNN_STUDIO_HOME", value)
        assert Home.from_environment().root == expected.resolve()
    monkeypatch.delenv("CNN_STUDIO_HOME")
    assert Home.from_environment().root == (tmp_path / "studio").resolve()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CNN_STUDIO_HOME", "~/mine")
    assert Home.from_environment().root == (tmp_path / "mine").resolve()
    assert list(tmp_path.iterdir()) == []  # nothing is created before it is needed


def test_a_run_has_a_folder_of_its_name(tmp_path: Path):
    for name in ("0007-digits", "12345-my-photos", "0001-" + "a" * 60):
        assert Home(tmp_path).run_folder(name) == tmp_path / "runs" / name


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_runs_name_is_refused_so_that_no_path_can_be_smuggled_in(tmp_path: Path, name: str):
    with pytest.raises(RunError) as refusal:
        Home(tmp_path).run_folder(name)
    assert str(refusal.value) == NOT_A_RUN.format(name=name) and is_a_sentence(refusal.value)


def test_a_data_set_has_a_folder_of_its_name_and_another_one_while_it_is_imported(tmp_path: Path):
    for name in ("colours", "cifar10", "my-photos_2", "7", "a" * 60):
        assert Home(tmp_path).set_folder(name) == tmp_path / "data" / "sets" / name
        assert Home(tmp_path).staging_folder(name) == tmp_path / "data" / "importing" / name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", "a\n", "a\0", "Colours", "-x", "_x", ".x", "é", "٣", "a" * 61]
)
def test_what_is_no_data_sets_name_is_refused_so_that_no_path_can_be_smuggled_in(tmp_path: Path, name: str):
    for folder in (Home(tmp_path).set_folder, Home(tmp_path).staging_folder):
        with pytest.raises(DataError) as refusal:
            folder(name)
        assert str(refusal.value) == NOT_A_SET.format(name=name) and is_a_sentence(refusal.value)
