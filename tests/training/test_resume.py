"""Going on: wherever a run was stopped or killed, it ends with the very bits of a run that was left alone."""

import contextlib
import json
import shutil
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_core.__main__ import main
from cnn_core.config.schema import TrainConfig
from cnn_core.data.index import Index
from cnn_core.data.path_source import PathSource
from cnn_core.errors import DataError
from cnn_core.events import Epoch, Event, Finished, Note, Progress, Resumed, Started, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import CARD, CHECKPOINT, INDEX, OLD_CHECKPOINT, WEIGHTS, Home
from cnn_core.models.saving import load_model
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.runs.store import Store
from cnn_core.training import meter, session
from cnn_core.training.recipe import train_run
from tests.helpers import is_a_sentence, start_process, tiny_config

EPOCHS = 4
STEPS_PER_EPOCH = 3
CONFIGS: dict[str, dict[str, Any]] = {
    "adam, dropout, mixup": {"dropout": 0.4, "mixup": 0.5, "clip_norm": 1.0},
    "speed, muon, averaged, growing": {"model": "speed", "optimizer": "muon", "ema": 0.8, "cutout": 0.2, "start_side": 0.6},
    "batch norm, sgd, alternating flip": {"batch_norm": True, "optimizer": "sgd", "flip": "alternating", "label_smoothing": 0.1},
    "plateau": {"schedule": "plateau", "plateau_patience": 1, "optimizer": "rmsprop", "learning_rate": 0.02, "cutout": 0.3},
}
PLACES: dict[str, Callable[[Event], bool]] = {
    "after the first step": lambda event: isinstance(event, Steps) and event.step == 1,
    "in the middle of an epoch": lambda event: isinstance(event, Steps) and event.step == STEPS_PER_EPOCH + 2,
    "before a validation": lambda event: isinstance(event, Steps) and event.step == 2 * STEPS_PER_EPOCH,
    "after an epoch": lambda event: isinstance(event, Epoch) and event.epoch == 2,
    "before the last validation": lambda event: isinstance(event, Steps) and event.step == EPOCHS * STEPS_PER_EPOCH,
}


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports after every step instead of four times a second."""
    monkeypatch.setattr(meter, "REPORT_SECONDS", -1.0)


def is_last_epoch(event: Event) -> bool:
    return isinstance(event, Epoch) and event.epoch == EPOCHS


def train(
    config: TrainConfig, folder: Path, home: Home, *, until: Callable[[Event], bool] = is_last_epoch, resume: bool = False
) -> list[Event]:
    """The run's events up to the first one that `until` says yes to, where the run is stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: list[Event] = []
    with contextlib.closing(train_run(config, folder, home, resume=resume)) as events:
        for event in events:
            seen.append(event)
            if until(event):
                break
    return seen


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / WEIGHTS, weights_only=True)


def assert_same_weights(one: Path, other: Path) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in mine.items())


def story(events: list[Event]) -> dict[str, Any]:
    """What a history of the events shows, times left out."""
    history = History()
    history.add([StoredEvent(seq, event) for seq, event in enumerate(events, start=1)])
    timed = ("train_seconds", "seconds")
    snapshot = history.snapshot()
    epochs = [{name: value for name, value in epoch.items() if name not in timed} for epoch in snapshot["epochs"]]
    return {"steps": snapshot["steps"], "epochs": epochs, "step": snapshot["step"], "waited": snapshot["waited"]}


@pytest.mark.parametrize("chosen", CONFIGS.values(), ids=CONFIGS)
def test_a_run_that_was_stopped_anywhere_goes_on_to_the_very_same_bits(
    home: Home, pictures: Path, tmp_path: Path, chosen: dict[str, Any]
):
    config = tiny_config(pictures, epochs=EPOCHS, **chosen)
    whole = train(config, tmp_path / "whole", home)
    for number, place in enumerate(PLACES.values()):
        folder = tmp_path / str(number)
        events = train(config, folder, home, until=place)
        events += train(config, folder, home, resume=True)
        assert_same_weights(folder, tmp_path / "whole")
        assert story(events) == story(whole)


