"""Exports, read back by other programs' own readers: nothing is lost, what was taken back is gone, no cell is a formula."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import settings_in_effect
from cnn_core.events import Changed, Finished, Resumed
from cnn_core.home import Home
from cnn_core.runs.event_reader import EventReader
from cnn_core.runs.history_export import export_runs
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from tests.pages.manual_run import epoch, loss, started, steps


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
    store.log.append(
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
    return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"), newline="")))


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
    RunOrganizer(store).describe(run, name=text, notes=text, tags=[text[:9]])
    row = table(exported(store, "csv", run), "runs.csv")[0]
    assert row["name"] == row["notes"] == f"'{text}" and row["tags"] == f"'{text[:9]}"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_is_a_formula_whatever_a_spreadsheet_takes_for_the_end_of_one(store: Store, delimiter: str):
    """Spreadsheets of some countries part cells at semicolons, and then a quotation mark within a cell means nothing."""
    run = trained(store)
    RunOrganizer(store).describe(run, name="a;=1+1", notes=' =1\na;\t@SUM(A1)\r\n-2+3;＝4\n"=5"', tags=["x;+1"])
    text = exported(store, "csv", run).read("runs.csv").decode("utf-8-sig")
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE) if delimiter != "," else (csv.QUOTE_MINIMAL,):
        cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting) for cell in row]
        assert len(cells) > 1 and not [cell for cell in cells if cell.strip()[:1] in tuple("=+-@＝＋－＠")]


def test_tables_keep_every_letter_and_excel_knows_their_encoding(store: Store):
    run = trained(store)
    RunOrganizer(store).describe(run, name="Füchse, 狐 und 🦊")
    archive = exported(store, "csv", run)
    assert table(archive, "runs.csv")[0]["name"] == "Füchse, 狐 und 🦊"
    assert all(archive.read(name).startswith(b"\xef\xbb\xbf") for name in archive.namelist())


def test_the_accuracy_of_each_class_stands_under_its_name(store: Store):
    run = store.create(make_config())
    began = replace(started(), classes=("=cat", "dog"), class_counts=(1, 2))
    store.log.append(run, [began, steps(1, 10), replace(epoch(1, 10), class_accuracy=(0.25, None))])
    row = table(exported(store, "csv", run), f"{run}/epochs.csv")[0]
    assert row["accuracy of =cat"] == "0.25" and row["accuracy of dog"] == ""


def test_json_holds_all_of_a_run_and_is_strict(store: Store):
    run = trained(store)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    content = json.loads(exported(store, "json", run).read(f"{run}.json"), parse_constant=refuse)
    assert content["settings"] == settings_in_effect(make_config()) and content["summary"]["test_accuracy"] == 0.75
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
        last = list(EventReader(store, run).reports())[-1]
        assert points[-1].wall_time == pytest.approx(last.at, abs=1e-3)
        assert [(p.step, p.value) for p in reader.Scalars("epoch/val_accuracy")] == [(1, np.float32(0.7)), (2, np.float32(0.8))]
        assert [(p.step, p.value) for p in reader.Scalars("report/gradient_norm")] == [(20, 2.5)]
        (settings,) = reader.Tensors("settings/text_summary")
        assert b"| learning_rate | 0.001 |" in settings.tensor_proto.string_val[0]


def points(store: Store, run: str, to: Path):
    """What TensorBoard's own reader finds under a tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    exported(store, "tensorboard", run).extractall(to)
    reader = EventAccumulator(str(to / run), size_guidance={"scalars": 0})
    reader.Reload()
    return reader.Scalars


def test_every_point_has_the_time_at_which_it_was_also_before_a_pause_or_a_resumption(store: Store, tmp_path: Path):
    """The seconds of a run leave out pauses, so a time cannot be counted from any one beginning."""
    run, day = store.create(make_config()), 1_800_000_000.0
    first = replace(steps(1, 10), train_seconds=20.0, seconds=20.0, at=day)
    second = replace(steps(11, 14, 2), train_seconds=22.0, seconds=25.0, at=day + 7_200)  # two hours' pause between them
    ends = [replace(epoch(1, 10), seconds=23.0), replace(epoch(2, 14), seconds=28.0)]
    store.log.append(run, [started(), first, ends[0], second, ends[1]])
    found = points(store, run, tmp_path)
    assert [p.wall_time for p in found("step/loss")] == pytest.approx(
        [day - 18 + 2 * n for n in range(10)] + [day + 7_200 - 1.5 + 0.5 * n for n in range(4)], abs=1e-3
    )
    assert [p.wall_time for p in found("epoch/val_loss")] == pytest.approx([day + 3, day + 7_203], abs=1e-3)
    assert [p.wall_time for p in found("report/learning_rate")] == pytest.approx([day, day + 7_200], abs=1e-3)


def test_epochs_are_drawn_even_where_no_step_is_known(store: Store, tmp_path: Path):
    run = store.create(make_config())
    store.log.append(run, [epoch(1, 10, val_accuracy=0.5), epoch(2, 20, val_accuracy=0.75)])
    assert [(p.step, p.value) for p in points(store, run, tmp_path)("epoch/val_accuracy")] == [(1, 0.5), (2, 0.75)]


@pytest.mark.parametrize("form", ["csv", "json", "tensorboard"])
def test_a_long_run_needs_no_more_memory_than_a_part_of_it_and_tells_how_far_it_is(store: Store, tmp_path: Path, form: str):
    import tracemalloc

    import tensorboardX  # noqa: F401  its own memory is not the export's

    run = store.create(make_config())
    peaks = []
    for first, last in ((0, 4_000), (4_000, 8_000)):
        store.log.append(run, [steps(step - 3, step) for step in range(first + 4, last + 1, 4)])
        tracemalloc.start()
        with (tmp_path / "runs.zip").open("wb") as file:
            reports = list(export_runs(store, [store.run(run)], form, file))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert (reports[-1].done, reports[-1].total) == (8_000, 8_000)


def test_an_export_that_nobody_waits_for_any_more_lets_go_of_its_file(store: Store):
    run = store.create(make_config())
    store.log.append(run, [steps(step - 1, step) for step in range(2, 10_000, 2)])
    for form in ("csv", "json", "tensorboard"):
        export = export_runs(store, [store.run(run)], form, io.BytesIO())
        next(export), next(export)
        export.close()


def test_runs_of_any_state_are_exported_those_that_never_began_too(store: Store):
    run = store.create(make_config())
    for form in ("csv", "json", "tensorboard"):
        assert any(name.startswith(run) for name in exported(store, form, run).namelist())


def test_progress_is_reported_run_by_run(store: Store):
    runs = [store.run(trained(store)) for _ in range(3)]
    reports = list(export_runs(store, runs, "csv", io.BytesIO()))
    assert [(stage.done, stage.total) for stage in reports] == [(0, 3), (1, 3), (2, 3)]


def test_steps_discarded_repeatedly_are_exported_once(store: Store):
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
    store.log.append(run, events)
    reports = list(EventReader(store, run).reports())
    assert [value for report in reports for value in report.loss] == account
    assert [report.step for report in reports] == np.cumsum([len(report.loss) for report in reports]).tolist()
