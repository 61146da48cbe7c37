"""`data split`, `data import --validation-as`, and the bin of data sets on the command line."""

import json
from pathlib import Path

import pytest

from cnn_core.__main__ import main
from cnn_core.data.imported import ImportedSource
from cnn_core.data.path_source import PathSource
from cnn_core.data.set_bin import removed_sets
from cnn_core.data.validation_use import AS_TEST, AS_VALIDATION, CHANGE, describe_use
from cnn_core.home import Home
from tests.data.imports import write_folder
from tests.data.test_validation_use import FILES

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, home: Home) -> Path:
    return write_folder(tmp_path / "pets", FILES)


def run(capsys: Capture, *arguments: object) -> dict:
    capsys.readouterr()
    assert main(["data", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def counts(info: dict) -> tuple[int, int, int]:
    return info["train_count"], info["val_count"], info["test_count"]


def test_an_import_takes_the_choice_and_says_what_became_of_the_images(folder: Path, home: Home, capsys: Capture):
    kept = run(capsys, "import", folder, "--name", "kept")
    assert counts(kept) == (16, 6, 4) and kept["warnings"] == [describe_use("kept", "", 6, 4)]
    assert CHANGE.format(name="kept") in kept["warnings"][0]
    test = run(capsys, "import", folder, "--name", "test", "--validation-as", AS_TEST)
    assert counts(test) == (20, 0, 6) and test["warnings"] == [describe_use("test", AS_TEST, 6, 0)]
    assert counts(run(capsys, "split", "kept", "--validation-as", AS_TEST)) == counts(test)
    assert ImportedSource(home.set_folder("kept")).version == test["fingerprint"]


def test_the_choice_for_a_path_is_stored_for_its_runs(folder: Path, home: Home, capsys: Capture):
    assert counts(run(capsys, "split", folder, "--validation-as", AS_TEST)) == (20, 0, 6)
    assert PathSource(folder, home).question is None
    assert counts(run(capsys, "split", folder, "--validation-as", AS_VALIDATION)) == (16, 6, 4)
    assert main(["data", "split", "digits", "--validation-as", AS_TEST]) == 2


def test_a_removed_set_is_restored_or_deleted(folder: Path, home: Home, capsys: Capture):
    run(capsys, "import", folder, "--name", "pets")
    run(capsys, "remove", "pets")
    assert [removed.name for removed in removed_sets(home)] == ["pets"]
    assert run(capsys, "restore", "pets")["name"] == "pets" and run(capsys, "empty-bin") == {"deleted": []}
    run(capsys, "remove", "pets")
    assert run(capsys, "empty-bin") == {"deleted": ["pets"]} and removed_sets(home) == []
    assert main(["data", "restore", "pets"]) == 2
