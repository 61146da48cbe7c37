"""Histories for the tests of diagnostics: events of healthy and of broken runs, and the findings in them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnn_core.config.changes import change_config
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.suggestions import with_changes
from cnn_core.events import Epoch, Event, Started, Steps
from cnn_core.runs.diagnostics import diagnose
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.finding import Finding
from cnn_core.runs.history import History
from tests.helpers import is_a_sentence

CLASSES = tuple("abcdefghij")


PER_EPOCH = 20


CONFIG = make_config(data="cifar10", epochs=12)


def started(epochs: int = 12, val: int = 5000, counts: Sequence[int] = (4500,) * 10) -> Started:
    names = CLASSES[: len(counts)]
    return Started(506_154, "CPU", sum(counts), val, 1000, PER_EPOCH, epochs, classes=names, class_counts=tuple(counts))


def steps(first: int, losses: Sequence[float], *, rate: float = 0.001, norms: Sequence[float] = ()) -> list[Steps]:
    """Steps first, first + 1, …: a report for each where there are `norms`, else one for all."""
    every = 1 if len(norms) else len(losses)
    return [
        Steps(1, at + every - 1, 64 * at, tuple(losses[at - first : at - first + every]), (0.5,) * every, rate, 1.0, 1.0, 1.0, 1.0, norm)
        for at, norm in zip(range(first, first + len(losses), every), norms or [None], strict=True)
    ]  # fmt: skip


def falling(count: int, end: float = 0.5, start: float = math.log(10), noise: float = 0.05) -> list[float]:
    """Losses as of a healthy training, from `start` to `end`."""
    decay = np.exp(-5 * np.arange(count) / count)
    return (end + (start - end) * decay + noise * np.random.default_rng(0).standard_normal(count)).clip(0.001).tolist()


def epochs(
    val_accuracy: Sequence[float],
    *,
    val_loss: Sequence[float] | None = None,
    train_loss: Sequence[float] | None = None,
    train_accuracy: float = 0.7,
    **more: Any,
) -> list[Epoch]:
    count, best, made = len(val_accuracy), -1.0, []
    val_loss = val_loss or [2.0 / (1 + number) for number in range(count)]
    train_loss = train_loss or [2.0 / (1 + number) for number in range(count)]
    for number, accuracy in enumerate(val_accuracy):
        figures = (train_loss[number], train_accuracy, val_loss[number], accuracy)
        made.append(Epoch(number + 1, PER_EPOCH * (number + 1), *figures, accuracy > best, 1.0, 1.0, **more))
        best = max(best, accuracy)
    return made


def history_of(*events: Event) -> History:
    history = History()
    history.add([StoredEvent(seq, event) for seq, event in enumerate(events, start=1)])
    return history


def rules(history: History, config: TrainConfig = CONFIG, error: str = "") -> list[str]:
    return [finding.rule for finding in diagnose(history, config, error)]


def only(history: History, config: TrainConfig = CONFIG, error: str = "") -> Finding:
    """The one finding; its sentences read as such, and the run can be started with what it changes."""
    (finding,) = diagnose(history, config, error)
    assert is_a_sentence(finding.observation) and is_a_sentence(finding.remedy)
    assert with_changes(config, finding.changes) == change_config(config, finding.changes, TrainConfig.model_fields)
    return finding


RISING = [0.40, 0.52, 0.60, 0.66, 0.70, 0.73, 0.75, 0.765, 0.775, 0.78, 0.782, 0.783]


FLAT = [0.5, 0.6, 0.65, *[0.70, 0.702, 0.698, 0.701, 0.699] * 2]


CONSTANT = make_config(data="cifar10", schedule="constant", epochs=13)


def overfitted(rise: float, train_end: float) -> list[Epoch]:
    val_loss = [1.5, 1.1, 0.9, 0.8, 0.75, 0.72, 0.70, *(0.70 + rise * np.arange(1, 6))]
    train_loss = [1.6, 1.2, 1.0, 0.9, 0.8, 0.7, 0.6, *np.linspace(0.55, train_end, 5)]
    return epochs(RISING, val_loss=val_loss, train_loss=train_loss)
