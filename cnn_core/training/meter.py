"""Counts steps, images and time, and turns the numbers on the device into reports.

In: losses and accuracies as tensors on the device. Out: Steps events, with one device-to-host wait each; the means of an epoch.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch

from cnn_core.config.suggestions import LOWER_RATE
from cnn_core.errors import DivergedError
from cnn_core.events import Steps
from cnn_core.training.resource_monitor import ResourceMonitor

REPORT_SECONDS = 0.25
DIVERGED = "The loss became {loss} at step {step:,}: training diverged. {remedy}"


@dataclass
class Meter:
    """`step` and `images` count over the whole run; `train_seconds` is time in training alone, without validation.

    `remedy`: the sentence that ends the message when training diverges.
    """

    remedy: str = LOWER_RATE
    resources: ResourceMonitor = field(default_factory=lambda: ResourceMonitor(torch.device("cpu")))
    step: int = 0
    images: int = 0
    train_seconds: float = 0.0
    _pending: list[torch.Tensor] = field(default_factory=list)  # (loss, accuracy) of each step since the last report
    _sizes: list[int] = field(default_factory=list)
    _sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # of the epoch: images, loss, accuracy
    _started: float = field(default_factory=time.perf_counter)
    _reported: float = 0.0

    def start_epoch(self) -> None:
        """Reset the sums of the epoch and start the clock of the next report."""
        self._sums = [0.0, 0.0, 0.0]
        self.resume_epoch()

    def resume_epoch(self) -> None:
        """Start the clock of the next report."""
        self._reported = time.perf_counter()

    def skip_pause(self, seconds: float) -> None:
        """Leave a pause that has just ended out of all times."""
        self._started += seconds
        self._reported += seconds

    def record(self, loss: torch.Tensor, accuracy: torch.Tensor, size: int) -> None:
        """Add a step on `size` images; loss and accuracy () stay on the device."""
        self._pending.append(torch.stack((loss, accuracy)))
        self._sizes.append(size)
        self.step += 1
        self.images += size

    def should_report(self) -> bool:
        """Whether the last report was REPORT_SECONDS ago."""
        return time.perf_counter() - self._reported > REPORT_SECONDS

    def report(self, epoch: int, learning_rate: float, gradient_norm: float | None = None) -> Steps:
        """Return the steps since the last report; `gradient_norm` is that of the last step.

        Raises DivergedError when one of their losses is not finite.
        """
        values = torch.stack(self._pending).tolist()  # the one device-to-host wait of a report
        sizes, self._pending, self._sizes = self._sizes, [], []
        for position, (loss, _) in enumerate(values, start=self.step - len(values) + 1):
            if not math.isfinite(loss):
                raise DivergedError(DIVERGED.format(loss=loss, step=position, remedy=self.remedy))
        for size, (loss, accuracy) in zip(sizes, values, strict=True):
            self._sums = [self._sums[0] + size, self._sums[1] + size * loss, self._sums[2] + size * accuracy]
        now = time.perf_counter()
        elapsed, self._reported = now - self._reported, now
        self.train_seconds += elapsed
        losses, accuracies = zip(*values, strict=True)
        memory, load = self.resources.read()
        return Steps(
            epoch=epoch,
            step=self.step,
            images=self.images,
            loss=losses,
            accuracy=accuracies,
            learning_rate=learning_rate,
            images_per_second=sum(sizes) / elapsed,
            train_seconds=self.train_seconds,
            seconds=now - self._started,
            at=time.time(),
            gradient_norm=gradient_norm if gradient_norm is not None and math.isfinite(gradient_norm) else None,
            memory=memory,
            load=load,
        )

    @property
    def has_pending(self) -> bool:
        """Whether steps were taken since the last report."""
        return bool(self._pending)

    @property
    def seconds(self) -> float:
        """Seconds since training began, including validation, without pauses and the time between interruption and resumption."""
        return time.perf_counter() - self._started

    @property
    def epoch_loss(self) -> float:
        """The mean training loss of the epoch so far."""
        return self._sums[1] / self._sums[0]

    @property
    def epoch_accuracy(self) -> float:
        """The mean training accuracy (0..1) of the epoch so far."""
        return self._sums[2] / self._sums[0]

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and times, to be taken between two events, when no step is pending."""
        return {
            "step": self.step,
            "images": self.images,
            "train_seconds": self.train_seconds,
            "seconds": self.seconds,
            "sums": self._sums,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the counts and times in `state`."""
        self.step, self.images, self.train_seconds = state["step"], state["images"], state["train_seconds"]
        self._started, self._sums = time.perf_counter() - state["seconds"], list(state["sums"])
