"""Schedules: small values that are called with a step (from 0) and return the learning rate, or the images' side, of that step.

They can be printed and plotted before training and do not depend on optimizers. The exported training script contains their code, so a
schedule is a class that needs nothing but numbers. Importing this module does not import torch.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.config.setting import parse_knots, parse_milestones
from cnn_core.models.registry import FAMILIES


class Schedule:
    """Called with a step (from 0) of the training, it returns the learning rate of that step.

    `observe` is called with the validation loss after every epoch, to which Plateau adapts. `state` is saved in checkpoints.
    """

    def __call__(self, step: int) -> float:
        raise NotImplementedError

    def observe(self, val_loss: float) -> None:
        """Adapt to the validation loss of an epoch."""

    @property
    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""


@dataclass(frozen=True)
class Constant(Schedule):
    """One learning rate for all steps."""

    peak: float

    def __call__(self, step: int) -> float:
        return self.peak


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from `peak` down to zero at `steps` (Loshchilov and Hutter, 2017)."""

    peak: float
    steps: int

    def __call__(self, step: int) -> float:
        return self.peak * (1 + math.cos(math.pi * step / self.steps)) / 2


@dataclass(frozen=True)
class StepDrops(Schedule):
    """Multiplied by `factor` at each of `milestones`, fractions of `steps` (He et al., 2015, section 4.2: at 0.5 and 0.75)."""

    peak: float
    steps: int
    milestones: tuple[float, ...]
    factor: float

    def __call__(self, step: int) -> float:
        return self.peak * self.factor ** bisect_right(self.milestones, step / self.steps)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up a cosine from peak/25 over the first 30%, then down a cosine to peak/250,000 (Smith and Topin, 2018; numbers as in torch)."""

    peak: float
    steps: int
    rise: float = 0.3
    start: float = 1 / 25
    end: float = 1 / 250_000

    def __call__(self, step: int) -> float:
        top, last = self.rise * self.steps - 1, self.steps - 1
        if step <= top:
            return self.peak * _cosine_between(self.start, 1.0, step / top)
        return self.peak * _cosine_between(1.0, self.end, (step - top) / (last - top) if last > top else 0.0)


@dataclass(frozen=True)
class PiecewiseLinear(Schedule):
    """Straight lines between `knots`: pairs of a fraction of the training (0..1) and a fraction of `peak` (0..1)."""

    peak: float
    steps: int
    knots: tuple[tuple[float, float], ...]

    def __call__(self, step: int) -> float:
        time = step / self.steps
        for (left, low), (right, high) in zip(self.knots, self.knots[1:], strict=False):
            if time <= right:
                return self.peak * (low + (high - low) * (time - left) / (right - left))
        return self.peak * self.knots[-1][1]


@dataclass
class Plateau(Schedule):
    """Multiplied by `factor` whenever the validation loss has not fallen by a ten-thousandth for more than `patience` epochs.

    The only schedule that adapts to the validation loss.
    """

    peak: float
    factor: float
    patience: int
    best: float = math.inf
    waited: int = 0
    drops: int = 0

    def __call__(self, step: int) -> float:
        return self.peak * self.factor**self.drops

    def observe(self, val_loss: float) -> None:
        if val_loss < self.best * (1 - 1e-4):
            self.best, self.waited = val_loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.drops, self.waited = self.drops + 1, 0

    @property
    def state(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "drops": self.drops}

    def load_state(self, state: dict[str, Any]) -> None:
        self.best, self.waited, self.drops = state["best"], state["waited"], state["drops"]


@dataclass(frozen=True)
class WarmUp(Schedule):
    """A linear rise over the first `steps` steps, multiplied onto another schedule (Goyal et al., 2017, section 2.2)."""

    then: Schedule
    steps: int = 0

    def __call__(self, step: int) -> float:
        return self.then(step) * min(1.0, (step + 1) / (self.steps + 1))

    def observe(self, val_loss: float) -> None:
        self.then.observe(val_loss)

    @property
    def state(self) -> dict[str, Any]:
        return self.then.state

    def load_state(self, state: dict[str, Any]) -> None:
        self.then.load_state(state)


def make_schedule(config: TrainConfig, steps_per_epoch: int) -> WarmUp:
    """Return the schedule of `config` over all its optimizer steps, with its warm-up."""
    peak, steps = config.learning_rate, config.epochs * steps_per_epoch
    schedules: dict[str, Callable[[], Schedule]] = {
        "constant": lambda: Constant(peak),
        "cosine": lambda: Cosine(peak, steps),
        "step": lambda: StepDrops(peak, steps, parse_milestones(config.drop_at), config.drop_factor),
        "onecycle": lambda: OneCycle(peak, steps),
        "linear": lambda: PiecewiseLinear(peak, steps, parse_knots(config.knots)),
        "plateau": lambda: Plateau(peak, config.drop_factor, config.plateau_patience),
    }
    return WarmUp(schedules[config.schedule](), round(config.warmup * steps))


@dataclass(frozen=True)
class ProgressiveResizing:
    """Progressive resizing (Howard, 2018, in fast.ai's DAWNBench entry): the side of the training images, in pixels, by step.

    It grows from `start` to `full` over the first two thirds of `steps`, an eighth of `full` at a time.
    """

    full: int
    start: int
    steps: int

    def __call__(self, step: int) -> int:
        stride, side = max(1, self.full // 8), self.start + (self.full - self.start) * 1.5 * step / self.steps
        return min(self.full, max(self.start, int(side / stride) * stride))


def make_resizing(config: TrainConfig, steps_per_epoch: int, image_size: int) -> ProgressiveResizing | None:
    """Return the progressive resizing of `config`; None where the size of the training images does not change."""
    family = FAMILIES[config.model]
    start = max(family.smallest, round(config.start_side * image_size))
    if not family.takes_any_side or start >= image_size:
        return None
    return ProgressiveResizing(image_size, start, config.epochs * steps_per_epoch)


def _cosine_between(start: float, end: float, time: float) -> float:
    """Return the value at `time` of half a cosine from `start` at time 0 to `end` at time 1."""
    return end + (start - end) * (1 + math.cos(math.pi * time)) / 2
