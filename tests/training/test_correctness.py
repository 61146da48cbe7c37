"""Which images were classified correctly in an epoch: exact for every image, for any order, mixing and interruption."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cnn_core.config.defaults import make_config
from cnn_core.data.batches import Batches
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet
from cnn_core.device import Arithmetic
from cnn_core.events import Epoch, Event, Note, Resumed, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import CHECKPOINT, OLD_CHECKPOINT, TRAINING_DYNAMICS, WEIGHTS, Home
from cnn_core.metrics import training_dynamics
from cnn_core.metrics.training_dynamics import read_dynamics
from cnn_core.models.checkpoint import load_checkpoint, save_checkpoint
from cnn_core.runs.branch import branch_run
from cnn_core.runs.store import Store
from cnn_core.training import correctness
from cnn_core.training.correctness import CorrectnessTracker
from cnn_core.training.loop import Trainer
from cnn_core.training.optimizer import make_optimizer
from cnn_core.training.recipe import train_run
from cnn_core.training.schedule import make_schedule
from cnn_core.training.session import DYNAMICS, NOT_WRITTEN
from tests.helpers import is_a_sentence, tiny_config

pytestmark = pytest.mark.usefixtures("every_step")

CPU = torch.device("cpu")
EPOCHS = 3
TRAINED, VALIDATED = 24, 3  # of the 30 images, a fifth of which are for the test


def train(config: Any, folder: Path, home: Home, until: Callable[[Event], bool] = lambda event: False, resume: bool = False):
    folder.mkdir(parents=True, exist_ok=True)
    seen = []
    with contextlib.closing(train_run(config, folder, home, resume=resume)) as events:
        for event in events:
            seen.append(event)
            if until(event):
                break
    return seen


def files(folder: Path) -> dict[str, list[np.ndarray]]:
    """What the run's learning files hold, by their names."""
    contents = {}
    for path in sorted((folder / TRAINING_DYNAMICS).iterdir()):
        with np.load(path) as columns:
            contents[path.name] = [columns[name] for name in sorted(columns)]
    return contents


def assert_same_files(one: Path, other: Path) -> None:
    mine, theirs = files(one), files(other)
    assert mine.keys() == theirs.keys() and mine
    assert all(np.array_equal(a, b) for name in mine for a, b in zip(mine[name], theirs[name], strict=True))


@pytest.mark.parametrize("most", [1_000, 1])
def test_every_image_gets_its_own_prediction_whatever_the_order(monkeypatch: pytest.MonkeyPatch, most: int):
    monkeypatch.setattr(correctness, "MAX_TENSORS", most)
    truth, order = torch.rand(100) < 0.5, torch.randperm(100)
    tracker = CorrectnessTracker()
    for batch in order.split(7):
        assert tracker.by_image(order) is None
        tracker.record(truth[batch])
        assert len(tracker._batches) <= most + 1
    assert torch.equal(tracker.by_image(order), truth)


@pytest.mark.parametrize("chosen", [{}, {"mixup": 0.5, "flip": "alternating"}, {"model": "speed", "ema": 0.9, "batch_size": 20}])
def test_what_is_written_agrees_with_the_accuracies_of_every_epoch_and_class(
    home: Home, image_folder: Path, tmp_path: Path, chosen: dict[str, Any]
):
    config = tiny_config(image_folder, epochs=EPOCHS, **chosen)
    events = train(config, tmp_path / "run", home)
    source = open_source(config.data, home)
    training = read_dynamics(tmp_path / "run", "train", TRAINED - VALIDATED, source.info.fingerprint)
    validation = read_dynamics(tmp_path / "run", "val", VALIDATED, source.info.fingerprint)
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert training.epochs == validation.epochs == tuple(range(1, EPOCHS + 1))
    np.testing.assert_allclose(training.correct_per_epoch / training.count, [epoch.train_accuracy for epoch in epochs], atol=1e-6)
    np.testing.assert_allclose(
        validation.correct_per_epoch / validation.count, [epoch.val_accuracy for epoch in epochs], atol=1e-6
    )
    for place, epoch in enumerate(epochs):  # one validation image of each class, by label
        assert sum(validation.is_correct(place)) == sum(epoch.class_accuracy)


