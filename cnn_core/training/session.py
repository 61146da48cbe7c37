"""A training with its folder: it goes on from a checkpoint, keeps the best weights and the state after every epoch, and can be steered.

In: a trainer and what it was made from. Out: the trainer's events, and those of what was asked of it on the way.
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from cnn_core.config.changes import change_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.errors import DataError, RunError, SettingError, StudioError
from cnn_core.events import Changed, Continued, Epoch, Event, Note, Paused, Resumed, Saved
from cnn_core.metrics.training_dynamics import drop_dynamics_after, save_dynamics
from cnn_core.models.checkpoint import keep_epoch, load_checkpoint, save_checkpoint
from cnn_core.models.saving import ModelCard, save_weights
from cnn_core.training.loop import Trainer
from cnn_core.training.out_of_memory import explain_memory
from cnn_core.training.steering import Steering, steer
from cnn_core.training.tracked_predictions import ask_network

CHECKPOINT_SECONDS = 20.0  # so much of a run is lost at most when its process dies


@dataclass
class TrainingSession:
    """`config` holds the settings in force; `epochs` what was measured after each epoch so far."""

    trainer: Trainer
    config: TrainConfig
    info: DataInfo
    card: ModelCard
    folder: Path
    steering: Steering
    epochs: list[Epoch] = field(default_factory=list)
    _troubles: list[str] = field(default_factory=list)
    _complaint: str = ""  # about the probes
    _unsaved: nn.Module | None = None  # the best network, while it cannot be written

    def go_on(self) -> Iterator[Event]:
        """Put the trainer where the folder's checkpoint was taken. Raises DataError when that was with other images."""
        state, note = load_checkpoint(self.folder, self.trainer.arithmetic.device)
        if note:
            yield Note(note)
        if state:
            if state["fingerprint"] != self.card.fingerprint:
                raise DataError(
                    "The images have changed since this run was interrupted, so it cannot go on. Restore them, or start a new run."
                )
            self.trainer.load_state_dict(state["trainer"])
            if state.get("config"):  # checkpoints of earlier versions have none: nothing could be changed then
                self._use(TrainConfig.model_validate(state["config"]))
            self.epochs += [Epoch(**epoch) for epoch in state["epochs"]]
        drop_dynamics_after(self.folder, self.trainer.epochs_done)
        yield Resumed(step=self.trainer.meter.step, epoch=self.trainer.epochs_done)
        if self.trainer.meter.step == self.trainer.epochs_done * len(self.trainer.batches) > 0:
            yield from self._probe()  # its end may have come between the epoch and this

    def __iter__(self) -> Iterator[Event | None]:
        """Train to the end; None while it is paused. Whoever stops asking leaves a checkpoint behind."""
        saved = time.perf_counter()
        try:
            with explain_memory(self.trainer, (self.card.channels, self.card.image_size, self.card.image_size)):
                for event in self.trainer:
                    if isinstance(event, Epoch):
                        self._keep(event)
                    if time.perf_counter() - saved > CHECKPOINT_SECONDS:
                        self._save()
                        saved = time.perf_counter()
                    yield event
                    if isinstance(event, Epoch):
                        yield from self._probe()
                    yield from self._listen()
            if self._unsaved:
                save_weights(self.folder, self._unsaved)
        except OSError as error:
            raise StudioError(
                f"The best model could not be written ({error.strerror or error}). Free some space and train the run again."
            ) from None
        except GeneratorExit:
            self._save()
            if not self.epochs:  # stopped within the first epoch: better its weights than none
                self._write("The model", lambda: save_weights(self.folder, self.trainer.measured))
            raise

    def _probe(self) -> Iterator[Event]:
        """What the network, just as it was validated, says of the run's probes; why it cannot be asked is told once."""
        trainer = self.trainer
        try:
            probed = ask_network(
                self.folder, trainer.measured, self.card, trainer.arithmetic, epoch=trainer.epochs_done, step=trainer.meter.step
            )
        except RunError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                yield Note(self._complaint)
        else:
            if probed:
                yield probed

    def _listen(self) -> Iterator[Event | None]:
        """Do what was asked for since the last event; during a pause None is given again and again, for whoever drives to wait."""
        yield from self._answer()
        if not self.steering.is_paused:
            return
        begun, step = time.perf_counter(), self.trainer.meter.step
        self._save()
        yield Paused(step)
        while self.steering.is_paused:
            yield None
            yield from self._answer()
        self.trainer.meter.skip(time.perf_counter() - begun)
        yield Continued(step)

    def _answer(self) -> Iterator[Event]:
        """Changes and saves that were asked for, and what could not be written."""
        step = self.trainer.meter.step
        if changes := self.steering.take_changes():
            try:
                self._use(change_config(self.config, changes))
            except SettingError as error:
                yield Note(f"Nothing was changed after step {step:,}. {error}")
            else:
                self._save()  # before it is told: a change that was seen is not lost with the process
                yield Changed(step, {name: getattr(self.config, name) for name in changes})
        if self.steering.take_save() and self._save():
            yield Saved(step)
        troubles, self._troubles = self._troubles, []
        yield from map(Note, troubles)

    def _use(self, config: TrainConfig) -> None:
        self.config = config
        steer(self.trainer, config, self.info, self.card.mean)

    def _keep(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        if epoch.is_best:
            self._unsaved = self.trainer.measured
        if self._unsaved and self._write("The best model so far", lambda: save_weights(self.folder, self._unsaved)):
            self._unsaved = None
        elif self._unsaved is self.trainer.measured:  # which learns on: the next epoch tries again with what was best
            self._unsaved = copy.deepcopy(self._unsaved)
        self._keep_learning(epoch.epoch)
        self._write(f"The state after epoch {epoch.epoch}", lambda: keep_epoch(self.folder, epoch.epoch, self._state()))

    def _keep_learning(self, epoch: int) -> None:
        """Which images were right in `epoch`; nothing where a part of it was trained by a version that did not note that."""
        trained, validated = self.trainer.answers.by_image(self.trainer.batches.order), self.trainer.answers.validated
        if trained is None or validated is None:
            return
        is_right = {"train": trained.numpy(), "val": validated.cpu().numpy()}
        self._write(
            f"Which images were right in epoch {epoch}",
            lambda: save_dynamics(self.folder, epoch, is_right, self.card.fingerprint),
        )

    def _save(self) -> bool:
        return self._write("The checkpoint", lambda: save_checkpoint(self.folder, self._state()))

    def _write(self, what: str, write: Callable[[], None]) -> bool:
        """Whether `write` succeeded: a full disk is told, and no reason to lose what is being learned."""
        try:
            write()
        except OSError as error:
            self._troubles.append(
                f"{what} could not be written ({error.strerror or error}); the one before is kept and training goes on. Free some space."
            )
            return False
        return True

    def _state(self) -> dict[str, Any]:
        return {
            "trainer": self.trainer.state_dict(),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "fingerprint": self.card.fingerprint,
            "config": self.config.model_dump(),
        }
