"""The metrics that exercises compare: a value at the end of a run, averaged over its last epochs.

In: a run's `Epoch` events. Out: a number with its unit and words. It is not the value of the last epoch alone: with a constant learning
rate, the validation loss of two consecutive epochs differed by as much as the effect of the exercise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from cnn_core.events import Epoch

Direction = Literal["lower", "same", "higher"]
LAST_PART = 4  # the mean is over the last quarter of the epochs, at least over one


@dataclass(frozen=True)
class FinalMetric:
    """A metric of the last quarter of a run's epochs.

    title: its name within a sentence. unit: of a value. difference_unit: of the difference of two values. digits: after the decimal
    point. value: the metric after one epoch, in `unit`. curves: the curves of the live chart that show it. words: what to call the value
    of B below, equal to or above that of A. counts_images: whether one validation image more or less is the smallest possible change.
    """

    name: str
    title: str
    unit: str
    difference_unit: str
    digits: int
    value: Callable[[Epoch], float]
    curves: tuple[str, ...]
    words: Mapping[Direction, str]
    counts_images: bool = True

    def average(self, epochs: Sequence[Epoch]) -> float:
        """Return the mean over the last quarter of the epochs, of which there is at least one."""
        return mean(map(self.value, epochs[-max(1, len(epochs) // LAST_PART) :]))

    def with_unit(self, value: float) -> str:
        """Return a value as text: "95.4%", "0.142 nats"."""
        return f"{self.number(value)}{'' if self.unit == '%' else ' '}{self.unit}"

    def number(self, value: float) -> str:
        """Return a value as text without its unit, and never as "-0.0"."""
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}".replace("-", "−")


ACCURACY = FinalMetric(
    name="accuracy",
    title="validation accuracy",
    unit="%",
    difference_unit="percentage points",
    digits=1,
    value=lambda epoch: 100 * epoch.val_accuracy,
    curves=("validation accuracy",),
    words={"lower": "lower", "same": "about the same", "higher": "higher"},
)
GAP = FinalMetric(
    name="gap",
    title="gap between training and validation accuracy",
    unit="percentage points",
    difference_unit="percentage points",
    digits=1,
    value=lambda epoch: 100 * (epoch.train_accuracy - epoch.val_accuracy),
    curves=("validation accuracy", "training accuracy"),
    words={"lower": "smaller", "same": "about the same", "higher": "larger"},
)
LOSS = FinalMetric(
    name="loss",
    title="validation loss",
    unit="nats",
    difference_unit="nats",
    digits=3,
    value=lambda epoch: epoch.val_loss,
    curves=("validation loss",),
    words={"lower": "lower", "same": "about the same", "higher": "higher"},
    counts_images=False,
)
