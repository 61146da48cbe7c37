"""Exports, read back by other programs' own readers: nothing is lost, what was taken back is gone, no cell is a formula."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_core.config import make_config
from cnn_core.events import Changed, Finished, Resumed
from cnn_core.home import Home
from cnn_core.runs.export import export_runs
from cnn_core.runs.shelf import Shelf
from cnn_core.runs.store import Store
from cnn_core.runs.told import Told
from tests.pages.hand_fed import epoch, loss, started, steps


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path))


def trained(store: Store, **chosen) -> str:
    """A run of 20 steps in two epochs, of which steps 8 to 14 were trained twice."""
    run = store.create(make_config(**chosen))
    spoken = replace(steps(15, 20, 2), gradient_norm=2.5, memory=10**9, load=0.5)
    again = replace(steps(8, 10), loss=(7.0, 8.0, 9.0))
    events = [
        started(),
        steps(1, 10),
        epoch(1, 10),
        steps(11, 14, 2),
        started(),
        Resumed(7, 0),
        again,
        epoch(1, 10, val_accuracy=0.7),
    ]
    store.append(
        run, [*events, steps(11, 14, 2), spoken, Changed(20, {"epochs": 3}), epoch(2, 20, val_accuracy=0.8), Finished(0.75, 0.5)]
    )
    store.set_status(run, "finished", summary={"epochs": 2, "test_accuracy": 0.75})
    return run


LOSSES = [loss(step) for step in range(1, 8)] + [7.0, 8.0, 9.0] + [loss(step) for step in range(11, 21)]


def exported(store: Store, form: str, *runs: str) -> zipfile.ZipFile:
    file = io.BytesIO()
    for _ in export_runs(store, [store.run(run) for run in runs], form, file):
        pass
    archive = zipfile.ZipFile(file)
    assert archive.testzip() is None
    return archive


def table(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


def test_tables_hold_every_step_that_still_counts_and_every_epoch(store: Store):
    run = trained(store)
    archive = exported(store, "csv", run)
    rows = table(archive, f"{run}/steps.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 21)) and [float(row["loss"]) for row in rows] == LOSSES
    assert [int(row["epoch"]) for row in rows] == [1] * 10 + [2] * 10
    epochs = table(archive, f"{run}/epochs.csv")
    assert [(row["epoch"], row["val_accuracy"], row["is_best"]) for row in epochs] == [("1", "0.7", "True"), ("2", "0.8", "True")]
    reports = table(archive, f"{run}/reports.csv")
    assert [row["step"] for row in reports] == ["7", "10", "14", "20"]
    assert [row["gradient_norm"] for row in reports] == ["", "", "", "2.5"]


def test_one_table_tells_settings_and_figures_of_all_runs(store: Store):
    first, second = trained(store, seed=3), trained(store, learning_rate=0.01)
    rows = table(exported(store, "csv", first, second), "runs.csv")
    assert [(row["run"], row["seed"], row["learning_rate"], row["test_accuracy"]) for row in rows] == [
        (first, "3", "0.001", "0.75"),
        (second, "0", "0.01", "0.75"),
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://192.0.2.1")'])
def test_no_text_of_a_person_becomes_a_formula_in_a_spreadsheet(store: Store, text: str):
    run = trained(store)
    Shelf(store).describe(run, name=text, notes=text, tags=[text[:9]])
    row = table(exported(store, "csv", run), "runs.csv")[0]
    assert row["name"] == row["notes"] == f"'{text}" and row["tags"] == f"'{text[:9]}"


def test_json_holds_all_of_a_run_and_is_strict(store: Store):
    run = trained(store)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    content = json.loads(exported(store, "json", run).read(f"{run}.json"), parse_constant=refuse)
    assert content["settings"] == make_config().model_dump() and content["summary"]["test_accuracy"] == 0.75
    assert [loss for report in content["reports"] for loss in report["loss"]] == LOSSES
    assert [e["val_accuracy"] for e in content["epochs"]] == [0.7, 0.8]
    assert content["changes"] == [{"step": 20, "settings": {"epochs": 3}}]


def test_tensorboards_own_reader_finds_every_point_with_its_step_and_time(store: Store, tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first, second = trained(store), trained(store, seed=5)
    exported(store, "tensorboard", first, second).extractall(tmp_path / "logs")
    for run in (first, second):
        reader = EventAccumulator(str(tmp_path / "logs" / run), size_guidance={"scalars": 0})
        reader.Reload()
        points = reader.Scalars("step/loss")
        assert [point.step for point in points] == list(range(1, 21))
        assert [point.value for point in points] == np.float32(LOSSES).tolist()
        last = list(Told(store, run).reports())[-1]
        assert points[-1].wall_time == pytest.approx(last.at, abs=1e-3)
        assert [(p.step, p.value) for p in reader.Scalars("epoch/val_accuracy")] == [(1, np.float32(0.7)), (2, np.float32(0.8))]
        assert [(p.step, p.value) for p in reader.Scalars("report/gradient_norm")] == [(20, 2.5)]
        (settings,) = reader.Tensors("settings/text_summary")
        assert b"| learning_rate | 0.001 |" in settings.tensor_proto.string_val[0]


def test_runs_of_any_state_are_exported_those_that_never_began_too(store: Store):
    run = store.create(make_config())
    for form in ("csv", "json", "tensorboard"):
        assert any(name.startswith(run) for name in exported(store, form, run).namelist())


def test_progress_is_told_run_by_run(store: Store):
    runs = [store.run(trained(store)) for _ in range(3)]
    told = list(export_runs(store, runs, "csv", io.BytesIO()))
    assert [(stage.done, stage.total) for stage in told] == [(0, 3), (1, 3), (2, 3)]


def test_what_was_taken_back_again_and_again_is_told_once(store: Store):
    """Against a plain account: a list that is cut at every resumption."""
    rng = np.random.default_rng(1)
    run, events, account, step = store.create(make_config()), [started(50, 100)], [], 0
    for _ in range(40):
        if step and rng.random() < 0.4:
            step = int(rng.integers(0, step + 1))
            del account[step:]
            events.append(Resumed(step, step // 50))
        count = int(rng.integers(1, 9))
        values = tuple(rng.random(count).tolist())
        events.append(replace(steps(step + 1, step + count), loss=values, accuracy=values))
        account += values
        step += count
    store.append(run, events)
    told = list(Told(store, run).reports())
    assert [value for report in told for value in report.loss] == account
    assert [report.step for report in told] == np.cumsum([len(report.loss) for report in told]).tolist()
