"""A run's tracked images: up to 16 images that are classified after every epoch. In: images as the model receives them. Out: `probes.npz`.

The file is in the run's folder, is replaced as a whole or not at all, and is checked when it is read. Adding and removing takes a lock.
Importing this module does not import torch.
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
from cnn_core.home import TRACKED_IMAGES
from cnn_core.locks import try_lock

MAX_IMAGES = 16
MAX_FILE_BYTES = 16 * 2**20  # sixteen colour images of 224×224 take 2.4 MB
MAX_SIDE = 512  # pixels
MAX_LABEL_LENGTH = 80
ORIGINS = ("set", "upload", "drawing")
LOCK = ".probes.lock"
DAMAGED = f"The tracked images of run {{run}} cannot be read: {TRACKED_IMAGES} is damaged. Remove all of them and add them again."
BUSY = "The tracked images of run {run} are being changed elsewhere. Try again in a moment."
TOO_MANY = f"A run has at most {MAX_IMAGES} tracked images. Remove one before you add another."
ALREADY_TRACKED = "This image is already tracked. Choose another one."
OTHER_SIZE = "This image has another size than the tracked images. Remove them first: the model takes one size."


@dataclass(frozen=True, eq=False)
class TrackedImage:
    """`pixels`: as the model receives them, uint8 (S, S, C). `label`: its caption. `truth`: the index of its true class, -1 if unknown.
    `origin`: where it came from, one of ORIGINS.
    """

    pixels: np.ndarray
    label: str
    truth: int = -1
    origin: str = "upload"

    @cached_property
    def name(self) -> str:
        """The name of the image in events: a hash of its pixels."""
        return hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).hexdigest()[:16]


def read_tracked_images(folder: Path) -> list[TrackedImage]:
    """Return the tracked images of the run in `folder` in the order in which they were added. Raises RunError if the file is damaged."""
    try:
        with (folder / TRACKED_IMAGES).open("rb") as file:
            return _unpack(file.read(MAX_FILE_BYTES))
    except FileNotFoundError:
        return []
    except Exception:  # reading a damaged file may raise anything
        raise RunError(DAMAGED.format(run=folder.name)) from None


def add_tracked_images(folder: Path, new: Sequence[TrackedImage]) -> None:
    """Add tracked images to the run. Raises RunError when they are too many, already tracked, or of another size than the others."""
    with _locked(folder):
        tracked = read_tracked_images(folder)
        for image in new:
            _check(image, tracked)
            tracked.append(image)
        _write(folder, tracked)


def remove_tracked_image(folder: Path, name: str) -> None:
    """Remove a tracked image, if it is still there. Raises RunError."""
    with _locked(folder):
        _write(folder, [image for image in read_tracked_images(folder) if image.name != name])


def remove_tracked_images(folder: Path) -> None:
    """Remove all tracked images, also from a damaged file. Raises RunError."""
    with _locked(folder):
        _write(folder, [])


def copy_tracked_images(source: Path, folder: Path) -> None:
    """Copy the tracked images of the run in `source` to the one in `folder`, unless their file is damaged."""
    try:
        tracked = read_tracked_images(source)
    except RunError:
        return
    if tracked:
        add_tracked_images(folder, tracked)


def _check(image: TrackedImage, tracked: Sequence[TrackedImage]) -> None:
    assert _is_image(image.pixels), "pixels are not those of an image as a model receives it"
    if len(tracked) >= MAX_IMAGES:
        raise RunError(TOO_MANY)
    if image.name in (other.name for other in tracked):
        raise RunError(ALREADY_TRACKED)
    if tracked and image.pixels.shape != tracked[0].pixels.shape:
        raise RunError(OTHER_SIZE)


def _is_image(pixels: np.ndarray) -> bool:
    is_square = pixels.ndim == 3 and pixels.shape[0] == pixels.shape[1] and 0 < pixels.shape[0] <= MAX_SIDE
    return pixels.dtype == np.uint8 and is_square and pixels.shape[2] in (1, 3)


def _write(folder: Path, tracked: Sequence[TrackedImage]) -> None:
    """Replace the file, or remove it if there are no images."""
    if not tracked:
        (folder / TRACKED_IMAGES).unlink(missing_ok=True)
        return
    images = np.stack([image.pixels for image in tracked])
    labels = np.array([_shorten(image.label) for image in tracked])
    truths = np.array([image.truth for image in tracked], np.int64)
    origins = np.array([image.origin for image in tracked])
    write_atomically(
        folder / TRACKED_IMAGES, lambda file: np.savez(file, images=images, labels=labels, truths=truths, origins=origins)
    )


def _unpack(content: bytes) -> list[TrackedImage]:
    """Return the images in a file's content. Raises any exception when it is not what `_write` writes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(info.file_size for info in archive.infolist()) > MAX_FILE_BYTES:
            raise ValueError
    with np.load(io.BytesIO(content), allow_pickle=False) as columns:
        images, labels, truths, origins = (columns[name] for name in ("images", "labels", "truths", "origins"))
    count = len(images)
    is_valid = 0 < count <= MAX_IMAGES and {labels.shape, truths.shape, origins.shape} == {(count,)} and truths.dtype == np.int64
    if not (is_valid and labels.dtype.kind == "U" and set(origins.tolist()) <= set(ORIGINS) and all(map(_is_image, images))):
        raise ValueError
    rows = zip(images, labels, truths, origins, strict=True)
    return [TrackedImage(pixels, _shorten(str(label)), int(truth), str(origin)) for pixels, label, truth, origin in rows]


def _shorten(label: str) -> str:
    """Return `label` as one line of at most MAX_LABEL_LENGTH printable characters."""
    return "".join(letter if letter.isprintable() else " " for letter in label)[:MAX_LABEL_LENGTH].strip() or "image"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock on the run's tracked images during the block. Raises RunError."""
    try:
        with try_lock(folder / LOCK) as is_locked:
            if not is_locked:
                raise RunError(BUSY.format(run=folder.name))
            yield
    except OSError as error:
        raise RunError(
            f"The tracked images of run {folder.name} cannot be written ({error.strerror or error}). Free some space."
        ) from None
