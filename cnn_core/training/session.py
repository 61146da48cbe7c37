"""A training with its run's folder: it resumes from a checkpoint, saves the best weights and the states after some epochs.

In: a trainer, its settings and data; requests to change, save or pause. Out: the trainer's events, and those of the requests.
"""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from cnn_core.config.changes import change_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, Split
from cnn_core.errors import ImagesChangedError, RunError, SettingError, StudioError
from cnn_core.events import Changed, Continued, Epoch, Event, Note, Paused, Resumed, Saved
from cnn_core.metrics.training_dynamics import drop_dynamics_after, save_dynamics
from cnn_core.models.checkpoint import BEST_MODEL, load_checkpoint, save_checkpoint, save_epoch
from cnn_core.models.saving import ModelCard, read_weights, save_weights
from cnn_core.training.controls import TrainingControls, apply_settings
from cnn_core.training.loop import Trainer
from cnn_core.training.out_of_memory import translate_out_of_memory
from cnn_core.training.tracked_predictions import predict_tracked_images

CHECKPOINT_SECONDS = 20.0  # at most this much of a run is lost when its process is killed
UNCHANGED = "No setting was changed after step {step:,}. {error}"
NOT_WRITTEN = "{name} could not be written ({reason}). Training continues. Free some disk space."
THE_CHECKPOINT, BEST_SO_FAR, DYNAMICS = (
    "The checkpoint",
    "The best model so far",
    "The training dynamics of epoch {epoch}",
)  # names in it
NO_BEST_MODEL = "The best model could not be written ({reason}). Free some space and train the run again."


