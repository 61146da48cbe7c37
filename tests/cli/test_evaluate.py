"""`python -m cnn_core evaluate` with its options: any part and kept epoch, a table of predictions and a report that say the same."""

import csv
import json

import numpy as np
import pytest

from cnn_core.__main__ import main
from cnn_core.data.source import finish
from cnn_core.home import EVALUATIONS, epoch_file, saved_epochs
from cnn_core.metrics.evaluated_models import models_evaluated
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.runs.organizer import RunOrganizer
from tests.conftest import Trained
from tests.helpers import is_a_sentence, tells


def answer(capsys, *arguments):
    capsys.readouterr()
    assert main([str(argument) for argument in (*arguments, "--json")]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(("split", "images"), [("test", 12), ("val", 6), ("train", 42)])
def test_every_part_can_be_measured(colours_copy: Trained, capsys, split, images):
    expected = finish(evaluate_run(colours_copy.id, colours_copy.run.config, colours_copy.home, split=split))
    result = answer(capsys, "evaluate", "latest", "--part", split)
    assert result["part"] == split and result["epoch"] is None and result["images"] == len(expected) == images
    assert result[f"{split}_accuracy"] == (expected.logits.argmax(1) == expected.labels).mean()
    assert np.array(result["confusion"]).sum() == images


def test_the_network_after_a_saved_epoch_can_be_measured_and_one_that_was_not_saved_is_refused(colours_copy: Trained, capsys):
    (epoch, *_) = saved_epochs(colours_copy.folder)
    expected = finish(evaluate_run(colours_copy.id, colours_copy.run.config, colours_copy.home, split="val", epoch=epoch))
    result = answer(capsys, "evaluate", colours_copy.id, "--epoch", epoch)
    assert result["epoch"] == epoch and result["val_loss"] == expected.loss
    epoch_file(colours_copy.folder, epoch).unlink()
    assert main(["evaluate", colours_copy.id, "--epoch", str(epoch)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert tells(error, str(epoch), colours_copy.id) and is_a_sentence(error)


def test_measuring_test_images_counts_as_a_look_at_them_and_measuring_others_does_not(colours_copy: Trained, capsys):
    data = colours_copy.run.config.data
    for options in ([], ["--part", "val"], ["--split", "train"]):
        result = answer(capsys, "evaluate", "latest", *options)
        assert "test_accuracy" not in result and models_evaluated(colours_copy.home, data) == frozenset()
    answer(capsys, "evaluate", "latest", "--split", "test")
    assert len(models_evaluated(colours_copy.home, data)) == 1


def test_the_table_and_the_report_say_what_the_command_says(colours_copy: Trained, capsys, tmp_path):
    RunOrganizer(colours_copy.store).describe(colours_copy.id, name="Grün & <b>rot</b>", notes="Café", tags=["one"])
    table, report = tmp_path / "predictions.csv", tmp_path / "report.html"
    result = answer(capsys, "evaluate", "latest", "--part", "train", "--csv", table, "--report", report)
    assert (result["csv"], result["report"]) == (str(table), str(report))
    rows = list(csv.DictReader(table.open(encoding="utf-8-sig", newline="")))
    assert len(rows) == result["images"]
    assert np.mean([row["is_right"] == "True" for row in rows]) == pytest.approx(result["train_accuracy"])
    assert all(row["image"].rpartition("/")[0] == row["true"] for row in rows), "files lie in folders named by their class"
    text = report.read_text(encoding="utf-8")
    assert f"{100 * result['train_accuracy']:.2f}%" in text
    assert "Grün &amp; &lt;b&gt;rot&lt;/b&gt;" in text and "Café" in text
    assert f"--data={colours_copy.run.config.data}" in text
    cells = [f'<td class="number">{epoch.val_loss:.4f}</td>' for epoch in _epochs(colours_copy)]
    assert len(cells) == 8 and all(cell in text for cell in cells)


def _epochs(trained: Trained):
    from cnn_core.runs.event_reader import EventReader

    return EventReader(trained.store, trained.id).epochs()


@pytest.mark.parametrize("option", ["--csv", "--report"])
def test_a_file_that_cannot_be_written_is_refused_with_its_option(colours_copy: Trained, capsys, tmp_path, option):
    assert main(["evaluate", "latest", option, str(tmp_path / "no" / "such" / "file")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert option in error and is_a_sentence(error)
    assert not list(tmp_path.glob("no*"))


def test_figures_of_a_class_without_images_are_null_and_a_dash(colours_copy: Trained, capsys):
    answer(capsys, "evaluate", "latest", "--part", "val")
    (path,) = (colours_copy.folder / EVALUATIONS).glob("best-val-*.labels.npy")
    labels = np.load(path)
    np.save(path, np.where(labels == 0, 1, labels))
    first, second, _ = answer(capsys, "evaluate", "latest", "--part", "val")["classes"]
    assert (first["recall"], first["f1"], first["support"]) == (None, None, 0) and second["recall"] is not None
    assert main(["evaluate", "latest", "--part", "val"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(first["class"])]
    assert row.split()[2:] == ["–", "–", "0"]
