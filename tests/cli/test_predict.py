"""`python -m cnn_core predict` on all of a folder or zip: a table with the answers that single images get, counts, and refusals."""

import csv
import json
from pathlib import Path

import pytest

from cnn_core.__main__ import main
from cnn_core.text import counted
from tests.conftest import Trained
from tests.data.imports import encoded, noise, write_zip
from tests.helpers import is_a_sentence, tells


def answer(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0):
    capsys.readouterr()
    assert main([str(argument) for argument in ("predict", "latest", *arguments)]) == status
    return capsys.readouterr()


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.open(encoding="utf-8-sig", newline="")))


def test_a_folder_gets_the_predictions_of_its_single_images_in_a_table(
    colours_copy: Trained, image_folder: Path, capsys, tmp_path
):
    table = tmp_path / "answers.csv"
    summary = json.loads(answer(capsys, image_folder, "--csv", table, "--json").out)
    files = sorted(str(path.relative_to(image_folder)) for path in image_folder.rglob("*.*"))
    singly = json.loads(answer(capsys, *(image_folder / file for file in files), "--json").out)
    rows = rows_of(table)
    assert [row["file"] for row in rows] == files
    assert [row["predicted"] for row in rows] == [one["class"] for one in singly]
    assert [float(row["probability"]) for row in rows] == pytest.approx([one["probability"] for one in singly], abs=1e-5)
    assert {row["verdict"] for row in rows} == {""}, "no threshold was set"
    right = sum(row["predicted"] == row["file"].split("/")[0] for row in rows)
    assert summary == {
        "csv": str(table),
        "answered": 30,
        "unsure": None,
        "unlike_training": None,
        "unread": 0,
        "predicted": {name: sum(row["predicted"] == name for row in rows) for name in ("blue", "green", "red")},
        "in_class_folders": 30,
        "accuracy_in_class_folders": right / 30,
    }


def test_images_without_a_prediction_are_reported_and_in_the_table(colours_copy: Trained, capsys, tmp_path):
    source = write_zip(tmp_path / "in.zip", {"a.png": encoded(noise(1)), "b.png": b"no image", "../c.png": encoded(noise(2))})
    output = answer(capsys, source, "--csv", tmp_path / "out.csv", status=2)
    assert tells(output.out, counted(1, "image"), counted(2, "file"))
    error = output.err.splitlines()[-1]
    assert (
        error.startswith("Error: ") and tells(error, "2", counted(3, "file"), str(tmp_path / "out.csv")) and is_a_sentence(error)
    )
    assert [bool(row["problem"]) for row in rows_of(tmp_path / "out.csv")] == [True, False, True]
    assert not (tmp_path.parent / "c.png").exists()


def test_a_table_is_made_of_one_source_that_is_there(colours_copy: Trained, image_folder: Path, capsys, tmp_path):
    for images in ((image_folder, image_folder), (tmp_path / "nowhere",), (image_folder / "red" / "000.jpg",)):
        error = answer(capsys, *images, "--csv", tmp_path / "out.csv", status=2).err.splitlines()[-1]
        assert error.startswith("Error: ") and is_a_sentence(error)
    assert not list(tmp_path.glob("*out*"))


def test_a_folder_without_a_table_is_refused_with_the_option_that_takes_it(
    colours_copy: Trained, image_folder: Path, capsys, tmp_path
):
    for source in (image_folder, write_zip(tmp_path / "in.zip", {"a.png": encoded(noise(1))})):
        error = answer(capsys, source, status=2).err.splitlines()[-1]
        assert error.startswith("Error: ") and "--csv FILE" in error and is_a_sentence(error)