def test_a_run_that_is_stopped_again_and_again_ends_with_the_very_same_bits(home: Home, pictures: Path, tmp_path: Path):
    config = tiny_config(pictures, epochs=EPOCHS, dropout=0.3, ema=0.9, mixup=0.2)
    whole = train(config, tmp_path / "whole", home)
    events: list[Event] = []
    for step in range(1, EPOCHS * STEPS_PER_EPOCH + 1):
        is_there = lambda event, step=step: isinstance(event, Steps) and event.step == step  # noqa: E731
        events += train(config, tmp_path / "run", home, until=is_there, resume=bool(events))
    events += train(config, tmp_path / "run", home, resume=True)
    assert_same_weights(tmp_path / "run", tmp_path / "whole")
    assert story(events) == story(whole)


def test_a_resumed_run_says_where_it_goes_on_and_repeats_nothing(home: Home, pictures: Path, tmp_path: Path):
    config = tiny_config(pictures, epochs=EPOCHS)
    train(config, tmp_path, home, until=PLACES["in the middle of an epoch"])
    events = train(config, tmp_path, home, resume=True)
    at = next(number for number, event in enumerate(events) if isinstance(event, Resumed))
    assert events[at] == Resumed(step=STEPS_PER_EPOCH + 2, epoch=1)
    assert isinstance(events[at - 1], Started) and not any(isinstance(event, (Steps, Epoch)) for event in events[:at])
    assert [event.step for event in events[at:] if isinstance(event, Steps)] == list(range(6, 13))
    assert [event.epoch for event in events[at:] if isinstance(event, Epoch)] == [2, 3, 4]


def test_a_finished_run_leaves_no_checkpoint_behind_and_draws_all_its_epochs(home: Home, pictures: Path, tmp_path: Path):
    config = tiny_config(pictures)
    train(config, tmp_path, home, until=lambda event: isinstance(event, Epoch))
    assert (tmp_path / CHECKPOINT).is_file()
    events = train(config, tmp_path, home, until=lambda event: False, resume=True)
    assert isinstance(events[-1], Finished)
    assert not (tmp_path / CHECKPOINT).exists() and not (tmp_path / OLD_CHECKPOINT).exists()


def test_a_run_that_stopped_early_stays_stopped_when_it_goes_on(home: Home, pictures: Path, tmp_path: Path):
    config = tiny_config(pictures, epochs=9, learning_rate=1e-12, patience=2)
    train(config, tmp_path, home, until=lambda event: isinstance(event, Epoch) and event.waited == 2)
    events = train(config, tmp_path, home, until=lambda event: False, resume=True)
    assert not any(isinstance(event, (Steps, Epoch)) for event in events) and isinstance(events[-1], Finished)
    assert sum(isinstance(event, Note) and "Stopped early after epoch 3" in event.text for event in events) == 1


