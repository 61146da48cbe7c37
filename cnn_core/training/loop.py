"""The training loop as a generator of events. To stop it, stop iterating; to pause it, wait before requesting the next event.

In: a model on its device, batches, an optimizer, a schedule. Out: Steps about four times a second, an Epoch after every epoch,
Progress during a long validation. Between events the model can be read (at an Epoch it has the weights that were validated), and
`state_dict` holds all that is needed to continue from there, to the bit. The loop knows nothing of threads, files, databases or pages.
"""

import copy
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cnn_core.config.schema import TrainConfig
from cnn_core.data.batches import Batches
from cnn_core.data.epoch_order import EpochOrder
from cnn_core.device import Arithmetic
from cnn_core.errors import DivergedError
from cnn_core.events import Epoch, Note, Progress, StageStarted, Steps
from cnn_core.features.batches import FeatureBatches
from cnn_core.inference.dead_channels import ActivationMonitor
from cnn_core.inference.logits import class_accuracy, compute_logits, loss_and_accuracy
from cnn_core.text import counted
from cnn_core.training.batch_norm import statistics_of, with_settled_statistics
from cnn_core.training.compilation import Forward
from cnn_core.training.correctness import CorrectnessTracker
from cnn_core.training.meter import Meter
from cnn_core.training.optimizer import Optimizers
from cnn_core.training.schedule import ProgressiveResizing, WarmUp
from cnn_core.training.stages import ALL, Stage, StagePlan, plan_stages, stage_schedule

Report = Steps | Epoch | Progress | Note | StageStarted
STOPPED_EARLY = "Stopped early after epoch {epoch}: the validation accuracy has not improved for {epochs}."
VALIDATION_DIVERGED = "The validation loss became {loss}: training diverged. {remedy}"


