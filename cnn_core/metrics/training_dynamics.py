"""Training dynamics: in which epochs each image was classified correctly (M. Toneva and others, 2019, "An Empirical Study of Example
Forgetting during Deep Neural Network Learning").

In: for each epoch, which training images were correct during it, and which validation images after it. Out: a small file per epoch in the run's
`learning/`, and TrainingDynamics read from them: when each image was learned, and how often it was forgotten.
"""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.data.source import Split
from cnn_core.errors import RunError
from cnn_core.files import write_atomically
from cnn_core.home import TRAINING_DYNAMICS

TRACKED_SPLITS: tuple[Split, ...] = ("train", "val")
NEVER = 0  # stands for the first correct epoch of an image that was never correct
REMEDY = "Train a new run to record it."
NOT_TRACKED = "Test images are evaluated only at the end of a run, so they have no training dynamics. Choose the training or validation split."
DATA_CHANGED = (
    "The data of run {run} was changed after training, so its training dynamics belong to other images. "
    "Undo the corrections, or train a new run."
)
NO_DYNAMICS = f"Run {{run}} has no training dynamics: it ended in its first epoch, or was trained by an earlier version. {REMEDY}"
EPOCH_LEFT_OUT = "Epoch {epoch} is left out: its file is missing or damaged."
EPOCHS_LEFT_OUT = "Epochs {epochs} are left out: their files are missing or damaged."