@pytest.fixture
def killed(home: Home, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TrainConfig, Path, list[Event]]:
    """A run that wrote checkpoints at every event up to step 5 and reported two more steps: settings, folder, events."""
    config, folder = tiny_config(pictures, epochs=EPOCHS, dropout=0.3, mixup=0.3), tmp_path / "killed"
    folder.mkdir()
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", -1.0)
    events: list[Event] = []
    training = train_run(config, folder, home)
    for event in training:
        events.append(event)
        if isinstance(event, Steps) and event.step == 4:
            monkeypatch.setattr(session, "CHECKPOINT_SECONDS", 1e9)
        if isinstance(event, Steps) and event.step == 7:
            break
    shutil.copytree(folder, tmp_path / "kept")
    training.close()
    shutil.rmtree(folder)
    (tmp_path / "kept").rename(folder)  # as it was before the generator was closed, which would save
    return config, folder, events


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("damaged", "step"), [([], 4), ([CHECKPOINT], 3), ([CHECKPOINT, OLD_CHECKPOINT], 0)])
@pytest.mark.parametrize("how", ["cut off", "a bit flipped"])
def test_a_damaged_checkpoint_costs_some_steps_and_no_bit_of_the_result(
    killed: tuple[TrainConfig, Path, list[Event]], home: Home, tmp_path: Path, damaged: list[str], step: int, how: str
):
    config, folder, events = killed
    for name in damaged:
        flip_a_bit(folder / name) if how == "a bit flipped" else (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    resumed = train(config, folder, home, resume=True)
    assert next(event.step for event in resumed if isinstance(event, Resumed)) == step
    notes = [event.text for event in resumed if isinstance(event, Note)]
    assert len(notes) == bool(damaged) and all("damaged" in note and is_a_sentence(note) for note in notes)
    whole = train(config, tmp_path / "whole", home)
    assert_same_weights(folder, tmp_path / "whole")
    assert story(events + resumed) == story(whole)


def test_a_run_whose_images_have_changed_is_refused_and_its_model_still_works(home: Home, pictures: Path, tmp_path: Path):
    config = tiny_config(pictures, epochs=EPOCHS)
    train(config, tmp_path / "run", home, until=PLACES["after an epoch"])
    before = {name: (tmp_path / "run" / name).read_bytes() for name in (CARD, WEIGHTS, CHECKPOINT)}
    (pictures / "yellow").mkdir()
    for path in (pictures / "red").iterdir():
        (pictures / "yellow" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="images have changed") as refusal:
        train(config, tmp_path / "run", home, resume=True)
    assert is_a_sentence(refusal.value)
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before
    assert load_model(tmp_path / "run", torch.device("cpu"))[1].classes == ("blue", "green", "red")


@pytest.mark.parametrize("field", ["label", "is_excluded"])
def test_a_run_whose_images_were_corrected_in_between_is_refused_until_that_is_undone(
    home: Home, pictures: Path, tmp_path: Path, field: str
):
    config = tiny_config(pictures, epochs=EPOCHS)
    whole = train(config, tmp_path / "whole", home)
    events = train(config, tmp_path / "run", home, until=PLACES["after an epoch"])
    before = {name: (tmp_path / "run" / name).read_bytes() for name in (CARD, WEIGHTS, CHECKPOINT)}
    index = Index(PathSource(pictures, home).folder / INDEX)
    rows, labels = index.used("train")
    assert index.edit(rows[labels == 0][:2].tolist(), field, 1) == 2
    with pytest.raises(DataError, match="images have changed") as refusal:
        train(config, tmp_path / "run", home, resume=True)
    assert is_a_sentence(refusal.value)
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before
    index.undo()
    events += train(config, tmp_path / "run", home, resume=True)
    assert_same_weights(tmp_path / "run", tmp_path / "whole")
    assert story(events) == story(whole)


def test_without_a_checkpoint_it_starts_from_the_beginning(home: Home, pictures: Path, tmp_path: Path):
    config = tiny_config(pictures)
    until = lambda event: isinstance(event, Epoch) and event.epoch == 2  # noqa: E731
    events = train(config, tmp_path / "resumed", home, resume=True, until=until)
    train(config, tmp_path / "fresh", home, until=until)
    assert Resumed(step=0, epoch=0) in events
    assert_same_weights(tmp_path / "resumed", tmp_path / "fresh")


def events_of(store: Store, run: str) -> list[Event]:
    return [item.event for item in store.log.read(run)]


def test_a_stopped_run_in_the_store_goes_on_and_finishes_as_if_it_had_been_left_alone(store: Store, pictures: Path):
    config = tiny_config(pictures, epochs=EPOCHS, dropout=0.3)
    whole, run = store.create(config), store.create(config)
    assert execute(store, whole) == "finished"

    def stop(event: Event) -> None:
        if PLACES["in the middle of an epoch"](event):
            store.requests.stop(run)

    assert execute(store, run, watch=stop) == "stopped" and store.run(run).can_resume
    store.queue.resume(run)
    assert store.run(run).status == "queued" and not store.requests.should_stop(run)
    assert execute(store, run) == "finished"
    assert_same_weights(store.home.run_folder(run), store.home.run_folder(whole))
    assert story(events_of(store, run)) == story(events_of(store, whole))
    timed = ("seconds", "train_seconds", "images_per_second")
    mine, theirs = ({k: v for k, v in store.run(name).summary.items() if k not in timed} for name in (run, whole))
    assert mine == theirs and mine["epochs"] == EPOCHS


def test_a_stop_that_comes_with_the_very_last_event_leaves_the_run_finished(store: Store, pictures: Path):
    run = store.create(tiny_config(pictures, epochs=1))

    def stop(event: Event) -> None:
        if isinstance(event, Finished):
            store.requests.stop(run)

    assert execute(store, run, watch=stop) == store.run(run).status == "finished"


def test_a_stop_while_the_test_images_are_read_can_be_gone_on_from(store: Store, pictures: Path):
    run = store.create(tiny_config(pictures))
    seen: list[Event] = []
    execute(store, run, watch=seen.append, should_end=lambda: isinstance(seen[-1], Progress) and Epoch in map(type, seen))
    assert store.run(run).status == "stopped"
    store.queue.resume(run)
    assert execute(store, run) == "finished" and store.run(run).summary["epochs"] == 2


KILLED = """
import sys, time
from cnn_core.cli.console import Console
from cnn_core.training import meter, session
from cnn_core.__main__ import main
meter.REPORT_SECONDS, session.CHECKPOINT_SECONDS = -1.0, 0.0
def show(self, event):
    step = getattr(event, "step", 0)
    if step == 5:
        session.CHECKPOINT_SECONDS = 1e9
    if step == 7:
        print("here", flush=True)
        time.sleep(300)
Console.show = show
sys.exit(main(sys.argv[1:]))
"""


def test_a_process_that_was_killed_in_the_middle_of_an_epoch_is_resumed_from_the_command_line_bit_for_bit(
    store: Store, pictures: Path
):
    chosen = ["--model", "speed", "--optimizer", "muon", "--ema", "0.9", "--dropout", "0.4", "--mixup", "0.3"]
    options = [
        "train",
        "--data",
        str(pictures),
        "--epochs",
        "4",
        "--batch-size",
        "8",
        "--device",
        "cpu",
        "--deterministic",
        *chosen,
    ]
    process = start_process(store.home, "-c", KILLED, *options)
    try:
        assert process.stdout and process.stdout.readline() == "here\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    (row,) = store.runs()
    with sqlite3.connect(store.home.database) as db:  # a run is called interrupted two seconds after it began
        db.execute("update runs set created = created - 3600")
    assert store.run(row.id).status == "interrupted" and not any(isinstance(e, Finished) for e in events_of(store, row.id))
    resumed = start_process(store.home, "-m", "cnn_core", "resume", row.id, "--json")
    out, errors = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, errors
    answer = json.loads(out.splitlines()[-1])
    assert (answer["run"], answer["status"], answer["epochs"]) == (row.id, "finished", 4)
    assert any(event == Resumed(step=5, epoch=1) for event in events_of(store, row.id))
    assert main([*options, "--json"]) == 0
    whole = store.runs()[0].id
    assert whole != row.id
    assert_same_weights(store.home.run_folder(row.id), store.home.run_folder(whole))
    assert story(events_of(store, row.id)) == story(events_of(store, whole))
    mine, theirs = (next(e for e in events_of(store, run) if isinstance(e, Finished)) for run in (row.id, whole))
    assert asdict(mine) == asdict(theirs)