@dataclass
class Trainer:
    """Trains `model` for `epochs` passes over `batches`, validating after each: `for event in trainer`.

    label_smoothing: 0..1 (Szegedy et al., 2016). clip_norm: largest gradient norm, 0 for no clipping (Pascanu et al., 2013). ema: decay
    per step of the averaged weights, 0 for no averaging (Polyak and Juditsky, 1992). patience: epochs without a better validation
    accuracy after which training ends, 0 for never. resizing: the side of the training images by step. seed: of the random
    numbers of each step, as dropout draws them. forward: a compiled version of the model, None for the model itself. stages: where only some
    layers learn in some epochs; `batches`, `validation`, `optimizer` and `schedule` are then those of the current stage, first of the first.
    """

    model: nn.Module
    batches: EpochOrder
    validation: EpochOrder
    optimizer: Optimizers
    schedule: WarmUp
    arithmetic: Arithmetic
    epochs: int
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    patience: int = 0
    resizing: ProgressiveResizing | None = None
    seed: int = 0
    forward: Forward | None = None
    stages: tuple[Stage, ...] = ()
    starts_untrained: bool = True  # False: the batch norms start with the statistics of pretrained weights
    meter: Meter = field(default_factory=Meter)
    correctness: CorrectnessTracker = field(default_factory=CorrectnessTracker)
    epochs_done: int = 0
    best: tuple[float, float] = (-1.0, 0.0)  # validation accuracy, -loss
    waited: int = 0  # epochs since the best one

    def __post_init__(self) -> None:
        whole = StagePlan(ALL, 0, self.epochs)
        self.stages = self.stages or (Stage(whole, self.batches, self.validation, self.optimizer, self.schedule),)
        self.stage, self._announced = self.stages[0], -1
        self._scaler = self.arithmetic.scaler()
        self._norm: torch.Tensor | None = None  # of the last step's gradient, where clipping has computed it
        self._average: AveragedModel | None = None
        self._settled: nn.Module | None = None  # the validated model with estimated batch-norm statistics, where they are needed
        if self.ema:
            average = get_ema_multi_avg_fn(self.ema)  # type: ignore[no-untyped-call]  # torch leaves it without annotations
            self._average = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True)

    @property
    def validated_model(self) -> nn.Module:
        """The model that is validated and saved: the averaged one where weights are averaged, or a copy with estimated batch-norm statistics."""
        return self._settled or self._averaged_model

    @property
    def _averaged_model(self) -> nn.Module:
        return self._average.module if self._average else self.model

    def settle(self) -> None:
        """Estimate the statistics of batch norms that have not settled, for validation and saving (see `batch_norm`)."""
        model, steps = self._averaged_model, self.meter.step
        if self.starts_untrained and isinstance(self.batches, Batches):
            self._settled = with_settled_statistics(model, steps, self.batches, self.arithmetic, decay=self.ema)

    def __iter__(self) -> Iterator[Report]:
        """Train to the end. Raises DivergedError when the loss is no longer finite."""
        while self.epochs_done < self.epochs and not self._is_out_of_patience:
            yield from self.enter_stage()
            yield from self._announce_stage()
            yield from self._train_epoch(self.epochs_done + 1)
            epoch = yield from self._validate_epoch(self.epochs_done + 1)
            yield epoch
        if self.epochs_done < self.epochs:
            yield Note(STOPPED_EARLY.format(epoch=self.epochs_done, epochs=counted(self.patience, "epoch")))

    def enter_stage(self) -> Generator[Progress | Note, None, None]:
        """Enter the stage of the next epoch, and read or compute the features that it needs."""
        self._use(next(stage for stage in reversed(self.stages) if stage.plan.before <= self.epochs_done))
        yield from self.stage.prepare()

    def _announce_stage(self) -> Iterator[StageStarted]:
        """Report what learns from now on, once for each stage of a training from pretrained weights."""
        place = self.stages.index(self.stage)
        if place != self._announced and not self.starts_untrained and self.stage.learning:
            learning, count = (sum(value.numel() for value in of) for of in (self.stage.learning, self.model.parameters()))
            yield StageStarted(self.stage.plan.trained, place + 1, len(self.stages), learning, count)
        self._announced = place

    def _use(self, stage: Stage) -> None:
        self.stage, self.batches, self.validation = stage, stage.batches, stage.validation
        self.optimizer, self.schedule = stage.optimizer, stage.schedule
        if stage.learning:
            stage.begin(self.model)

    def replan(self, config: TrainConfig) -> None:
        """Continue with the lengths and learning rates that the stages of `config` have."""
        current, state = self.stages.index(self.stage), self.schedule.state
        plans = plan_stages(config)
        self.stages = tuple(
            replace(stage, plan=plan, schedule=stage_schedule(config, plan, len(self.batches)))
            for stage, plan in zip(self.stages, plans, strict=True)
        )
        self._use(self.stages[current])
        self.schedule.load_state(state)

    @property
    def _is_out_of_patience(self) -> bool:
        return 0 < self.patience <= self.waited

    def _train_epoch(self, epoch: int) -> Iterator[Steps]:
        """Take the remaining steps of the epoch: all of them, or those after the resumed state."""
        done = self.meter.step - self.epochs_done * len(self.batches)
        if done == len(self.batches):
            return
        if done:
            self.meter.resume_epoch()
        else:
            self.meter.start_epoch()
            self.correctness.begin_epoch()
        self.stage.set_training_mode(self.model)
        self._settled = None
        learning_rate, first = 0.0, self.stage.plan.before * len(self.batches)
        for images, targets in self.batches:
            learning_rate = self.schedule(self.meter.step - first)
            self.optimizer.set_learning_rate(learning_rate)
            self.take_step(images, targets)
            if self.meter.should_report():
                yield self.meter.report(epoch, learning_rate, self._gradient_norm())
        if self.meter.has_pending:
            yield self.meter.report(epoch, learning_rate, self._gradient_norm())

    def _gradient_norm(self) -> float:
        """Return the gradient norm of the last step, before clipping. Waits for the device, once a report."""
        if self._norm is not None:
            return self._norm.item()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return nn.utils.get_total_norm(gradients).item()

    def take_step(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Take one optimizer step and return its loss (), without waiting for the device.

        images: (B, C, H, W). targets: (B,) classes, or (B, classes) probabilities.
        """
        # Dropout draws from torch's global generator, which other threads use too: seeded anew, a step always draws the same numbers.
        torch.manual_seed(self.seed * 1_000_003 + self.meter.step)
        has_images = not self.stage.part
        if has_images and self.resizing and (side := self.resizing(self.meter.step)) < images.shape[-1]:
            images = nn.functional.interpolate(images, size=(side, side), mode="bilinear")
        with self.arithmetic.autocast():
            logits = self._forward(images)
            loss = nn.functional.cross_entropy(logits.float(), targets, label_smoothing=self.label_smoothing)
        self.optimizer.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self.optimizer.gather_gradients()
        if self.clip_norm:
            for optimizer in self.optimizer.parts:
                self._scaler.unscale_(optimizer)
            self._norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        for optimizer in self.optimizer.parts:
            self._scaler.step(optimizer)
        self._scaler.update()
        if self._average:
            self._average.update_parameters(self.model)
        labels = targets.argmax(1) if targets.ndim == 2 else targets
        is_correct = logits.detach().argmax(1) == labels
        self.correctness.record(is_correct)
        self.meter.record(loss.detach(), is_correct.float().mean(), len(labels))
        return loss.detach()

    def _forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of what the batches contain: images, or features for the part that learns."""
        part: Forward = self.model.get_submodule(self.stage.part) if self.stage.part else self.forward or self.model
        return part(images)

    def _validate_epoch(self, epoch: int) -> Generator[Progress, None, Epoch]:
        self.settle()
        has_features = isinstance(self.validation, FeatureBatches)
        validated = self.validated_model.get_submodule(self.stage.part if has_features else "")
        with ActivationMonitor(validated) as activations:
            logits = yield from compute_logits(validated, self.validation, "Validating", self.arithmetic)
        val_loss, val_accuracy = loss_and_accuracy(logits, self.validation.labels)
        if not math.isfinite(val_loss):
            raise DivergedError(VALIDATION_DIVERGED.format(loss=val_loss, remedy=self.meter.remedy))
        self.correctness.validation = logits.argmax(1) == self.validation.labels
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
            dead=activations.dead_fraction,
            predicted=tuple(logits.argmax(1).bincount(minlength=logits.shape[1]).tolist()),
            is_settled=self._settled is None,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that decides the rest of the training, to be taken between two events: tensors, numbers, plain containers."""
        return {
            "model": self.model.state_dict(),
            "average": self._average.state_dict() if self._average else None,
            "statistics": statistics_of(self._settled) if self._settled else None,
            "stage": self.stages.index(self.stage),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state,
            "scaler": self._scaler.state_dict(),
            "batches": self.batches.state_dict(),
            "meter": self.meter.state_dict(),
            "answers": self.correctness.state_dict(),  # keys keep the names of earlier versions
            "epochs_done": self.epochs_done,
            "best": self.best,
            "waited": self.waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state` was taken. With the same settings, data and machine, the final weights are the same to the bit."""
        self.model.load_state_dict(state["model"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self._settled = None
        if state.get("statistics"):  # states of earlier versions have none
            self._settled = copy.deepcopy(self._averaged_model)
            self._settled.load_state_dict(state["statistics"], strict=False)
        self._use(self.stages[state.get("stage", 0)])  # states of earlier versions have none
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        self.batches.load_state_dict(state["batches"])
        self.meter.load_state_dict(state["meter"])
        correctness = state.get("answers") or {"shown": None}  # checkpoints of earlier versions have none
        self.correctness.load_state_dict(correctness, self.arithmetic.device)
        self.epochs_done, self.best, self.waited = state["epochs_done"], tuple(state["best"]), state["waited"]