class Listening(nn.Module):
    """A linear network that keeps, of every training image, its number (its brightness) and the class it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.heard = nn.Linear(4, 3), {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.linear(images.flatten(1) / 50)
        if self.training:
            self.heard |= dict(zip(images[:, 0, 0, 0].round().int().tolist(), logits.argmax(1).tolist(), strict=True))
        return logits


@pytest.mark.parametrize("chosen", [{"batch_size": 7}, {"batch_size": 11}])
def test_each_training_image_has_the_prediction_that_it_was_given(chosen: dict[str, int]):
    numbers, labels = np.arange(45, dtype=np.uint8), np.arange(45) % 3
    images = ImageSet(np.broadcast_to(numbers[:, None, None, None], (45, 2, 2, 1)).copy(), labels)
    batches, validation = (
        Batches(images, device=CPU, mean=(0.0,), std=(1 / 255,), shuffle=shuffle, **chosen)  # brightness as it is
        for shuffle in (True, False)
    )
    torch.manual_seed(0)
    model, config = Listening(), make_config(epochs=2, warmup=0, learning_rate=0.1)
    trainer = Trainer(
        model, batches, validation, make_optimizer(config, model), make_schedule(config, len(batches)), Arithmetic(CPU), epochs=2
    )
    seen = []
    for event in trainer:
        if isinstance(event, Epoch):
            expected = [model.heard[number] == label for number, label in enumerate(labels)]
            assert trainer.correctness.by_image(batches.order).tolist() == expected and 0 < sum(expected) < 45
            seen.append(expected)
            model.heard = {}
    assert len(seen) == 2 and seen[0] != seen[1]


PLACES: dict[str, Callable[[Event], bool]] = {
    "in the middle of an epoch": lambda event: isinstance(event, Steps) and event.step == 5,
    "before a validation": lambda event: isinstance(event, Steps) and event.step == 6,
    "after an epoch": lambda event: isinstance(event, Epoch) and event.epoch == 2,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_run_that_was_interrupted_knows_the_same_of_every_image(
    home: Home, image_folder: Path, tmp_path: Path, place: Callable
):
    config = tiny_config(image_folder, epochs=EPOCHS, dropout=0.3, mixup=0.3)
    train(config, tmp_path / "whole", home)
    train(config, tmp_path / "run", home, until=place)
    train(config, tmp_path / "run", home, resume=True)
    assert_same_files(tmp_path / "run", tmp_path / "whole")


def test_training_gives_the_same_bits_without_it(home: Home, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = tiny_config(image_folder, epochs=EPOCHS, dropout=0.4, mixup=0.5, ema=0.8)
    train(config, tmp_path / "with", home)
    monkeypatch.setattr(CorrectnessTracker, "record", lambda self, is_correct: None)
    train(config, tmp_path / "without", home)
    assert not (tmp_path / "without" / TRAINING_DYNAMICS).exists()
    mine, theirs = (torch.load(tmp_path / name / WEIGHTS, weights_only=True) for name in ("with", "without"))
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_a_checkpoint_of_an_earlier_version_continues_and_leaves_its_broken_epoch_out(
    home: Home, image_folder: Path, tmp_path: Path
):
    config, folder = tiny_config(image_folder, epochs=EPOCHS, dropout=0.3), tmp_path / "run"
    train(config, tmp_path / "whole", home)
    train(config, folder, home, until=PLACES["in the middle of an epoch"])
    state, _ = load_checkpoint(folder, CPU)
    del state["trainer"]["answers"]
    for name in (CHECKPOINT, OLD_CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    save_checkpoint(folder, state)
    train(config, folder, home, resume=True)
    source = open_source(config.data, home)
    dynamics = read_dynamics(folder, "train", TRAINED - VALIDATED, source.info.fingerprint)
    assert (
        dynamics.epochs == (1, 3)
        and len(dynamics.notes) == 1
        and is_a_sentence(dynamics.notes[0])
        and "Epoch 2" in dynamics.notes[0]
    )
    mine, theirs = (torch.load(place / WEIGHTS, weights_only=True) for place in (folder, tmp_path / "whole"))
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_epochs_that_are_taken_back_are_forgotten(home: Home, image_folder: Path, tmp_path: Path):
    config, folder = tiny_config(image_folder, epochs=EPOCHS), tmp_path / "run"
    train(config, folder, home, until=lambda event: isinstance(event, Epoch) and event.epoch == 2)
    for name in (CHECKPOINT, OLD_CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    events = train(config, folder, home, resume=True, until=lambda event: isinstance(event, Resumed))
    assert events[-1] == Resumed(step=0, epoch=0) and not list((folder / TRAINING_DYNAMICS).iterdir())


def test_a_full_disk_is_reported_and_training_continues(
    home: Home, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training_dynamics, "write_atomically", refuse)
    events = train(
        tiny_config(image_folder, epochs=2), tmp_path / "run", home, until=lambda e: isinstance(e, Epoch) and e.epoch == 2
    )
    notes = [event.text for event in events if isinstance(event, Note)]
    assert NOT_WRITTEN.format(name=DYNAMICS.format(epoch=1), reason="No space left on device") in notes and all(
        map(is_a_sentence, notes)
    )
    assert len([event for event in events if isinstance(event, Epoch)]) == 2


def test_a_branch_begins_with_what_its_parent_had_learned_until_then(store: Store, image_folder: Path):
    parent = store.create(tiny_config(image_folder, epochs=EPOCHS, dropout=0.3))
    assert execute(store, parent) == "finished"
    child = branch_run(store, parent, 2, {})
    one, other = (store.home.run_folder(run) for run in (parent, child))
    assert list(files(other)) == ["0001.npz", "0002.npz"]
    assert execute(store, child) == "finished"
    assert_same_files(one, other)


def test_an_epoch_that_was_noted_is_not_carried_in_the_states_after_it(home: Home, image_folder: Path, tmp_path: Path):
    tracker = CorrectnessTracker()
    tracker.record(torch.tensor([True, False]))
    assert tracker.state_dict()["shown"].tolist() == [True, False]
    tracker.validation = torch.tensor([True])
    assert tracker.state_dict() == {"shown": None}
    assert replace(tracker).state_dict() == {"shown": None}
