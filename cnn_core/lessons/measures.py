"""What an exercise looks at: a figure of a run, read off its last epochs. In: a run's epochs. Out: a number with its unit and words.

Not the last epoch alone: with a constant learning rate one epoch's validation loss differed from the next by as much as the lesson's effect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from cnn_core.events import Epoch

Direction = Literal["lower", "same", "higher"]
LAST_SHARE = 4  # a figure is the mean over the last quarter of the epochs, at least of one
PERIOD = "mean over the last quarter of a run's epochs"


@dataclass(frozen=True)
class Measure:
    """`title`: in a sentence. `of`: its value after one epoch, in `unit`, with `digits` behind the point; differences of it are in `apart`.
    `curves`: those of the overlay that show it. `words`: how B is called where it is below A, about the same, or above. `counts_images`:
    whether it moves in steps of one validation image."""

    name: str
    title: str
    unit: str
    apart: str
    digits: int
    of: Callable[[Epoch], float]
    curves: tuple[str, ...]
    words: dict[Direction, str]
    counts_images: bool = True

    def read(self, epochs: Sequence[Epoch]) -> float:
        """The figure of a run with these epochs, at least one."""
        return mean(map(self.of, epochs[-max(1, len(epochs) // LAST_SHARE) :]))

    def in_words(self, value: float) -> str:
        """ "95.4 %", "0.142 nats"."""
        return f"{self.number(value)} {self.unit}"

    def number(self, value: float) -> str:
        """Without the unit, and without a minus in front of a zero."""
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}".replace("-", "−")


ACCURACY = Measure(
    "accuracy",
    "validation accuracy",
    "%",
    "points",
    1,
    lambda epoch: 100 * epoch.val_accuracy,
    ("validation accuracy",),
    {"lower": "lower", "same": "about the same", "higher": "higher"},
)
GAP = Measure(
    "gap",
    "gap between training and validation accuracy",
    "points",
    "points",
    1,
    lambda epoch: 100 * (epoch.train_accuracy - epoch.val_accuracy),
    ("validation accuracy", "training accuracy"),
    {"lower": "smaller", "same": "about the same", "higher": "larger"},
)
LOSS = Measure(
    "loss",
    "validation loss",
    "nats",
    "nats",
    3,
    lambda epoch: epoch.val_loss,
    ("validation loss",),
    {"lower": "lower", "same": "about the same", "higher": "higher"},
    counts_images=False,
)
