"""The training loop as a generator of events: stopping is no longer asking, pausing is waiting before asking again.

In: a model on its device, batches, an optimizer, a schedule. Out: Steps about four times a second, an Epoch after every
epoch, Progress while a long validation runs. Between events the model can be read (an Epoch's weights are the ones it
measured), and `state_dict` is all that is needed to go on from that very place, bit by bit. It knows nothing of threads, files,
databases or pages.
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cnn_core.data.batches import Batches
from cnn_core.device import Arithmetic
from cnn_core.errors import DivergedError
from cnn_core.events import Epoch, Note, Progress, Steps
from cnn_core.inference.dead_channels import Activity
from cnn_core.inference.logits import class_accuracy, compute_logits, loss_and_accuracy
from cnn_core.training.correctness import CorrectnessTracker
from cnn_core.training.meter import Meter
from cnn_core.training.optimizer import Optimizers
from cnn_core.training.schedule import GrowingSide, WarmUp

Report = Steps | Epoch | Progress | Note


@dataclass
class Trainer:
    """Trains `model` for `epochs` passes over `batches`, validating after each: `for event in trainer`.

    label_smoothing: share (Szegedy et al., 2016). clip_norm: largest gradient norm, 0 for none (Pascanu et al., 2013). ema: decay per
    step of the averaged weights, 0 for none (Polyak and Juditsky, 1992). patience: epochs without a better validation accuracy
    after which training ends, 0 for never. side: of the training images, where they grow. seed: of what each step's dropout draws.
    forward: the model, or a compiled version of it.
    """

    model: nn.Module
    batches: Batches
    validation: Batches
    optimizer: Optimizers
    schedule: WarmUp
    arithmetic: Arithmetic
    epochs: int
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    patience: int = 0
    side: GrowingSide | None = None
    seed: int = 0
    forward: nn.Module | None = None
    meter: Meter = field(default_factory=Meter)
    answers: CorrectnessTracker = field(default_factory=CorrectnessTracker)
    epochs_done: int = 0
    best: tuple[float, float] = (-1.0, 0.0)  # validation accuracy, -loss
    waited: int = 0  # epochs since the best

    def __post_init__(self) -> None:
        self._scaler = self.arithmetic.scaler()
        self._norm: torch.Tensor | None = None  # where clipping has computed it
        self._average = (
            AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(self.ema), use_buffers=True) if self.ema else None
        )

    @property
    def measured(self) -> nn.Module:
        """The network that is validated and worth keeping: the averaged one where weights are averaged."""
        return self._average.module if self._average else self.model

    def __iter__(self) -> Iterator[Report]:
        """Go on to the end. Raises DivergedError when the loss is no longer a number."""
        while self.epochs_done < self.epochs and not self._has_waited_enough:
            yield from self._train_epoch(self.epochs_done + 1)
            epoch = yield from self._validate_epoch(self.epochs_done + 1)
            yield epoch
        if self.epochs_done < self.epochs:
            yield Note(
                f"Stopped early after epoch {self.epochs_done}: {self.patience} epochs in a row brought no better validation accuracy."
            )

    @property
    def _has_waited_enough(self) -> bool:
        return 0 < self.patience <= self.waited

    def _train_epoch(self, epoch: int) -> Iterator[Steps]:
        """The steps that this epoch still lacks: all of them, or the rest after a resumption."""
        done = self.meter.step - self.epochs_done * len(self.batches)
        if done == len(self.batches):
            return
        if done:
            self.meter.resume_epoch()
        else:
            self.meter.start_epoch()
            self.answers.begin_epoch()
        self.model.train()
        learning_rate = 0.0
        for images, targets in self.batches:
            learning_rate = self.schedule(self.meter.step)
            self.optimizer.set_rate(learning_rate)
            self.take_step(images, targets)
            if self.meter.should_report():
                yield self.meter.report(epoch, learning_rate, self._gradient_norm())
        if self.meter.has_pending:
            yield self.meter.report(epoch, learning_rate, self._gradient_norm())

    def _gradient_norm(self) -> float:
        """Of the last step, before clipping. Waits for the device, once a report."""
        if self._norm is not None:
            return self._norm.item()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return nn.utils.get_total_norm(gradients).item()

    def take_step(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """One optimizer step, giving the loss. images: (B, C, H, W); targets: (B,) classes or (B, classes) shares. Nothing waits for the device."""
        # Dropout draws from torch's one generator, which other threads use too: seeded anew, a step draws the same whatever they drew before it.
        torch.manual_seed(self.seed * 1_000_003 + self.meter.step)
        if self.side and (side := self.side(self.meter.step)) < images.shape[-1]:
            images = nn.functional.interpolate(images, size=(side, side), mode="bilinear")
        with self.arithmetic.autocast():
            logits = (self.forward or self.model)(images)
            loss = nn.functional.cross_entropy(logits.float(), targets, label_smoothing=self.label_smoothing)
        self.optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        self.optimizer.gather_gradients()
        if self.clip_norm:
            for part in self.optimizer.parts:
                self._scaler.unscale_(part)
            self._norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        for part in self.optimizer.parts:
            self._scaler.step(part)
        self._scaler.update()
        if self._average:
            self._average.update_parameters(self.model)
        labels = targets.argmax(1) if targets.ndim == 2 else targets
        is_right = logits.detach().argmax(1) == labels
        self.answers.note(is_right)
        self.meter.count(loss.detach(), is_right.float().mean(), len(labels))
        return loss.detach()

    def _validate_epoch(self, epoch: int) -> Generator[Progress, None, Epoch]:
        with Activity(self.measured) as activity:
            logits = yield from compute_logits(self.measured, self.validation, "Validating", self.arithmetic)
        val_loss, val_accuracy = loss_and_accuracy(logits, self.validation.labels)
        if not math.isfinite(val_loss):
            raise DivergedError(f"The validation loss became {val_loss}: training diverged. {self.meter.remedy}")
        self.answers.validated = logits.argmax(1) == self.validation.labels
        is_best = (val_accuracy, -val_loss) > self.best
        self.best = max(self.best, (val_accuracy, -val_loss))
        self.waited = 0 if is_best else self.waited + 1
        self.schedule.observe(val_loss)
        self.epochs_done = epoch
        return Epoch(
            epoch=epoch,
            step=self.meter.step,
            train_loss=self.meter.epoch_loss,
            train_accuracy=self.meter.epoch_accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            is_best=is_best,
            train_seconds=self.meter.train_seconds,
            seconds=self.meter.seconds,
            waited=self.waited,
            class_accuracy=class_accuracy(logits, self.validation.labels),
            dead=activity.dead_share,
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides what comes next, to be taken between two events: tensors, numbers and plain containers only."""
        return {
            "model": self.model.state_dict(),
            "average": self._average.state_dict() if self._average else None,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state,
            "scaler": self._scaler.state_dict(),
            "batches": self.batches.state_dict(),
            "meter": self.meter.state_dict(),
            "answers": self.answers.state_dict(),
            "epochs_done": self.epochs_done,
            "best": self.best,
            "waited": self.waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken: the same settings and data on the same machine then end with the same weights."""
        self.model.load_state_dict(state["model"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        self.batches.load_state_dict(state["batches"])
        self.meter.load_state_dict(state["meter"])
        answers = state.get("answers") or {"shown": None}  # checkpoints of earlier versions have none
        self.answers.load_state_dict(answers, self.arithmetic.device)
        self.epochs_done, self.best, self.waited = state["epochs_done"], tuple(state["best"]), state["waited"]
