"""Settings changed while a run trains: used from the next step on, saved in every checkpoint, refused with a message."""

import contextlib
import errno
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_core.config.changes import CHANGEABLE, NOT_CHANGEABLE, change_config
from cnn_core.config.schema import FIELDS, TrainConfig
from cnn_core.errors import SettingError
from cnn_core.events import Changed, Continued, Epoch, Event, Finished, Note, Paused, Saved, Steps
from cnn_core.home import CHECKPOINT, WEIGHTS, Home, saved_epochs
from cnn_core.models import checkpoint
from cnn_core.models.checkpoint import load_checkpoint
from cnn_core.training import meter, session
from cnn_core.training.controls import TrainingControls
from cnn_core.training.recipe import train_run
from cnn_core.training.session import NOT_WRITTEN, UNCHANGED
from tests.helpers import is_a_sentence, tiny_config

STEPS_PER_EPOCH = 3
CPU = torch.device("cpu")
Ask = Callable[[Event, TrainingControls], None]


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "REPORT_SECONDS", -1.0)


def train(
    config: TrainConfig,
    folder: Path,
    home: Home,
    ask: Ask = lambda event, controls: None,
    *,
    until: Callable[[Event], bool] = lambda event: False,
    resume: bool = False,
) -> list[Event]:
    """The run's events up to the first one that `until` says yes to; `ask` is called with every event."""
    folder.mkdir(parents=True, exist_ok=True)
    seen, controls = [], TrainingControls()
    with contextlib.closing(train_run(config, folder, home, resume=resume, controls=controls)) as events:
        for event in events:
            seen.append(event)
            if until(event):
                break
            ask(event, controls)
    return seen


def change_at(step: int, **changes: Any) -> Ask:
    def ask(event: Event, controls: TrainingControls) -> None:
        if isinstance(event, Steps) and event.step == step:
            controls.changes |= changes

    return ask


def is_at(kind: type, step: int, event: Event) -> bool:
    return isinstance(event, kind) and event.step == step


def rates(events: list[Event]) -> list[float]:
    return [event.learning_rate for event in events if isinstance(event, Steps)]


def steps(events: list[Event]) -> list[int]:
    return [event.step for event in events if isinstance(event, Steps)]


def same_weights(one: Path, other: Path) -> bool:
    mine, theirs = (torch.load(folder / WEIGHTS, weights_only=True) for folder in (one, other))
    return all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_a_changed_learning_rate_holds_from_the_next_step_on_and_is_reported(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=3, schedule="constant", warmup=0)
    events = train(config, tmp_path, home, change_at(4, learning_rate=0.0007))
    assert rates(events) == [0.003] * 4 + [0.0007] * 5
    (changed,) = [event for event in events if isinstance(event, Changed)]
    assert changed == Changed(4, {"learning_rate": 0.0007}) and isinstance(events[-1], Finished)


@pytest.mark.parametrize(("epochs", "expected"), [(5, 5), (2, 2), (1, 2)])
def test_a_run_can_be_made_longer_or_shorter_while_it_trains(
    home: Home, image_folder: Path, tmp_path: Path, epochs: int, expected: int
):
    events = train(tiny_config(image_folder, epochs=3), tmp_path, home, change_at(4, epochs=epochs))  # step 4 is in epoch 2
    assert steps(events) == list(range(1, STEPS_PER_EPOCH * expected + 1)) and isinstance(events[-1], Finished)


@pytest.mark.parametrize(
    "changes",
    [{"weight_decay": 0.5}, {"crop": 0.0}, {"flip": "off"}, {"rotation": 30.0}, {"mixup": 1.0}, {"cutout": 0.5}],
    ids=str,
)
def test_what_is_changed_changes_what_is_learned_from_then_on(
    home: Home, image_folder: Path, tmp_path: Path, changes: dict[str, Any]
):
    config = tiny_config(image_folder, epochs=2, optimizer="adamw", weight_decay=0)
    plain = train(config, tmp_path / "plain", home)
    steered = train(config, tmp_path / "steered", home, change_at(2, **changes))
    losses = [[event.loss for event in events if isinstance(event, Steps)] for events in (plain, steered)]
    assert losses[0][:2] == losses[1][:2] and losses[0][3:] != losses[1][3:]


