"""Resuming after a crash: damaged checkpoints, killed processes, and stopped runs in the store end with the same weights to the bit."""

import json
import shutil
import signal
import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest

from cnn_core.__main__ import main
from cnn_core.config.schema import TrainConfig
from cnn_core.events import Epoch, Event, Finished, Note, Progress, Resumed, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import CHECKPOINT, OLD_CHECKPOINT, Home
from cnn_core.models.checkpoint import DAMAGED
from cnn_core.runs.store import Store
from cnn_core.training import session
from cnn_core.training.recipe import train_run
from tests.helpers import is_a_sentence, start_process, tiny_config
from tests.training.interrupted_runs import EPOCHS, PLACES, assert_same_weights, story, train

pytestmark = pytest.mark.usefixtures("every_step")


@pytest.fixture
def killed(
    home: Home, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[TrainConfig, Path, list[Event]]:
    """A run that wrote checkpoints at every event up to step 5 and reported two more steps: settings, folder, events."""
    config, folder = tiny_config(image_folder, epochs=EPOCHS, dropout=0.3, mixup=0.3), tmp_path / "killed"
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
    assert notes == [DAMAGED.format(name=name) for name in damaged[-1:]] and all(map(is_a_sentence, notes))
    whole = train(config, tmp_path / "whole", home)
    assert_same_weights(folder, tmp_path / "whole")
    assert story(events + resumed) == story(whole)


def events_of(store: Store, run: str) -> list[Event]:
    return [item.event for item in store.log.read(run)]


def test_a_stopped_run_in_the_store_continues_and_finishes_as_if_it_had_been_left_alone(store: Store, image_folder: Path):
    config = tiny_config(image_folder, epochs=EPOCHS, dropout=0.3)
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


def test_a_stop_that_comes_with_the_very_last_event_leaves_the_run_finished(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=1))

    def stop(event: Event) -> None:
        if isinstance(event, Finished):
            store.requests.stop(run)

    assert execute(store, run, watch=stop) == store.run(run).status == "finished"


def test_a_stop_while_the_test_images_are_read_can_be_resumed(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
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
    store: Store, image_folder: Path, capsys: pytest.CaptureFixture[str]
):
    chosen = ["--model", "speed", "--optimizer", "muon", "--ema", "0.9", "--dropout", "0.4", "--mixup", "0.3"]
    options = [
        "train",
        "--data",
        str(image_folder),
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
    assert main(["resume", row.id, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["run"], answer["status"], answer["epochs"]) == (row.id, "finished", 4)
    assert any(event == Resumed(step=5, epoch=1) for event in events_of(store, row.id))
    assert main([*options, "--json"]) == 0
    whole = store.runs()[0].id
    assert whole != row.id
    assert_same_weights(store.home.run_folder(row.id), store.home.run_folder(whole))
    assert story(events_of(store, row.id)) == story(events_of(store, whole))
    mine, theirs = (next(e for e in events_of(store, run) if isinstance(e, Finished)) for run in (row.id, whole))
    assert asdict(mine) == asdict(theirs)
