"""A disk that is full: what cannot be written is reported with the reason, training continues, and the end of the run names the disk."""

import os
import threading
from pathlib import Path

import pytest

from cnn_core.events import Epoch, Event, Note, Steps
from cnn_core.execution.in_process import DISK, execute
from cnn_core.home import CARD, CHECKPOINT, CURVES_IMAGE, EPOCHS, WEIGHTS, epoch_file
from cnn_core.models.saving import load_model
from cnn_core.runs.store import Store
from cnn_core.training import meter
from cnn_core.training.recipe import NO_FIGURES
from cnn_core.training.session import BEST_SO_FAR, NO_BEST_MODEL, NOT_WRITTEN
from tests.helpers import is_a_sentence, tiny_config

FULL = "No space left on device"


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "REPORT_SECONDS", -1.0)


def fill_disk_for(path: Path) -> None:
    """Let the next write of `path` meet a full device, which the kernel provides: writing to it fails as on a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")  # where it is written before it gets its name
    if not scratch.is_symlink():
        scratch.symlink_to("/dev/full")


def notes_of(store: Store, run: str) -> list[str]:
    return [stored.event.text for stored in store.log.read(run) if isinstance(stored.event, Note)]


def test_a_best_model_that_does_not_fit_on_the_disk_is_reported_and_written_after_a_later_epoch(store: Store, image_folder: Path):
    import torch

    run = store.create(tiny_config(image_folder, epochs=3))
    folder = store.home.run_folder(run)

    def fill_until_the_first_epoch(event: Event) -> None:
        if isinstance(event, Steps) and event.epoch == 1:
            fill_disk_for(folder / WEIGHTS)

    assert execute(store, run, watch=fill_until_the_first_epoch) == "finished"
    assert notes_of(store, run) == [NOT_WRITTEN.format(name=BEST_SO_FAR, reason=FULL)]
    load_model(folder, torch.device("cpu"))
    assert not [path for path in folder.iterdir() if path.name.startswith(f".{WEIGHTS}")]


def test_a_disk_that_stays_full_ends_the_run_with_a_message_that_names_it(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=2))
    folder = store.home.run_folder(run)
    epochs: list[Event] = []

    def fill(event: Event) -> None:
        epochs.extend([event] if isinstance(event, Epoch) else [])
        fill_disk_for(folder / WEIGHTS)

    assert execute(store, run, watch=fill) == "failed"
    row = store.run(run)
    assert row.error == NO_BEST_MODEL.format(reason=FULL) and is_a_sentence(row.error)
    assert len(epochs) == 2 and not (folder / "error.txt").exists() and not (folder / WEIGHTS).exists()


def test_the_state_of_an_epoch_that_does_not_fit_on_the_disk_is_reported_and_the_run_is_completed(
    store: Store, image_folder: Path
):
    run = store.create(tiny_config(image_folder, epochs=2))
    folder = store.home.run_folder(run)
    fill_disk_for(epoch_file(folder, 1))
    assert execute(store, run) == "finished"
    (note,) = notes_of(store, run)
    assert FULL in note and is_a_sentence(note) and [path.name for path in (folder / EPOCHS).iterdir()] == ["0002.bin"]


def test_images_of_the_curves_that_do_not_fit_on_the_disk_are_reported_and_the_run_is_completed(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    folder = store.home.run_folder(run)
    fill_disk_for(folder / CURVES_IMAGE)
    assert execute(store, run) == "finished" and store.run(run).summary["test_accuracy"] is not None
    assert notes_of(store, run) == [NO_FIGURES.format(reason=FULL)] and not (folder / CHECKPOINT).exists()


def test_a_disk_that_is_full_before_training_fails_the_run_with_a_message_and_it_can_be_resumed(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    folder = store.home.run_folder(run)
    fill_disk_for(folder / CARD)
    assert execute(store, run) == "failed"
    row = store.run(run)
    assert row.error == DISK.format(folder=folder, reason=FULL) and is_a_sentence(row.error)
    assert not (folder / "error.txt").exists()
    store.queue.resume(run)
    assert execute(store, run) == "finished"
