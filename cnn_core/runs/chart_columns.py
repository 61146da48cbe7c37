"""Columns and values of the live chart's payloads. In: points, epochs, changes of settings. Out: plain values for JSON.

Importing this module does not import torch.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_core.config.schema import title
from cnn_core.events import Changed, Epoch, StageStarted
from cnn_core.runs.curve import Points
from cnn_core.text import counted

UNCHARTED = ("predicted", "is_settled")  # for the diagnostics only
TRAINED_LAYERS = {"head": "Head only", "blocks": "Head and last blocks", "all": "All"}
MAX_CLASSES = 20  # with an accuracy curve of their own


def column(x: NDArray[Any], y: NDArray[Any]) -> dict[str, list[float]]:
    """Return a curve with values rounded to five decimals."""
    return {"x": x.astype(np.int64).tolist(), "y": y.round(5).tolist()}


def mean_column(means: Points | None) -> dict[str, list[float]] | None:
    """Return the means of a curve as `column` does; None without means."""
    return column(*means) if means else None


def report_column(x: NDArray[Any], y: NDArray[Any]) -> dict[str, list[float]]:
    """Return the values of reports with four significant digits."""
    return {"x": x.astype(np.int64).tolist(), "y": [float(f"{value:.4g}") for value in y]}


def describe_change(change: Changed) -> str:
    """Return a change as text: "Learning rate 0.001, epochs 30"."""
    texts = [f"{title(name).lower()} {value}" for name, value in change.settings.items()]
    return ", ".join(texts).capitalize()


def describe_trained(stage: StageStarted) -> dict[str, str]:
    """Return which layers learn as text, and the stage with its number of learning parameters: "Head", "stage 1 of 2, 2,562 of 3,373,570 parameters"."""
    number = f"stage {stage.number} of {stage.count}, " if stage.count > 1 else ""
    detail = f"{number}{stage.learning:,} of {counted(stage.parameters, 'parameter')}"
    return {"text": TRAINED_LAYERS.get(stage.trained, stage.trained.capitalize()), "detail": detail}


def epoch_values(epoch: Epoch) -> dict[str, Any]:
    """Return the epoch for a chart; class accuracies only for up to MAX_CLASSES classes, since more lines are indistinguishable."""
    values = {name: value for name, value in asdict(epoch).items() if name not in UNCHARTED}
    return values if len(epoch.class_accuracy) <= MAX_CLASSES else values | {"class_accuracy": ()}