@dataclass
class TrainingSession:
    """`config`: the settings in force. `epochs`: the event of each epoch so far. `controls`: requests to change, save or pause."""

    trainer: Trainer
    config: TrainConfig
    info: DataInfo
    card: ModelCard
    folder: Path
    controls: TrainingControls
    epochs: list[Epoch] = field(default_factory=list)
    _write_errors: list[str] = field(default_factory=list)  # messages that are not yielded as notes yet
    _tracked_images_error: str = ""
    _unsaved: nn.Module | None = None  # the best model, where it could not be written

    def resume(self) -> Iterator[Event]:
        """Restore the folder's checkpoint, if there is one. Raises ImagesChangedError when it was trained on other images."""
        state, note = load_checkpoint(self.folder, self.trainer.arithmetic.device)
        if note:
            yield Note(note)
        if state:
            if state["fingerprint"] != self.card.fingerprint:
                raise ImagesChangedError(self.folder.name, self.config.data)
            self.trainer.load_state_dict(state["trainer"])
            if state.get("config"):  # checkpoints of earlier versions have none: nothing could be changed then
                self._apply(TrainConfig.model_validate(state["config"]))
            self.epochs += [Epoch(**epoch) for epoch in state["epochs"]]
        drop_dynamics_after(self.folder, self.trainer.epochs_done)
        yield Resumed(step=self.trainer.meter.step, epoch=self.trainer.epochs_done)
        if self.trainer.meter.step == self.trainer.epochs_done * len(self.trainer.batches) > 0:
            yield from self._classify_tracked_images()  # the run may have ended between the epoch and these predictions

    def __iter__(self) -> Iterator[Event | None]:
        """Train to the end; yields None while it is paused. Closing the generator writes a checkpoint."""
        saved = time.perf_counter()
        try:
            with translate_out_of_memory(self.trainer, (self.card.channels, self.card.image_size, self.card.image_size)):
                for event in self.trainer:
                    if isinstance(event, Epoch):
                        self._save_epoch(event)
                    if time.perf_counter() - saved > CHECKPOINT_SECONDS:
                        self._save_checkpoint()
                        saved = time.perf_counter()
                    yield event
                    if isinstance(event, Epoch):
                        yield from self._classify_tracked_images()
                    yield from self._handle_requests()
            if self._unsaved:
                save_weights(self.folder, self._unsaved)
        except OSError as error:
            raise StudioError(NO_BEST_MODEL.format(reason=error.strerror or error)) from None
        except GeneratorExit:
            self._save_checkpoint()
            if not self.epochs:  # stopped within the first epoch: there is no best model yet
                self.trainer.settle()
                self._write("The model", lambda: save_weights(self.folder, self.trainer.validated_model))
            raise

    def _classify_tracked_images(self) -> Iterator[Event]:
        """Classify the tracked images with the validated model. An error is yielded as a note once."""
        trainer = self.trainer
        try:
            predictions = predict_tracked_images(
                self.folder,
                trainer.validated_model,
                self.card,
                trainer.arithmetic,
                epoch=trainer.epochs_done,
                step=trainer.meter.step,
            )
        except RunError as error:
            if str(error) != self._tracked_images_error:
                self._tracked_images_error = str(error)
                yield Note(self._tracked_images_error)
        else:
            if predictions:
                yield predictions

    def _handle_requests(self) -> Iterator[Event | None]:
        """Handle the requests since the last event; during a pause, yield None again and again while the caller waits."""
        yield from self._apply_requests()
        if not self.controls.is_paused:
            return
        started, step = time.perf_counter(), self.trainer.meter.step
        self._save_checkpoint()
        yield Paused(step)
        while self.controls.is_paused:
            yield None
            yield from self._apply_requests()
        self.trainer.meter.skip_pause(time.perf_counter() - started)
        yield Continued(step)

    def _apply_requests(self) -> Iterator[Event]:
        """Apply requested changes and saves, and report what could not be written."""
        step = self.trainer.meter.step
        if changes := self.controls.take_changes():
            try:
                self._apply(change_config(self.config, changes))
            except SettingError as error:
                yield Note(UNCHANGED.format(step=step, error=error))
            else:
                self._save_checkpoint()  # before the event: a reported change is not lost with the process
                yield Changed(step, {name: getattr(self.config, name) for name in changes})
        if self.controls.take_save() and self._save_checkpoint():
            yield Saved(step)
        errors, self._write_errors = self._write_errors, []
        yield from map(Note, errors)

    def _apply(self, config: TrainConfig) -> None:
        self.config = config
        apply_settings(self.trainer, config, self.info, self.card.mean)

    def _save_epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        if epoch.is_best:
            self._unsaved = self.trainer.validated_model
        if (best := self._unsaved) and self._write(BEST_SO_FAR, partial(save_weights, self.folder, best)):
            self._unsaved = None
        elif best is self.trainer.validated_model:  # its training continues: the next epoch tries again with a copy
            self._unsaved = copy.deepcopy(best)
        self._save_dynamics(epoch.epoch)
        self._write(f"The state after epoch {epoch.epoch}", partial(self._save_epoch_state, epoch.epoch))

    def _save_epoch_state(self, epoch: int) -> None:
        """Save the state after `epoch` with the weights of the best model, which a branch needs; those of its epoch may be deleted later."""
        state = self._state()
        best = max((saved.epoch for saved in self.epochs if saved.is_best), default=epoch)
        if best != epoch:
            with suppress(RunError):  # the best model could not be written either
                state[BEST_MODEL] = self._unsaved.state_dict() if self._unsaved else read_weights(self.folder)
        save_epoch(self.folder, epoch, state, best=best, most=self.config.saved_epochs)

    def _save_dynamics(self, epoch: int) -> None:
        """Save which images were classified correctly in `epoch`, if all of its batches were recorded."""
        tracker = self.trainer.correctness
        training, validation = tracker.by_image(self.trainer.batches.order), tracker.validation
        if training is None or validation is None:
            return
        is_correct: dict[Split, np.ndarray] = {"train": training.numpy(), "val": validation.cpu().numpy()}
        self._write(
            DYNAMICS.format(epoch=epoch),
            lambda: save_dynamics(self.folder, epoch, is_correct, self.card.fingerprint),
        )

    def _save_checkpoint(self) -> bool:
        return self._write(THE_CHECKPOINT, lambda: save_checkpoint(self.folder, self._state()))

    def _write(self, name: str, write: Callable[[], None]) -> bool:
        """Call `write` and return whether it succeeded: a full disk becomes a note, and training continues."""
        try:
            write()
        except OSError as error:
            self._write_errors.append(NOT_WRITTEN.format(name=name, reason=error.strerror or error))
            return False
        return True

    def _state(self) -> dict[str, Any]:
        return {
            "trainer": self.trainer.state_dict(),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "fingerprint": self.card.fingerprint,
            "config": self.config.model_dump(),
        }
