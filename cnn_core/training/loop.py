"""The training loop as a generator of events: stopping is no longer asking, pausing is waiting before asking again.

In: a model on its device, batches, an optimizer, a schedule. Out: Steps about four times a second, an Epoch after every
epoch, Progress while a long validation runs. Between events the model can be read (an Epoch's weights are the ones it
measured). It knows nothing of threads, files, databases or pages.
"""

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.optim import Optimizer

from cnn_core.data.batches import Batches
from cnn_core.errors import DivergedError
from cnn_core.events import Epoch, Progress, Steps
from cnn_core.inference.logits import compute_logits, loss_and_accuracy
from cnn_core.training.schedule import Schedule

REPORT_SECONDS = 0.25
REMEDY = "Choose a lower learning rate and start again."


def train(
    model: nn.Module, batches: Batches, validation: Batches, optimizer: Optimizer, schedule: Schedule, *, epochs: int
) -> Iterator[Steps | Epoch | Progress]:
    """Train for `epochs` passes over `batches`, validating after each. Raises DivergedError when the loss is no longer a number."""
    meter, best = Meter(), (-1.0, 0.0)
    for epoch in range(1, epochs + 1):
        meter.start_epoch()
        model.train()
        for images, labels in batches:
            learning_rate = schedule(meter.step)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            logits = model(images)
            loss = nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            meter.count(loss.detach(), (logits.detach().argmax(1) == labels).float().mean(), len(labels))
            if meter.should_report():
                yield meter.report(epoch, learning_rate)
        if meter.has_pending:
            yield meter.report(epoch, learning_rate)
        val_loss, val_accuracy = yield from _validate(model, validation)
        is_best = (val_accuracy, -val_loss) > best
        best = max(best, (val_accuracy, -val_loss))
        yield Epoch(
            epoch=epoch,
            step=meter.step,
            train_loss=meter.epoch_loss,
            train_accuracy=meter.epoch_accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            is_best=is_best,
            train_seconds=meter.train_seconds,
            seconds=meter.seconds,
        )


def _validate(model: nn.Module, validation: Batches) -> Generator[Progress, None, tuple[float, float]]:
    logits = yield from compute_logits(model, validation, "Validating")
    loss, accuracy = loss_and_accuracy(logits, validation.labels)
    if not math.isfinite(loss):
        raise DivergedError(f"The validation loss became {loss}: training diverged. {REMEDY}")
    return loss, accuracy


@dataclass
class Meter:
    """Counts steps and time, and holds losses and accuracies on the device until a report fetches them all at once.

    `step` and `images` count over the whole run; `train_seconds` is time in training alone, validation left out.
    """

    step: int = 0
    images: int = 0
    train_seconds: float = 0.0
    _pending: list[torch.Tensor] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)
    _sums: list[float] = field(default_factory=list)
    _started: float = field(default_factory=time.perf_counter)
    _reported: float = 0.0

    def start_epoch(self) -> None:
        self._sums, self._reported = [0.0, 0.0, 0.0], time.perf_counter()

    def count(self, loss: torch.Tensor, accuracy: torch.Tensor, size: int) -> None:
        self._pending.append(torch.stack((loss, accuracy)))
        self._sizes.append(size)
        self.step += 1
        self.images += size

    def should_report(self) -> bool:
        return time.perf_counter() - self._reported > REPORT_SECONDS

    def report(self, epoch: int, learning_rate: float) -> Steps:
        """The steps since the last report. Raises DivergedError when a loss among them is not a finite number."""
        values = torch.stack(self._pending).tolist()  # the one device-to-host sync of a report
        sizes, self._pending, self._sizes = self._sizes, [], []
        for position, (loss, _) in enumerate(values, start=self.step - len(values) + 1):
            if not math.isfinite(loss):
                raise DivergedError(
                    f"The loss became {loss} at step {position:,}: training diverged. Choose a lower learning rate and start again."
                )
        for size, (loss, accuracy) in zip(sizes, values, strict=True):
            self._sums = [self._sums[0] + size, self._sums[1] + size * loss, self._sums[2] + size * accuracy]
        now = time.perf_counter()
        elapsed, self._reported = now - self._reported, now
        self.train_seconds += elapsed
        losses, accuracies = zip(*values, strict=True)
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
        )

    @property
    def has_pending(self) -> bool:
        return bool(self._pending)

    @property
    def seconds(self) -> float:
        """Since the meter was made, validation included."""
        return time.perf_counter() - self._started

    @property
    def epoch_loss(self) -> float:
        return self._sums[1] / self._sums[0]

    @property
    def epoch_accuracy(self) -> float:
        return self._sums[2] / self._sums[0]
