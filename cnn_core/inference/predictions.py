"""What a network said of many pictures: the rows of a table, and a tally of them that stays small however many there are.

In: Answers, and an Unread for what could not be read. Out: cells for a CSV file; counts by class, and the first and the least sure few.

Columns: file (its path below the folder), predicted, probability (0..1, calibrated where the run is), verdict (SURE, or UNSURE below the run's
threshold; empty where none was set), folder_class (the class that the nearest folder above it is named like); then every class's probability, or, of more than
ALL_CLASSES classes, the TOP most probable ones with theirs; problem (why a file has no answer). Numbers have six significant digits.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SURE, UNSURE = "sure", "I don't know"
VERDICTS = {True: SURE, False: UNSURE, None: ""}
ALL_CLASSES, TOP = 20, 3
SHOWN = 48  # pictures that are kept to be looked at, of each kind
LISTED = 200  # files without an answer that are kept by name
FIRST = ("file", "predicted", "probability", "verdict", "folder_class")


@dataclass(frozen=True)
class ImagePrediction:
    """One picture's: `pixels` is what the network received, uint8 (S, S, C), `probabilities` (classes,) float32. `label`: the class
    that a folder above it is named like, None without one. `is_sure`: None where the run has no threshold to be sure by."""

    file: str
    pixels: np.ndarray
    probabilities: np.ndarray
    is_sure: bool | None
    label: int | None

    @property
    def predicted(self) -> int:
        return int(self.probabilities.argmax())

    @property
    def probability(self) -> float:
        return float(self.probabilities[self.predicted])


@dataclass(frozen=True)
class UnreadFile:
    """A file without an answer, and a sentence that says why."""

    file: str
    problem: str


def columns(classes: Sequence[str]) -> list[str]:
    """The titles of the columns."""
    has_all = len(classes) <= ALL_CLASSES
    places = [title for place in range(1, TOP + 1) for title in (f"class_{place}", f"probability_{place}")]
    return [*FIRST, *([f"probability of {name}" for name in classes] if has_all else places), "problem"]


def to_row(one: ImagePrediction | UnreadFile, classes: Sequence[str]) -> list[Any]:
    """The cells of one file."""
    if isinstance(one, UnreadFile):
        return [one.file, *[""] * (len(columns(classes)) - 2), one.problem]
    own = [one.file, classes[one.predicted], _number(one.probability), VERDICTS[one.is_sure]]
    return [*own, "" if one.label is None else classes[one.label], *_shares(one.probabilities, classes), ""]


def _shares(probabilities: np.ndarray, classes: Sequence[str]) -> list[Any]:
    if len(classes) <= ALL_CLASSES:
        return [_number(share) for share in probabilities.tolist()]
    ranked = np.argsort(-probabilities, kind="stable")[:TOP]
    return [cell for label in ranked for cell in (classes[label], _number(float(probabilities[label])))]


def _number(value: float) -> float:
    return float(f"{value:.6g}")


@dataclass
class Tally:
    """What is remembered of all answers. `predicted`: pictures by the class they were taken for, (classes,) int64.

    `in_folders`, `right`: how many lie in a folder named like a class, and how many of those were taken for it. `first`: the SHOWN first ones.
    """

    classes: tuple[str, ...]
    predicted: np.ndarray = field(init=False)
    unsure: int = 0
    unread: int = 0
    in_folders: int = 0
    right: int = 0
    first: list[ImagePrediction] = field(default_factory=list)
    problems: list[UnreadFile] = field(default_factory=list)
    _doubtful: list[tuple[float, int, ImagePrediction]] = field(default_factory=list)  # a heap, the surest of them in front

    def __post_init__(self) -> None:
        self.predicted = np.zeros(len(self.classes), np.int64)

    @property
    def answered(self) -> int:
        return int(self.predicted.sum())

    @property
    def accuracy(self) -> float | None:
        """The share (0..1) of the pictures in folders named like a class that were taken for it; None without any."""
        return self.right / self.in_folders if self.in_folders else None

    @property
    def least_sure(self) -> list[ImagePrediction]:
        """The SHOWN pictures whose predicted class is least probable, the least probable first; of equal ones the first stays first."""
        return [answer for _, _, answer in sorted(self._doubtful, reverse=True)]

    def add(self, one: ImagePrediction | UnreadFile) -> None:
        if isinstance(one, UnreadFile):
            self.unread += 1
            if len(self.problems) < LISTED:
                self.problems.append(one)
            return
        number = self.answered
        self.predicted[one.predicted] += 1
        self.unsure += one.is_sure is False
        self.in_folders += one.label is not None
        self.right += one.label == one.predicted
        if len(self.first) < SHOWN:
            self.first.append(_own(one))
        doubt = (-one.probability, -number)
        if len(self._doubtful) < SHOWN:
            heapq.heappush(self._doubtful, (*doubt, _own(one)))
        elif doubt > self._doubtful[0][:2]:
            heapq.heapreplace(self._doubtful, (*doubt, _own(one)))


def _own(answer: ImagePrediction) -> ImagePrediction:
    """The same with arrays of its own: a part of a batch's would keep all of it in memory."""
    return ImagePrediction(answer.file, answer.pixels.copy(), answer.probabilities.copy(), answer.is_sure, answer.label)
