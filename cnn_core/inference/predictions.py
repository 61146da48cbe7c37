"""Predictions for many images: the rows of a table, and a summary that stays small for any number of them.

In: ImagePredictions, and UnreadFiles. Out: cells for a CSV file; counts by class, and the first and the least confident predictions.

Columns: file (its path below the folder), predicted, probability (0..1, calibrated if the run is), verdict, folder_class (the class after
which the nearest folder above it is named); threshold, is_sure, distance and is_unlike_training (see `inference.verdict`); then the
probability of every class or, with more than ALL_CLASSES classes, the TOP most probable ones; problem (why a file has no prediction). Numbers
have six significant digits; what is absent is an empty cell.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cnn_core.inference.verdict import Verdict

ALL_CLASSES, TOP = 20, 3
JUDGED = ("threshold", "is_sure", "distance", "is_unlike_training")  # columns that are fields of a Verdict
SHOWN = 48  # images stored for display: the first ones and, as many again, the least confident ones
LISTED = 200  # most files without a prediction that are listed
FIRST = ("file", "predicted", "probability", "verdict", "folder_class", *JUDGED)


@dataclass(frozen=True)
class ImagePrediction:
    """`pixels`: the preprocessed image, uint8 (S, S, C). `probabilities`: (classes,) float32. `label`: the class after which a folder above
    the file is named, None without one.
    """

    file: str
    pixels: np.ndarray
    probabilities: np.ndarray
    verdict: Verdict
    label: int | None

    @property
    def predicted(self) -> int:
        return int(self.probabilities.argmax())

    @property
    def probability(self) -> float:
        return float(self.probabilities[self.predicted])


@dataclass(frozen=True)
class UnreadFile:
    """A file without a prediction, and the reason."""

    file: str
    problem: str


def column_names(classes: Sequence[str]) -> list[str]:
    """Return the names of the columns."""
    if len(classes) <= ALL_CLASSES:
        return [*FIRST, *(f"probability of {name}" for name in classes), "problem"]
    ranks = [name for rank in range(1, TOP + 1) for name in (f"class_{rank}", f"probability_{rank}")]
    return [*FIRST, *ranks, "problem"]


def to_row(result: ImagePrediction | UnreadFile, classes: Sequence[str]) -> list[Any]:
    """Return the cells of one file."""
    if isinstance(result, UnreadFile):
        return [result.file, *[""] * (len(column_names(classes)) - 2), result.problem]
    first = [result.file, classes[result.predicted], _number(result.probability), result.verdict.word]
    fields = result.verdict.fields()
    judged = [_cell(fields[name]) for name in JUDGED]
    return [
        *first,
        "" if result.label is None else classes[result.label],
        *judged,
        *_class_cells(result.probabilities, classes),
        "",
    ]


def _cell(value: float | bool | str | None) -> Any:
    """Return a field as a cell: true and false as in JSON, empty for None."""
    if isinstance(value, bool):
        return str(value).lower()
    return _number(value) if isinstance(value, float) else value or ""


def _class_cells(probabilities: np.ndarray, classes: Sequence[str]) -> list[Any]:
    if len(classes) <= ALL_CLASSES:
        return [_number(probability) for probability in probabilities.tolist()]
    ranked = np.argsort(-probabilities, kind="stable")[:TOP]
    return [cell for label in ranked for cell in (classes[label], _number(float(probabilities[label])))]


def _number(value: float) -> float:
    return float(f"{value:.6g}")


@dataclass
class PredictionSummary:
    """A summary of all predictions. `predicted`: images by predicted class, (classes,) int64. `unsure`, `unlike`: how many of them are
    not sure, and unlike the training images; None without a threshold, or where they were not compared.

    `in_folders`, `right`: images in a folder named after a class, and those of them with that prediction. `first`: the first SHOWN ones.
    `unread`: files without a prediction. `problems`: the first LISTED ones of these.
    """

    classes: tuple[str, ...]
    predicted: np.ndarray = field(init=False)
    unsure: int | None = None
    unlike: int | None = None
    unread: int = 0
    in_folders: int = 0
    right: int = 0
    first: list[ImagePrediction] = field(default_factory=list)
    problems: list[UnreadFile] = field(default_factory=list)
    _least_sure: list[tuple[float, int, ImagePrediction]] = field(default_factory=list)  # a heap, the most confident in front

    def __post_init__(self) -> None:
        self.predicted = np.zeros(len(self.classes), np.int64)

    @property
    def answered(self) -> int:
        return int(self.predicted.sum())

    @property
    def accuracy(self) -> float | None:
        """The accuracy (0..1) for images in folders named after a class; None without any."""
        return self.right / self.in_folders if self.in_folders else None

    @property
    def least_sure(self) -> list[ImagePrediction]:
        """The SHOWN least confident predictions, least confident first; equal ones in the order of the files."""
        return [prediction for _, _, prediction in sorted(self._least_sure, reverse=True)]

    def add(self, result: ImagePrediction | UnreadFile) -> None:
        if isinstance(result, UnreadFile):
            self.unread += 1
            if len(self.problems) < LISTED:
                self.problems.append(result)
            return
        number = self.answered
        self.predicted[result.predicted] += 1
        self.unsure = _count(self.unsure, result.verdict.is_sure, False)
        self.unlike = _count(self.unlike, result.verdict.is_unlike, True)
        self.in_folders += result.label is not None
        self.right += result.label == result.predicted
        if len(self.first) < SHOWN:
            self.first.append(_with_copied_arrays(result))
        key = (-result.probability, -number)
        if len(self._least_sure) < SHOWN:
            heapq.heappush(self._least_sure, (*key, _with_copied_arrays(result)))
        elif key > self._least_sure[0][:2]:
            heapq.heapreplace(self._least_sure, (*key, _with_copied_arrays(result)))


def _count(count: int | None, value: bool | None, counted: bool) -> int | None:
    """Return the count, one more if `value` is the `counted` one; None as long as no value is known."""
    return count if value is None else (count or 0) + (value is counted)


def _with_copied_arrays(result: ImagePrediction) -> ImagePrediction:
    """Return a copy with its own arrays: slices of a batch would keep the whole batch in memory."""
    return replace(result, pixels=result.pixels.copy(), probabilities=result.probabilities.copy())
