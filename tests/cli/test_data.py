"""`python -m cnn_core data …`, as a person or a script uses it."""

import json
from pathlib import Path
from typing import Any

import pytest

from cnn_core.__main__ import main
from cnn_core.cli.data import DUPLICATES
from cnn_core.data import duplicates
from cnn_core.data.catalog import CATALOG
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import LISTING, NOT_AN_OPTION, READING, SPLITTING
from cnn_core.data.layout import SAME_SUBFOLDERS
from cnn_core.data.library import IN_TWO_CLASSES
from cnn_core.data.names import NAME_CHANGED
from cnn_core.data.skipped import SEE_COMMAND, describe_skipped
from cnn_core.home import Home
from tests.data.imports import encoded, good_files, noise, write_folder, write_zip
from tests.helpers import is_a_sentence, start_process, tells

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = dict.fromkeys(("cat/copy.png", "dog/copy.png"), encoded(noise(99)))
    return write_folder(tmp_path / "pictures", good_files(12) | copy | {"cat/bad.jpg": b"", "cat/notes.txt": b"x"})


def answer(capsys: Capture, *arguments: object) -> Any:
    """What a command that must succeed answers with `--json`."""
    capsys.readouterr()
    assert main(["data", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refusal(capsys: Capture, *arguments: object) -> str:
    capsys.readouterr()
    assert main(["data", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    sentence = captured.err.splitlines()[-1]
    assert "Traceback" not in captured.err and sentence.startswith("Error: ") and is_a_sentence(sentence)
    return sentence


def test_the_catalogue_is_listed_before_anything_is_imported(home: Home, capsys: Capture):
    rows = answer(capsys, "list")
    assert [row["name"] for row in rows] == list(CATALOG) and not any(row["is_here"] for row in rows if row["name"] != "digits")
    assert all(row["train_count"] and row["classes"] for row in rows) and not home.data.exists()


def test_a_folder_is_imported_checked_listed_and_removed(folder: Path, home: Home, capsys: Capture):
    info = answer(capsys, "import", folder, "--name", "pets")
    assert (info["name"], info["classes"], info["train_count"] + info["test_count"]) == ("pets", ["cat", "dog"], 26)
    assert info["skipped"] == 2 and {file["path"] for file in info["skipped_files"]} == {"cat/bad.jpg", "cat/notes.txt"}
    checked = answer(capsys, "check", "pets")
    assert checked["fingerprint"] == info["fingerprint"] and checked["pairs"]["same"] == 1 and checked["pairs"]["labels"] == 1
    assert sum(checked["classes"]["cat"].values()) == 13
    assert {file["path"] for file in checked["skipped_files"]} == {"cat/bad.jpg", "cat/notes.txt"}
    row = next(row for row in answer(capsys, "list") if row["name"] == "pets")
    assert row["is_here"] and row["title"] == "pets"
    assert answer(capsys, "remove", "pets") == {"removed": "pets"}
    assert "pets" not in [row["name"] for row in answer(capsys, "list")] and (folder / "cat" / "0.png").exists()


def test_the_options_of_an_import_are_heeded(folder: Path, capsys: Capture, home: Home):
    options = ["--image-size", 24, "--fit", "pad", "--colour", "grey", "--test-share", 0.5, "--split-seed", 3]
    info = answer(capsys, "import", folder, "--name", "pets", *options)
    assert (info["image_size"], info["channels"], info["fit"], info["train_count"], info["test_count"]) == (24, 1, "pad", 14, 12)


def test_a_zip_is_imported_like_its_folder(home: Home, capsys: Capture, tmp_path: Path):
    one = answer(capsys, "import", write_zip(tmp_path / "set.zip", good_files(12)), "--name", "zipped")
    other = answer(capsys, "import", write_folder(tmp_path / "set", good_files(12)), "--name", "plain")
    assert one["fingerprint"] == other["fingerprint"]


def test_the_text_output_has_every_result(folder: Path, home: Home, capsys: Capture):
    assert main(["data", "import", str(folder), "--name", "pets"]) == 0
    captured = capsys.readouterr()
    assert tells(captured.out, "pets", "20", "6", "2", "16×16", "colour")
    assert captured.err.splitlines() == [LISTING, READING, SPLITTING, duplicates.STAGE]
    skipped = describe_skipped(ImportedSource(home.set_folder("pets")).index, SEE_COMMAND.format(name="pets"))
    assert captured.out.splitlines()[-1] == skipped and tells(skipped, "2") and "cat/notes.txt" in skipped
    assert main(["data", "check", "pets"]) == 0
    printed = capsys.readouterr().out
    assert (
        DUPLICATES.format(same="1 pair", near="0 pairs") in printed and "cat/bad.jpg: " in printed and IN_TWO_CLASSES in printed
    )
    assert main(["data", "list"]) == 0
    assert "pets" in capsys.readouterr().out


def test_a_name_with_capitals_and_spaces_is_changed_and_told(folder: Path, home: Home, capsys: Capture):
    assert main(["data", "import", str(folder), "--name", "My Photos"]) == 0
    assert NAME_CHANGED.format(typed="My Photos", name="my-photos") in capsys.readouterr().out
    assert answer(capsys, "check", "my-photos") and answer(capsys, "import", folder, "--name", "Pets 2")["name"] == "pets-2"


def test_a_layout_that_may_be_meant_otherwise_is_warned_of(home: Home, capsys: Capture, tmp_path: Path):
    files = {f"{fold}/{path}": content for fold in ("one", "two") for path, content in good_files(4).items()}
    folder = write_folder(tmp_path / "folds", files)
    warning = SAME_SUBFOLDERS.format(classes="“one”, “two”", folders="“cat”, “dog”")
    imported = answer(capsys, "import", folder, "--name", "folds")
    assert imported["warnings"] == [warning] and imported["classes"] == ["one", "two"]
    assert warning in answer(capsys, "check", "folds")["warnings"]
    assert main(["data", "import", str(folder), "--name", "again"]) == 0
    assert warning in capsys.readouterr().out
    assert answer(capsys, "import", write_folder(tmp_path / "set", good_files()), "--name", "plain")["warnings"] == []


def test_what_cannot_be_done_is_refused_with_a_message(folder: Path, home: Home, capsys: Capture, tmp_path: Path):
    assert "nowhere" in refusal(capsys, "import", tmp_path / "nowhere", "--name", "pets")
    assert "“../pets”" in refusal(capsys, "import", folder, "--name", "../pets")
    assert "“digits”" in refusal(capsys, "import", folder, "--name", "digits")
    assert "16 to 224" in refusal(capsys, "import", folder, "--name", "pets", "--image-size", 300)
    assert NOT_AN_OPTION in refusal(capsys, "import", folder, "--name", "pets", "--fit", "melt")
    assert "“pets”" in refusal(capsys, "check", "pets")
    assert "“pets”" in refusal(capsys, "remove", "pets")
    assert "“pets” " in refusal(capsys, "get", "pets")
    answer(capsys, "import", folder, "--name", "pets")
    assert "“pets”" in refusal(capsys, "import", folder, "--name", "pets")


def test_a_person_at_a_terminal_can_use_it(folder: Path, home: Home):
    process = start_process(home, "-m", "cnn_core", "data", "import", str(folder), "--name", "pets", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["name"] == "pets"
