"""What a network says of every image as a table for a spreadsheet. In: an Evaluation and the images' names. Out: CSV, a piece at a time.

Columns: index (the image's place in its part, from 0, as everywhere in the dashboard), image (its file in the data set), true, predicted,
is_right, loss (cross-entropy, nats), probability_of_predicted, probability_of_true; then every class's probability, or, of more than
ALL_CLASSES classes, the TOP most probable ones with theirs. Numbers have six significant digits; what is no number is left empty.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any, BinaryIO

import numpy as np

from cnn_core.events import Progress
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.tables import csv_table

FIRST = ("index", "image", "true", "predicted", "is_right", "loss", "probability_of_predicted", "probability_of_true")
ALL_CLASSES, TOP = 20, 5
PIECE = 2_000  # images between two signs of progress
Names = Callable[[np.ndarray], list[str]]  # indices (n,) int64 of an evaluation's images -> their files


def write_predictions(evaluation: Evaluation, names: Names, file: BinaryIO) -> Generator[Progress, None, None]:
    """Write one row for every image to `file`, in the evaluation's order."""
    has_all = len(evaluation.classes) <= ALL_CLASSES
    with csv_table(file) as write:
        write([*FIRST, *(_class_columns(evaluation.classes) if has_all else _top_columns())])
        for start in range(0, len(evaluation), PIECE):
            yield Progress("Writing predictions", start, len(evaluation))
            indices = np.arange(start, min(start + PIECE, len(evaluation)))
            for row in _rows(evaluation, indices, names(indices), has_all=has_all):
                write(row)


def _class_columns(classes: tuple[str, ...]) -> list[str]:
    return [f"probability of {name}" for name in classes]


def _top_columns() -> list[str]:
    return [title for place in range(1, TOP + 1) for title in (f"class_{place}", f"probability_{place}")]


def _rows(evaluation: Evaluation, indices: np.ndarray, names: list[str], *, has_all: bool) -> Iterator[list[Any]]:
    """A row for each of the images at `indices` (n,), whose files are `names`."""
    classes, scores = evaluation.classes, evaluation.scores
    shares = evaluation.probabilities(indices)
    columns = [getattr(scores, name)[indices].tolist() for name in ("predicted", "loss", "confidence", "truth")]
    labels = evaluation.labels[indices].tolist()
    for index, name, true, said, loss, confidence, truth, row in zip(
        indices.tolist(), names, labels, *columns, shares, strict=True
    ):
        own = [index, name, classes[true], classes[said], said == true, _number(loss), _number(confidence), _number(truth)]
        yield [*own, *(map(_number, row.tolist()) if has_all else _most_probable(row, classes))]


def _most_probable(shares: np.ndarray, classes: tuple[str, ...]) -> list[Any]:
    """Class and probability of the TOP classes of one image's shares (classes,)."""
    ranked = np.argsort(-shares, kind="stable")[:TOP]
    return [value for label in ranked for value in (classes[label], _number(float(shares[label])))]


def _number(value: float) -> float | str:
    return float(f"{value:.6g}") if np.isfinite(value) else ""
