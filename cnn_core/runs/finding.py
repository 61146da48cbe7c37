"""What a diagnostic rule receives and what it reports. Importing this module does not import torch."""

from dataclasses import dataclass, field
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.events import Epoch, Started
from cnn_core.runs.history import History
from cnn_core.runs.signals import last_change_step


@dataclass(frozen=True)
class Finding:
    """What a rule reports. `rule`: its name; `observation`, `remedy`: sentences; `changes`: the settings that the remedy changes; `summary`: what
    they are together, where they are too many to be named one by one."""

    rule: str
    observation: str
    remedy: str
    changes: dict[str, Any] = field(default_factory=dict)
    summary: str = ""


@dataclass(frozen=True)
class DiagnosticCase:
    """The input of the rules: history, current settings, error message ("" for none).

    parent_epoch: the epochs up to this one belong to the parent run, whose settings may differ; 0 without a parent. test_accuracy: of the
    best model (0..1), where somebody has asked for it; None otherwise, since diagnostics must not reveal it. suits_pretrained: whether a
    pretrained network is recommended for the data set.
    """

    history: History
    config: TrainConfig
    error: str = ""
    parent_epoch: int = 0
    test_accuracy: float | None = None
    suits_pretrained: bool = False

    @property
    def started(self) -> Started | None:
        """The event with the facts of the data and the model."""
        return self.history.started

    @property
    def steps_after_warmup(self) -> float:
        """The steps until the last epoch without those of the warm-up; negative within it, 0 before the first epoch."""
        if not self.started or not self.history.epochs:
            return 0.0
        return self.history.epochs[-1].step - self.config.warmup * self.started.steps_per_epoch * self.started.epochs

    def comparable_since(self, *ignored: str) -> int:
        """Return the step after which the run's numbers can be compared: since then only settings in `ignored` were changed."""
        own = [epoch.step for epoch in self.history.epochs if epoch.epoch <= self.parent_epoch]
        return max(last_change_step(self.history, ignored), *own[-1:], 0)

    def epochs_since_change(self, *ignored: str) -> list[Epoch]:
        """Return the epochs that can be compared."""
        since = self.comparable_since(*ignored)
        return [epoch for epoch in self.history.epochs if epoch.step > since]