@dataclass(frozen=True, eq=False)
class TrainingDynamics:
    """`packed` (E, ceil(N / 8)) uint8: for each of the recorded `epochs`, ascending, a bit per image as by `np.packbits`, 1 if it was correct.

    `count`: N images. `notes`: a sentence on epochs that are missing.
    """

    epochs: tuple[int, ...]
    packed: np.ndarray
    count: int
    notes: tuple[str, ...] = ()

    def is_correct(self, position: int) -> np.ndarray:
        """Whether each image was correct in epochs[position], (N,) bool."""
        return np.unpackbits(self.packed[position], count=self.count).astype(bool)

    def image_history(self, index: int) -> np.ndarray:
        """Whether image `index` was correct in each recorded epoch, (E,) bool."""
        return np.asarray(self.packed[:, index // 8] >> (7 - index % 8) & 1, bool)

    @cached_property
    def first_correct_epoch(self) -> np.ndarray:
        """The epoch in which each image was first correct, (N,) int64; NEVER if it never was."""
        first = np.full(self.count, NEVER)
        for position in reversed(range(len(self.epochs))):
            first[self.is_correct(position)] = self.epochs[position]
        return first

    @cached_property
    def forgetting_events(self) -> np.ndarray:
        """How often each image changed from correct to wrong between two recorded epochs, (N,) int64."""
        events, before = np.zeros(self.count, np.int64), self.is_correct(0)
        for position in range(1, len(self.epochs)):
            now = self.is_correct(position)
            events += before & ~now
            before = now
        return events

    @property
    def is_never_learned(self) -> np.ndarray:
        """Whether each image was wrong in all epochs, (N,) bool."""
        return np.asarray(self.first_correct_epoch == NEVER)

    @property
    def is_unforgettable(self) -> np.ndarray:
        """Whether each image was learned and never forgotten, (N,) bool."""
        return np.asarray(~self.is_never_learned & (self.forgetting_events == 0))

    @property
    def is_correct_at_end(self) -> np.ndarray:
        """Whether each image was correct in the last recorded epoch, (N,) bool."""
        return self.is_correct(len(self.epochs) - 1)

    @cached_property
    def learned_by(self) -> np.ndarray:
        """How many images had been correct at least once by each recorded epoch, (E,) int64."""
        learned = np.sort(self.first_correct_epoch[~self.is_never_learned])
        return np.asarray(np.searchsorted(learned, self.epochs, side="right"))

    @cached_property
    def correct_per_epoch(self) -> np.ndarray:
        """How many images were correct in each recorded epoch, (E,) int64."""
        return np.array([int(self.is_correct(position).sum()) for position in range(len(self.epochs))])


def most_often_forgotten(history: TrainingDynamics) -> np.ndarray:
    """Return the indices of images that were forgotten at least once, most often first, (n,) int64."""
    order = np.argsort(-history.forgetting_events, kind="stable")
    return order[: np.count_nonzero(history.forgetting_events)]


def learned_first(history: TrainingDynamics) -> np.ndarray:
    """Return the indices of images that were learned and never forgotten, earliest first, (n,) int64."""
    unforgettable = np.flatnonzero(history.is_unforgettable)
    return unforgettable[np.argsort(history.first_correct_epoch[unforgettable], kind="stable")]


def learned_last(history: TrainingDynamics) -> np.ndarray:
    """Return the indices of images that were correct at least once, latest first, (n,) int64."""
    learned = np.flatnonzero(~history.is_never_learned)
    return learned[np.argsort(-history.first_correct_epoch[learned], kind="stable")]


def save_dynamics(folder: Path, epoch: int, is_correct: dict[Split, np.ndarray], fingerprint: str) -> None:
    """Save which images were correct in `epoch`: for each of TRACKED_SPLITS (N,) bool, in the order of the split. Raises OSError."""
    bits: dict[str, np.ndarray] = {split: np.packbits(is_correct[split]) for split in TRACKED_SPLITS}
    counts = {f"{split}_count": len(is_correct[split]) for split in TRACKED_SPLITS}
    arrays: dict[str, Any] = {"fingerprint": fingerprint, **bits, **counts}
    (folder / TRAINING_DYNAMICS).mkdir(exist_ok=True)
    write_atomically(_file(folder, epoch), lambda file: np.savez(file, **arrays))


def read_dynamics(folder: Path, split: Split, count: int, fingerprint: str, done: int = 0) -> TrainingDynamics:
    """Return the dynamics of the `count` images of `split` of the run in `folder`, which has completed `done` epochs.

    Raises RunError if nothing was recorded, or only for other images: `fingerprint` is that of the data as it is now.
    """
    if split not in TRACKED_SPLITS:
        raise RunError(NOT_TRACKED)
    recorded, packed, mismatched = [], [], 0
    for epoch in _epochs(folder):
        entry = _read(folder, epoch, split)
        if entry and entry[:2] == (fingerprint, count):
            recorded.append(epoch)
            packed.append(entry[2])
        mismatched += entry is not None and entry[:2] != (fingerprint, count)
    if mismatched:
        raise RunError(DATA_CHANGED.format(run=folder.name))
    if not recorded:
        raise RunError(NO_DYNAMICS.format(run=folder.name))
    return TrainingDynamics(tuple(recorded), np.stack(packed), count, _notes(recorded, max(done, recorded[-1])))


def drop_dynamics_after(folder: Path, epoch: int) -> None:
    """Delete the dynamics of epochs after `epoch`, which are trained again."""
    for number in _epochs(folder):
        if number > epoch:
            _file(folder, number).unlink(missing_ok=True)


def copy_dynamics(source: Path, folder: Path, epoch: int) -> None:
    """Copy the dynamics of the run in `source` up to `epoch` to the run in `folder`. Raises OSError."""
    for number in _epochs(source):
        if number <= epoch:
            (folder / TRAINING_DYNAMICS).mkdir(exist_ok=True)
            shutil.copyfile(_file(source, number), _file(folder, number))


def _notes(recorded: list[int], done: int) -> tuple[str, ...]:
    """Return a sentence on the epochs that are missing, if any."""
    missing = sorted(set(range(1, done + 1)) - set(recorded))
    if not missing:
        return ()
    numbers = ", ".join(map(str, missing[:10])) + (" and others" if len(missing) > 10 else "")
    if len(missing) == 1:
        return (EPOCH_LEFT_OUT.format(epoch=numbers),)
    return (EPOCHS_LEFT_OUT.format(epochs=numbers),)


def _file(folder: Path, epoch: int) -> Path:
    return folder / TRAINING_DYNAMICS / f"{epoch:04d}.npz"


def _epochs(folder: Path) -> list[int]:
    """Return the epochs that have a file, in order."""
    return sorted(int(path.stem) for path in (folder / TRAINING_DYNAMICS).glob("[0-9]*.npz") if path.stem.isdecimal())


def _read(folder: Path, epoch: int, split: Split) -> tuple[str, int, np.ndarray] | None:
    """Return fingerprint, number of images and their packed bits, or None if the file is damaged."""
    try:
        with np.load(_file(folder, epoch), allow_pickle=False) as file:
            fingerprint, count, packed = str(file["fingerprint"]), int(file[f"{split}_count"]), file[split]
    except Exception:  # a damaged file may raise anything
        return None
    return (fingerprint, count, packed) if packed.dtype == np.uint8 and packed.shape == (-(-count // 8),) else None
