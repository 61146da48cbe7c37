"""A run's probes: up to 16 images that the network is asked about after every epoch. In: images as it receives them. Out: `probes.npz`.

The file is in the run's folder, is replaced whole or not at all, and is checked when it is read; whoever pins or removes holds a lock
meanwhile. Importing this module does not import torch.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cnn_core.errors import RunError
from cnn_core.files import write_atomically
from cnn_core.home import PROBES
from cnn_core.locks import try_lock

MOST = 16
LARGEST_FILE = 16 * 2**20  # bytes; sixteen colour images of 224×224 take 2.4 MB
LARGEST_SIDE = 512  # pixels
LONGEST_LABEL = 80
ORIGINS = ("set", "upload", "drawing")
LOCK = ".probes.lock"


@dataclass(frozen=True, eq=False)
class TrackedImage:
    """`pixels`: as the network receives them, uint8 (S, S, C). `truth`: the number of its class, -1 where nobody knows. `origin`: where
    it came from, one of ORIGINS."""

    pixels: np.ndarray
    label: str
    truth: int = -1
    origin: str = "upload"

    @cached_property
    def name(self) -> str:
        """What events call it: the same for the same pixels, and for no others."""
        return hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).hexdigest()[:16]


def read_tracked_images(folder: Path) -> list[TrackedImage]:
    """The probes of the run in `folder`, in the order in which they were pinned. Raises RunError where the file is damaged."""
    try:
        with (folder / PROBES).open("rb") as file:
            return _unpacked(file.read(LARGEST_FILE))
    except FileNotFoundError:
        return []
    except Exception:  # what reading a damaged file raises is anybody's guess
        raise RunError(
            f"The probes of run {folder.name} cannot be read: {PROBES} is damaged. Remove them all, and pin the images again."
        ) from None


def pin(folder: Path, new: Sequence[TrackedImage]) -> None:
    """Add probes to the run. Raises RunError where they are too many, pinned already, or of another size than those that are there."""
    with _alone(folder):
        probes = read_tracked_images(folder)
        for probe in new:
            _check(probe, probes)
            probes.append(probe)
        _write(folder, probes)


def unpin(folder: Path, name: str) -> None:
    """Remove a probe; nothing happens where it is gone already. Raises RunError."""
    with _alone(folder):
        _write(folder, [probe for probe in read_tracked_images(folder) if probe.name != name])


def unpin_all(folder: Path) -> None:
    """Remove all probes, also where their file is damaged. Raises RunError."""
    with _alone(folder):
        _write(folder, [])


def copy_tracked_images(source: Path, folder: Path) -> None:
    """Give the run in `folder` the probes of the one in `source`; a damaged file is left behind."""
    try:
        probes = read_tracked_images(source)
    except RunError:
        return
    if probes:
        pin(folder, probes)


def _check(probe: TrackedImage, probes: Sequence[TrackedImage]) -> None:
    assert _is_image(probe.pixels), "a probe is an image as a network receives it"
    if len(probes) >= MOST:
        raise RunError(f"A run has at most {MOST} probes. Remove one before you pin another.")
    if probe.name in (other.name for other in probes):
        raise RunError("This very image is pinned already. Choose another one.")
    if probes and probe.pixels.shape != probes[0].pixels.shape:
        raise RunError("This image is of another size than those that are pinned. Remove them first: the network takes one size.")


def _is_image(pixels: np.ndarray) -> bool:
    is_square = pixels.ndim == 3 and pixels.shape[0] == pixels.shape[1] and 0 < pixels.shape[0] <= LARGEST_SIDE
    return pixels.dtype == np.uint8 and is_square and pixels.shape[2] in (1, 3)


def _write(folder: Path, probes: Sequence[TrackedImage]) -> None:
    """Replace the file; without probes there is none."""
    if not probes:
        (folder / PROBES).unlink(missing_ok=True)
        return
    columns = {
        "images": np.stack([probe.pixels for probe in probes]),
        "labels": np.array([_short(probe.label) for probe in probes]),
        "truths": np.array([probe.truth for probe in probes], np.int64),
        "origins": np.array([probe.origin for probe in probes]),
    }
    write_atomically(folder / PROBES, lambda file: np.savez(file, **columns))


def _unpacked(content: bytes) -> list[TrackedImage]:
    """The file's probes; raises whatever it likes where the file is not what `_write` would have written."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(info.file_size for info in archive.infolist()) > LARGEST_FILE:
            raise ValueError
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        images, labels, truths, origins = (kept[name] for name in ("images", "labels", "truths", "origins"))
    count = len(images)
    is_whole = 0 < count <= MOST and {labels.shape, truths.shape, origins.shape} == {(count,)} and truths.dtype == np.int64
    if not (is_whole and labels.dtype.kind == "U" and set(origins.tolist()) <= set(ORIGINS) and all(map(_is_image, images))):
        raise ValueError
    facts = zip(images, labels, truths, origins, strict=True)
    return [TrackedImage(pixels, _short(str(label)), int(truth), str(origin)) for pixels, label, truth, origin in facts]


def _short(label: str) -> str:
    """`label` in one line of printable characters, not too long."""
    return "".join(letter if letter.isprintable() else " " for letter in label)[:LONGEST_LABEL].strip() or "image"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes the run's probes during the block. Raises RunError."""
    try:
        with try_lock(folder / LOCK) as is_mine:
            if not is_mine:
                raise RunError(f"Somebody else is changing the probes of run {folder.name} right now. Try again in a moment.")
            yield
    except OSError as error:
        raise RunError(
            f"The probes of run {folder.name} cannot be written ({error.strerror or error}). Free some space."
        ) from None
