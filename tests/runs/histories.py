"""Events and histories for the tests of histories."""

import numpy as np

from cnn_core.events import Epoch, Event, Progress, Started, Steps
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History

STARTED = Started(
    parameters=506_154, device="CPU, 2 threads", train_count=900, val_count=100, test_count=200, steps_per_epoch=10, epochs=5
)


def steps(last: int, count: int, *, epoch: int = 1, rng: np.random.Generator | None = None, size: int = 64) -> Steps:
    """A report of the `count` steps up to step `last`, which took 10 ms each, and 1 ms each beside training."""
    draw = rng or np.random.default_rng(last)
    return Steps(
        epoch=epoch,
        step=last,
        images=last * size,
        loss=tuple(draw.random(count) * 3),
        accuracy=tuple(draw.integers(0, 65, count) / 64),
        learning_rate=0.001,
        images_per_second=size / 0.01,
        train_seconds=last * 0.01,
        seconds=last * 0.011,
        at=1_700_000_000 + last * 0.011,
    )


def epoch(number: int, step: int, *, is_best: bool = True, val_accuracy: float = 0.5) -> Epoch:
    return Epoch(
        epoch=number,
        step=step,
        train_loss=1 / number,
        train_accuracy=0.123456789012345,
        val_loss=2 / number,
        val_accuracy=val_accuracy,
        is_best=is_best,
        train_seconds=step * 0.01,
        seconds=step * 0.011,
    )


def history_of(events: list[Event]) -> History:
    history = History()
    history.add([StoredEvent(seq, event) for seq, event in enumerate(events, start=1)])
    return history


def long_run(total: int, per_report: int, per_epoch: int) -> list[Event]:
    rng = np.random.default_rng(0)
    started = Started(506_154, "CPU, 2 threads", 50_000, 5_000, 10_000, per_epoch, total // per_epoch)
    events: list[Event] = [Progress("Reading images", 0, 1), started]
    for last in range(per_report, total + 1, per_report):
        events.append(steps(last, per_report, epoch=(last - 1) // per_epoch + 1, rng=rng))
        if last % per_epoch == 0:
            events.append(epoch(last // per_epoch, last, is_best=rng.random() < 0.5))
    return events


def envelope_the_slow_way(x: list[int], y: list[float], stretches: int) -> dict[int, tuple[float, float]]:
    """Lowest and highest y of every stretch: the x axis from first to last point, cut into equal stretches, point by point."""
    envelope: dict[int, tuple[float, float]] = {}
    for px, py in zip(x, y, strict=True):
        stretch = int((px - x[0]) * stretches // (x[-1] - x[0] + 1))
        low, high = envelope.get(stretch, (py, py))
        envelope[stretch] = (min(low, py), max(high, py))
    return envelope
