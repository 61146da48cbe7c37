"""A studio home made by an earlier version: today's code opens every run in it, evaluates its models and resumes its stopped run.

`home.tar.xz` is that home, `expected.json` what the earlier version said of it, `made_by.md` how both were made.
"""

import json
import shutil
import tarfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_core.data.imported import ImportedSource
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.events import Epoch, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import EVALUATIONS, Home, saved_epochs
from cnn_core.inference.confidence import read_calibration
from cnn_core.lessons.attempts import list_attempts
from cnn_core.metrics.evaluated_models import models_evaluated
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.models.checkpoint import has_checkpoint
from cnn_core.runs.branch_tree import family_trees
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from cnn_core.search.search_store import SearchStore
from cnn_core.training.tracked_images import read_tracked_images

FOLDER = Path(__file__).parent
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
RUNS: dict[str, Any] = EXPECTED["runs"]
EVALUATED = [(run, one) for run, row in RUNS.items() for one in row["evaluations"]]
ROW = ("created", "status", "name", "notes", "parent", "parent_epoch", "removed", "owner", "origin", "summary")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A fresh copy of the home. Its times of change are kept: an evaluation is known by that of the weights."""
    root = tmp_path_factory.mktemp("earlier")
    with tarfile.open(FOLDER / "home.tar.xz") as archive:
        archive.extractall(root, filter="data")
    return Store(Home(root / "home"))


@pytest.fixture
def copy(earlier: Store, tmp_path: Path) -> Store:
    """A copy that a test may change."""
    return Store(Home(Path(shutil.copytree(earlier.home.root, tmp_path / "home"))))


def test_runs_bin_and_branches_are_listed(earlier: Store) -> None:
    runs = earlier.runs()
    assert [run.id for run in runs] == EXPECTED["runs_listed"]
    assert [run.id for run in RunOrganizer(earlier).removed()] == EXPECTED["in_bin"]
    nodes = [[node.run.id, node.column, node.row, node.parent] for node in family_trees(runs)]
    assert nodes == EXPECTED["branch_tree"]


@pytest.mark.parametrize("run", RUNS)
def test_a_run_has_the_same_settings_and_status(earlier: Store, run: str) -> None:
    row, expected, folder = earlier.run(run), RUNS[run], earlier.home.run_folder(run)
    assert {name: getattr(row, name) for name in ROW} == {name: expected[name] for name in ROW}
    assert list(row.tags) == expected["tags"]
    assert [child.id for child in earlier.children(run)] == expected["children"]
    assert earlier.data_version(run) == expected["data_version"]
    assert saved_epochs(folder) == expected["kept_epochs"] and has_checkpoint(folder) == expected["has_checkpoint"]
    settings = EXPECTED["settings"] | expected["settings"]
    assert settings.items() <= row.config.model_dump().items()
    assert (settings | expected["settings_changed_in_training"]).items() <= earlier.config_in_force(run).model_dump().items()


@pytest.mark.parametrize("run", RUNS)
def test_a_run_has_the_same_events(earlier: Store, run: str) -> None:
    expected, events = RUNS[run], [stored.event for stored in earlier.log.read(run)]
    assert len(events) == expected["event_count"]
    assert [type(event).__name__ for event in events[-1:]] == ([expected["last_event"]] if events else [])
    epochs = [asdict(event) for event in events if isinstance(event, Epoch)]
    assert len(epochs) == len(expected["epochs"]) == len(read_history(earlier, run).epochs)
    assert all(wanted.items() <= epoch.items() for wanted, epoch in zip(expected["epochs"], epochs, strict=True))
    assert sum(len(event.loss) for event in events if isinstance(event, Steps)) == expected["steps"]


@pytest.mark.parametrize("run", RUNS)
def test_a_run_has_the_same_tracked_images_and_calibration(earlier: Store, run: str) -> None:
    expected, folder = RUNS[run], earlier.home.run_folder(run)
    tracked = [[image.label, image.truth, image.origin] for image in read_tracked_images(folder)]
    assert tracked == expected["tracked_images"]
    calibration = read_calibration(folder)
    assert (calibration and calibration.temperature) == expected["temperature"]
    assert (calibration and calibration.threshold) == expected["threshold"]
    assert calibration is None or calibration.belongs_to(folder)


@pytest.mark.parametrize(("run", "expected"), EVALUATED, ids=lambda value: value if isinstance(value, str) else value["split"])
def test_a_model_gives_the_same_predictions(earlier: Store, copy: Store, run: str, expected: dict[str, Any]) -> None:
    config, folder = earlier.run(run).config, copy.home.run_folder(run)
    chosen = {"split": expected["split"], "epoch": expected["epoch"]}
    shutil.rmtree(folder / EVALUATIONS, ignore_errors=True)
    computed = finish(evaluate_run(run, config, copy.home, **chosen))
    assert computed.confusion.tolist() == expected["confusion"]
    assert computed.accuracy == pytest.approx(expected["accuracy"]) and computed.loss == pytest.approx(expected["loss"], rel=1e-4)
    if expected["was_kept"]:
        files = {path.name for path in (earlier.home.run_folder(run) / EVALUATIONS).glob("*")}
        stored = finish(evaluate_run(run, config, earlier.home, **chosen))
        assert f"{stored.key}.npy" in files and stored.confusion.tolist() == expected["confusion"]
        assert np.allclose(stored.logits, computed.logits, atol=1e-4)


def test_the_data_set_has_the_same_version_splits_and_corrections(earlier: Store) -> None:
    source, expected = open_source("colours", earlier.home), EXPECTED["data_set"]
    assert isinstance(source, ImportedSource)
    info = asdict(source.info)
    assert list(info.pop("class_counts")) == expected["counts"]["train"]  # a fact that the earlier version did not state
    assert info.pop("kept_side") == info.pop("stored_side") == 0  # it stored squares, which are used as they are
    assert (info.pop("interpolation"), info.pop("crop_share")) == ("bicubic", 1)
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in info.items()} == expected["info"]
    assert {split: list(counts) for split, counts in source.counts.items()} == expected["counts"]
    index = source.index
    assert [list(row) for row in index.corrections.corrected_images()] == expected["corrected"]
    assert [[edit.path, edit.field, edit.old, edit.new] for edit in index.corrections.latest()] == expected["corrections"]
    assert [file.path for file in index.skipped_files()] == expected["skipped"]
    assert sorted(item.path for item in index.records()) == expected["files"]
    for split, images_and_labels in expected["images_and_labels"].items():
        assert [array.tolist() for array in index.used_rows(split)] == images_and_labels


def test_searches_exercises_and_test_set_usage_are_the_same(earlier: Store) -> None:
    searches = SearchStore(earlier.home)
    assert searches.names() == list(EXPECTED["searches"])
    for name, expected in EXPECTED["searches"].items():
        search, best = searches.search(name), searches.best(name)
        assert searches.status(name) == expected["status"] and search.token == expected["token"]
        assert expected["plan"].items() <= json.loads(search.plan.to_json()).items()
        assert [asdict(trial) for trial in searches.trials(name)] == expected["trials"]
        assert best is not None and best.number == expected["best"]
    attempts = [list(asdict(attempt).values()) for attempt in list_attempts(earlier)]
    assert attempts == [list(attempt.values()) for attempt in EXPECTED["attempts"]]
    assert sorted(models_evaluated(earlier.home, "colours")) == EXPECTED["models_evaluated"]


def test_the_stopped_run_is_resumed_to_its_end(copy: Store) -> None:
    expected = EXPECTED["resumed"]
    run = expected["run"]
    copy.queue.resume(run)
    assert execute(copy, run) == "finished", copy.run(run).error
    epochs = [stored.event for stored in copy.log.read(run, kinds=[Epoch])]
    assert [(epoch.epoch, epoch.step) for epoch in epochs] == [(one["epoch"], one["step"]) for one in expected["epochs"]]
    for epoch, wanted in zip(epochs, expected["epochs"], strict=True):  # equal to the bit on the same processor only
        assert epoch.train_loss == pytest.approx(wanted["train_loss"], abs=1e-3)
        assert epoch.val_loss == pytest.approx(wanted["val_loss"], abs=1e-3)
        assert epoch.val_accuracy == pytest.approx(wanted["val_accuracy"], abs=0.2)
    summary = copy.run(run).summary
    assert summary["best_epoch"] == expected["best_epoch"]
    assert summary["test_accuracy"] == pytest.approx(expected["test_accuracy"], abs=0.12)