def test_weight_decay_that_was_off_at_first_reaches_kernels_and_matrices_only(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=2, optimizer="adamw", weight_decay=0, batch_norm=True)
    train(config, tmp_path, home, change_at(2, weight_decay=0.25), until=lambda event: isinstance(event, Epoch))
    state, _ = load_checkpoint(tmp_path, CPU)
    (groups,) = (part["param_groups"] for part in state["trainer"]["optimizer"]["parts"])
    assert [(group["decays"], group["weight_decay"]) for group in groups] == [(True, 0.25), (False, 0.0)]


@pytest.mark.parametrize("stop", [4, 5, 6, 8])
def test_a_steered_run_that_is_stopped_and_resumed_ends_with_the_same_bits(
    home: Home, image_folder: Path, tmp_path: Path, stop: int
):
    config = tiny_config(image_folder, epochs=3, optimizer="adamw", dropout=0.3)
    ask = change_at(4, learning_rate=0.001, weight_decay=0.1, rotation=20.0, epochs=4)
    train(config, tmp_path / "whole", home, ask)
    kind = Changed if stop == 4 else Steps
    is_there = partial(is_at, kind, stop)
    train(config, tmp_path / "cut", home, ask, until=is_there)
    events = train(config, tmp_path / "cut", home, resume=True)
    assert isinstance(events[-1], Finished) and steps(events)[-1] == 4 * STEPS_PER_EPOCH
    assert same_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_change_that_was_reported_is_not_lost_with_the_process(home: Home, image_folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", 1e9)
    training = train_run(tiny_config(image_folder, epochs=3), tmp_path, home, controls=(controls := TrainingControls()))
    for event in training:
        change_at(4, epochs=7)(event, controls)
        if isinstance(event, Changed):
            break
    state, _ = load_checkpoint(tmp_path, CPU)  # and nothing is written on the way out of a process that is killed
    assert state["config"]["epochs"] == 7 and state["trainer"]["meter"]["step"] == 4
    training.close()


def test_an_impossible_change_gives_a_message_and_training_continues_as_before(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=2, schedule="plateau")
    events = train(config, tmp_path, home, change_at(2, cutmix=1.0, learning_rate=0.1))
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert note.startswith(UNCHANGED.format(step=2, error=FIELDS["cutmix"].title)) and is_a_sentence(Exception(note))
    assert not any(isinstance(event, Changed) for event in events) and set(rates(events)) == {rates(events)[-1]}


@pytest.mark.parametrize("name", sorted(set(TrainConfig.model_fields) - set(CHANGEABLE)))
def test_what_the_state_depends_on_cannot_be_changed(name: str):
    config = tiny_config(Path("digits"))
    with pytest.raises(SettingError) as refusal:
        change_config(config, {name: getattr(config, name)})
    assert str(refusal.value) == NOT_CHANGEABLE.format(setting=FIELDS[name].title)
    assert refusal.value.field == name and is_a_sentence(refusal.value)


@pytest.mark.parametrize(("name", "value"), [("learning_rate", -1), ("epochs", 0), ("crop", 2), ("nonsense", 1)])
def test_a_change_out_of_range_or_unknown_is_refused(name: str, value: float):
    with pytest.raises(SettingError) as refusal:
        change_config(tiny_config(Path("digits")), {name: value})
    assert refusal.value.field == name and is_a_sentence(refusal.value)


def test_a_requested_checkpoint_is_written_at_once_and_reported(
    home: Home, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", 1e9)
    taken: list[int] = []

    def ask(event: Event, controls: TrainingControls) -> None:
        if isinstance(event, Steps) and event.step == 5:
            controls.should_save = True
        if isinstance(event, Saved):
            taken.append(load_checkpoint(tmp_path, CPU)[0]["trainer"]["meter"]["step"])

    events = train(tiny_config(image_folder), tmp_path, home, ask)
    assert [event for event in events if isinstance(event, Saved)] == [Saved(5)] and taken == [5]


def test_a_paused_training_takes_no_step_but_saves_and_changes_and_the_pause_counts_for_no_time(
    home: Home, image_folder: Path, tmp_path: Path
):
    waits: list[int] = []

    def ask(event: Event | None, controls: TrainingControls) -> None:
        if isinstance(event, Steps) and event.step == 4:
            controls.is_paused = True
        if event is None:
            waits.append(load_checkpoint(tmp_path, CPU)[0]["trainer"]["meter"]["step"])
            time.sleep(0.4)
            controls.should_save = len(waits) == 2
            controls.changes = {"epochs": 4} if len(waits) == 3 else {}
            controls.is_paused = len(waits) < 5

    events = train(tiny_config(image_folder, epochs=3), tmp_path, home, ask)
    reported = [event for event in events if isinstance(event, (Steps, Paused, Saved, Changed, Continued))]
    names = [type(event).__name__ for event in reported if event.step == 4]
    assert names == ["Steps", "Paused", "Saved", "Changed", "Continued"] and waits == [4] * 5
    assert steps(events) == list(range(1, 4 * STEPS_PER_EPOCH + 1))
    fourth, fifth = (event.seconds for event in reported if isinstance(event, Steps) and event.step in (4, 5))
    assert fifth - fourth < 1.5 < 5 * 0.4


def test_a_paused_training_that_is_stopped_continues_to_the_same_bits(home: Home, image_folder: Path, tmp_path: Path):
    def ask(event: Event | None, controls: TrainingControls) -> None:
        controls.is_paused |= isinstance(event, Steps) and event.step == 4

    config = tiny_config(image_folder, epochs=3, dropout=0.3)
    train(config, tmp_path / "whole", home)
    train(config, tmp_path / "cut", home, ask, until=lambda event: event is None)
    train(config, tmp_path / "cut", home, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut")


def test_after_every_epoch_its_state_is_saved_and_training_from_it_gives_the_same_bits(
    home: Home, image_folder: Path, tmp_path: Path
):
    config = tiny_config(image_folder, epochs=4, dropout=0.3, mixup=0.2)
    train(config, tmp_path / "whole", home)
    assert saved_epochs(tmp_path / "whole") == [1, 2, 3, 4]
    for epoch in (1, 3):
        folder = tmp_path / f"from{epoch}"
        folder.mkdir()
        (folder / CHECKPOINT).write_bytes((tmp_path / "whole" / "epochs" / f"{epoch:04d}.bin").read_bytes())
        events = train(config, folder, home, resume=True)
        assert steps(events)[0] == epoch * STEPS_PER_EPOCH + 1
        best = max((event for event in events if isinstance(event, Epoch)), key=lambda event: event.is_best, default=None)
        assert best is None or not best.is_best or same_weights(folder, tmp_path / "whole")


@pytest.mark.parametrize("failing", ["write", "fsync", "rename"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
def test_a_save_that_fails_is_reported_the_old_checkpoint_still_loads_and_training_continues(
    home: Home, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, code: int
):
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", -1.0)
    is_full, loaded = [False], []

    def fail_now(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    def broken(original: Callable) -> Callable:
        return lambda *args, **kwargs: (fail_now if is_full[0] else original)(*args, **kwargs)

    if failing == "write":
        monkeypatch.setattr(checkpoint, "write_atomically", broken(checkpoint.write_atomically))
        monkeypatch.setattr(session, "save_weights", broken(session.save_weights))
    else:
        name = {"fsync": "fsync", "rename": "replace"}[failing]
        monkeypatch.setattr(os, name, broken(getattr(os, name)))
        monkeypatch.setattr(Path, "replace", broken(Path.replace)) if failing == "rename" else None

    def ask(event: Event, controls: TrainingControls) -> None:
        if isinstance(event, Steps):
            is_full[0] = event.step == 4
        if isinstance(event, Steps) and event.step in (4, 5):
            loaded.append(load_checkpoint(tmp_path, CPU)[0]["trainer"]["meter"]["step"])

    events = train(tiny_config(image_folder, epochs=3), tmp_path, home, ask)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert NOT_WRITTEN.format(name=session.THE_CHECKPOINT, reason=os.strerror(code)) in notes
    assert all(is_a_sentence(Exception(note)) for note in notes)
    assert loaded == [4, 4] and isinstance(events[-1], Finished) and steps(events) == list(range(1, 10))
