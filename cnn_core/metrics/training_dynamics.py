"""An image's learning history: in which epochs of a run it was classified right (M. Toneva and others, 2019, "An Empirical Study of Example
Forgetting during Deep Neural Network Learning").

In: after every epoch, which training images were right when they were shown in it, and which validation images after it. Out: one small
file an epoch in the run's `learning/`, and a History read from them: when an image was learned, and how often it was forgotten again.
"""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cnn_core.data.source import Part
from cnn_core.errors import RunError
from cnn_core.files import write_atomically
from cnn_core.home import LEARNING

PARTS: tuple[Part, ...] = ("train", "val")
NEVER = 0  # the epoch in which an image was first right that never was
REMEDY = "Train a new run to have it."


@dataclass(frozen=True, eq=False)
class TrainingDynamics:
    """`packed` (E, ceil(N / 8)) uint8: for each of the known `epochs`, ascending, one bit an image, 1 where it was right, as `np.packbits`
    has them. `count`: N images. `notes`: a sentence on epochs that are not known."""

    epochs: tuple[int, ...]
    packed: np.ndarray
    count: int
    notes: tuple[str, ...] = ()

    def is_right(self, place: int) -> np.ndarray:
        """Of every image in the known epoch at `place` of `epochs`, (N,) bool."""
        return np.unpackbits(self.packed[place], count=self.count).astype(bool)

    def of_image(self, index: int) -> np.ndarray:
        """Whether image `index` was right in each of the known epochs, (E,) bool."""
        return (self.packed[:, index // 8] >> (7 - index % 8) & 1).astype(bool)

    @cached_property
    def first_right(self) -> np.ndarray:
        """The epoch in which every image was right for the first time, (N,) int64; NEVER for one that never was."""
        first = np.full(self.count, NEVER)
        for place in reversed(range(len(self.epochs))):
            first[self.is_right(place)] = self.epochs[place]
        return first

    @cached_property
    def forgotten(self) -> np.ndarray:
        """How often every image went from right to wrong between two known epochs, (N,) int64: the paper's forgetting events."""
        times, before = np.zeros(self.count, np.int64), self.is_right(0)
        for place in range(1, len(self.epochs)):
            now = self.is_right(place)
            times += before & ~now
            before = now
        return times

    @property
    def is_never_learned(self) -> np.ndarray:
        """(N,) bool."""
        return self.first_right == NEVER

    @property
    def is_unforgettable(self) -> np.ndarray:
        """Learned once and never wrong again, (N,) bool."""
        return ~self.is_never_learned & (self.forgotten == 0)

    @property
    def is_right_at_end(self) -> np.ndarray:
        """(N,) bool."""
        return self.is_right(len(self.epochs) - 1)

    @cached_property
    def learned_by(self) -> np.ndarray:
        """How many images had been right at least once by each of the known epochs, (E,) int64."""
        return np.searchsorted(np.sort(self.first_right[~self.is_never_learned]), self.epochs, side="right")

    @cached_property
    def right_in(self) -> np.ndarray:
        """How many images were right in each of the known epochs, (E,) int64."""
        return np.array([int(self.is_right(place).sum()) for place in range(len(self.epochs))])


def forgotten_often(history: TrainingDynamics) -> np.ndarray:
    """Indices of the images that were forgotten at least once, most often first, (n,) int64."""
    order = np.argsort(-history.forgotten, kind="stable")
    return order[: np.count_nonzero(history.forgotten)]


def learned_first(history: TrainingDynamics) -> np.ndarray:
    """Indices of the images that were learned and never forgotten, the earliest first, (n,) int64."""
    kept = np.flatnonzero(history.is_unforgettable)
    return kept[np.argsort(history.first_right[kept], kind="stable")]


def learned_last(history: TrainingDynamics) -> np.ndarray:
    """Indices of the images that were right at least once, the last ones to be so first, (n,) int64."""
    learned = np.flatnonzero(~history.is_never_learned)
    return learned[np.argsort(-history.first_right[learned], kind="stable")]


def save_dynamics(folder: Path, epoch: int, is_right: dict[Part, np.ndarray], fingerprint: str) -> None:
    """Write down which images were right in `epoch`: for each of PARTS (N,) bool, in the order of the part. Raises OSError."""
    columns = {part: np.packbits(is_right[part]) for part in PARTS} | {f"{part}_count": len(is_right[part]) for part in PARTS}
    (folder / LEARNING).mkdir(exist_ok=True)
    write_atomically(_file(folder, epoch), lambda file: np.savez(file, fingerprint=fingerprint, **columns))


def read_dynamics(folder: Path, part: Part, count: int, fingerprint: str, done: int = 0) -> TrainingDynamics:
    """The history of the `count` images of `part` of the run in `folder`, which has `done` epochs behind it.

    Raises RunError when nothing was recorded, or not of these images: `fingerprint` is that of the data as it is now.
    """
    if part not in PARTS:
        raise RunError(
            "A run looks at its test images once, when it is done, so they have no history. Choose training or validation images."
        )
    known, packed, of_others = [], [], 0
    for epoch in _epochs(folder):
        found = _read(folder, epoch, part)
        if found and found[:2] == (fingerprint, count):
            known.append(epoch)
            packed.append(found[2])
        of_others += found is not None and found[:2] != (fingerprint, count)
    if of_others:
        raise RunError(
            f"The data of run {folder.name} was changed after it was trained, so what it learned when is of other images than there are now. "
            "Undo the corrections, or train a new run."
        )
    if not known:
        raise RunError(
            f"Of run {folder.name} it is not known which images it had right when: it ended in its first epoch, or was trained before that was "
            f"written down. {REMEDY}"
        )
    return TrainingDynamics(tuple(known), np.stack(packed), count, _notes(known, max(done, known[-1])))


def drop_dynamics_after(folder: Path, epoch: int) -> None:
    """Remove what is known of epochs after `epoch`: they are trained again."""
    for number in _epochs(folder):
        if number > epoch:
            _file(folder, number).unlink(missing_ok=True)


def copy_dynamics(source: Path, folder: Path, epoch: int) -> None:
    """Give the run in `folder` the history of the one in `source` up to `epoch`. Raises OSError."""
    for number in _epochs(source):
        if number <= epoch:
            (folder / LEARNING).mkdir(exist_ok=True)
            shutil.copyfile(_file(source, number), _file(folder, number))


def _notes(known: list[int], done: int) -> tuple[str, ...]:
    missing = sorted(set(range(1, done + 1)) - set(known))
    if not missing:
        return ()
    told = ", ".join(map(str, missing[:10])) + (" and others" if len(missing) > 10 else "")
    one = len(missing) == 1
    return (
        f"Epoch{'' if one else 's'} {told} {'is' if one else 'are'} left out: {'its file is' if one else 'their files are'} missing or damaged.",
    )


def _file(folder: Path, epoch: int) -> Path:
    return folder / LEARNING / f"{epoch:04d}.npz"


def _epochs(folder: Path) -> list[int]:
    """The epochs of which there is a file, in order."""
    return sorted(int(path.stem) for path in (folder / LEARNING).glob("[0-9]*.npz") if path.stem.isdecimal())


def _read(folder: Path, epoch: int, part: Part) -> tuple[str, int, np.ndarray] | None:
    """Fingerprint, count of images and their packed bits, or None where the file is damaged."""
    try:
        with np.load(_file(folder, epoch), allow_pickle=False) as kept:
            fingerprint, count, packed = str(kept["fingerprint"]), int(kept[f"{part}_count"]), kept[part]
    except Exception:  # what reading a damaged file raises is anybody's guess
        return None
    return (fingerprint, count, packed) if packed.dtype == np.uint8 and packed.shape == (-(-count // 8),) else None
