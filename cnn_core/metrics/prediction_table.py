"""Predictions as a CSV table. In: an Evaluation and the images' file names. Out: CSV with a row for each image.

Columns: index (position in the split, from 0, as everywhere in the dashboard), image (its file in the data set), true, predicted,
is_right, loss (cross-entropy, nats), probability_of_predicted, probability_of_true; then the probability of each class or, for more than
MOST_CLASSES classes, the TOP most probable classes with theirs. Numbers have six significant digits; NaN is left empty.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any, BinaryIO

import numpy as np

from cnn_core.events import Progress
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.tables import csv_table

COLUMNS = ("index", "image", "true", "predicted", "is_right", "loss", "probability_of_predicted", "probability_of_true")
MOST_CLASSES, TOP = 20, 5
BLOCK = 2_000  # images between two Progress events
FileNames = Callable[[np.ndarray], list[str]]  # indices (n,) int64 of an evaluation's images -> their files


def write_predictions(evaluation: Evaluation, names: FileNames, file: BinaryIO) -> Generator[Progress, None, None]:
    """Write a row for each image to `file`, in the evaluation's order. Yields Progress."""
    has_all = len(evaluation.classes) <= MOST_CLASSES
    with csv_table(file) as write:
        write([*COLUMNS, *(_class_columns(evaluation.classes) if has_all else _top_columns())])
        for start in range(0, len(evaluation), BLOCK):
            yield Progress("Writing predictions", start, len(evaluation))
            indices = np.arange(start, min(start + BLOCK, len(evaluation)))
            for row in _rows(evaluation, indices, names(indices), has_all=has_all):
                write(row)


def _class_columns(classes: tuple[str, ...]) -> list[str]:
    return [f"probability of {name}" for name in classes]


def _top_columns() -> list[str]:
    return [title for rank in range(1, TOP + 1) for title in (f"class_{rank}", f"probability_{rank}")]


def _rows(evaluation: Evaluation, indices: np.ndarray, names: list[str], *, has_all: bool) -> Iterator[list[Any]]:
    """Yield a row for each of the images at `indices` (n,), whose files are `names`."""
    classes, scores = evaluation.classes, evaluation.scores
    probabilities = evaluation.probabilities(indices)
    columns = [getattr(scores, name)[indices].tolist() for name in ("predicted", "loss", "confidence", "true_probability")]
    labels = evaluation.labels[indices].tolist()
    for index, name, true, predicted, loss, confidence, of_true, row in zip(
        indices.tolist(), names, labels, *columns, probabilities, strict=True
    ):
        numbers = map(_number, (loss, confidence, of_true))
        yield [
            index,
            name,
            classes[true],
            classes[predicted],
            predicted == true,
            *numbers,
            *(map(_number, row.tolist()) if has_all else _most_probable(row, classes)),
        ]


def _most_probable(probabilities: np.ndarray, classes: tuple[str, ...]) -> list[Any]:
    """Return class and probability of the TOP classes of one image, whose probabilities are (classes,)."""
    ranked = np.argsort(-probabilities, kind="stable")[:TOP]
    return [value for label in ranked for value in (classes[label], _number(float(probabilities[label])))]


def _number(value: float) -> float | str:
    return float(f"{value:.6g}") if np.isfinite(value) else ""
