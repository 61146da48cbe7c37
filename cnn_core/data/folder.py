"""A folder of images, one sub-folder per class, with or without `train/` and `test/` above them.

Files that cannot be read are left out and named; the rest goes on. Links are not followed. Nothing in the folder is changed.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnn_core.data.image_file import SUFFIXES, read_picture, read_size, to_pixels
from cnn_core.data.source import DataInfo, ImageSet, Loading, Part
from cnn_core.data.split import stratified_split
from cnn_core.errors import DataError, ImageError
from cnn_core.events import Progress

TEST_SHARE, SPLIT_SEED = 0.2, 0
# Images that all share one square size up to this are kept as they are; anything else is scaled to it.
LARGEST_SIZE = 64
SAMPLE = 200
REPORT_EVERY = 512
NAMED_NOTES = 20


class File(NamedTuple):
    """One image file: its path below the data set's folder, its class as a number, its size in bytes."""

    path: str
    label: int
    bytes: int


Listing = list[File]


class FolderSource:
    """Images in class folders under `folder`. Raises DataError when it has no classes, only one, or a test class of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        has_parts = (folder / "train").is_dir()
        self._classes = _class_names(folder / "train" if has_parts else folder)
        train = self._list(folder / "train" if has_parts else folder)
        if has_parts and (folder / "test").is_dir():
            test = self._list(folder / "test")
            if not test:
                raise DataError(
                    f"{folder / 'test'} holds no images. Put images into its class folders, or remove it and a part of the training images is kept apart."
                )
        else:
            labels = np.array([file.label for file in train])
            rest, kept = stratified_split(labels, TEST_SHARE, SPLIT_SEED)
            train, test = [train[i] for i in rest], [train[i] for i in kept]
        self._parts: dict[Part, Listing] = {"train": train, "test": test}
        self.info = DataInfo(
            name=folder.name,
            classes=self._classes,
            image_size=_common_size([folder / file.path for file in train[:: max(1, len(train) // SAMPLE)]]),
            channels=3,
            train_count=len(train),
            test_count=len(test),
            fingerprint=_fingerprint(train + test),
        )

    def load(self, part: Part) -> Loading:
        """Decode one part; unreadable files become notes. Raises DataError when a class has no readable image left."""
        listing, size = self._parts[part], self.info.image_size
        images = np.empty((len(listing), size, size, 3), np.uint8)
        is_good, notes = np.zeros(len(listing), bool), []

        def decode(index: int) -> str | None:
            name = listing[index].path
            try:
                picture = read_picture(self.folder / name, _as_text(name), draft=2 * size)
            except ImageError as error:
                return str(error)
            images[index] = to_pixels(picture.image, size, 3)
            return None

        # Small images are all Python and no decoding: two threads took 6.0 s for 10,000 of 32×32, one took 4.4 s.
        with ThreadPoolExecutor(1 if size < LARGEST_SIZE else os.cpu_count()) as pool:
            for start in range(0, len(listing), REPORT_EVERY):
                yield Progress(f"Reading {part} images", start, len(listing))
                chunk = range(start, min(start + REPORT_EVERY, len(listing)))
                for index, problem in zip(chunk, pool.map(decode, chunk), strict=True):
                    is_good[index] = problem is None
                    notes += [f"Left out: {problem}"] if problem else []
        labels = np.array([file.label for file in listing], np.int64)
        self._check_classes(part, labels[is_good])
        if len(notes) > NAMED_NOTES:
            notes = [*notes[:NAMED_NOTES], f"Left out: {len(notes) - NAMED_NOTES:,} more unreadable files."]
        return ImageSet(images if is_good.all() else images[is_good], labels[is_good], tuple(notes))

    def _list(self, root: Path) -> Listing:
        """Every image file under root's class folders, sorted, with its label. Raises DataError for a class without images."""
        known = {name: label for label, name in enumerate(self._classes)}
        for name in _class_names(root, at_least=1):
            if name not in known:
                raise DataError(
                    f"{root} has a class “{name}” that the training images do not have. Rename or remove that folder."
                )
        listing = []
        for name, label in known.items():
            files = self._image_files(root / name, label)
            if not files and root.name != "test":
                raise DataError(f"Class folder {root / name} holds no images. Put images into it or remove it.")
            listing += files
        return listing

    def _image_files(self, folder: Path, label: int) -> Listing:
        if folder.is_symlink() or not folder.is_dir():
            return []
        above = folder.relative_to(self.folder).as_posix()
        with os.scandir(folder) as entries:
            files = (e for e in entries if os.path.splitext(e.name)[1].lower() in SUFFIXES and e.is_file(follow_symlinks=False))
            return sorted(File(f"{above}/{e.name}", label, e.stat(follow_symlinks=False).st_size) for e in files)

    def _check_classes(self, part: Part, labels: np.ndarray) -> None:
        counts = np.bincount(labels, minlength=len(self._classes))
        if part == "train" and counts.min() == 0:
            name = self._classes[int(counts.argmin())]
            raise DataError(
                f"None of the images of class “{name}” in {self.folder} can be read. Save them again as JPEG, PNG, WebP, BMP or GIF, or remove that folder."
            )
        if not len(labels):
            raise DataError(f"None of the {part} images of {self.folder} can be read. Save them as JPEG, PNG, WebP, BMP or GIF.")


def _class_names(root: Path, at_least: int = 2) -> tuple[str, ...]:
    try:
        with os.scandir(root) as entries:
            names = sorted(
                entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )
    except OSError as error:
        raise DataError(f"{root} cannot be opened ({error.strerror}). Check the path and its permissions.") from None
    if odd := next((name for name in names if _as_text(name) != name), None):
        raise DataError(f"{root} has a class folder whose name is not text (“{_as_text(odd)}”). Rename that folder.")
    if len(names) < at_least:
        found = "no class folders" if not names else f"only one class folder (“{names[0]}”)"
        raise DataError(f"{root} has {found}. A data set needs at least two sub-folders, one per class, each with images in it.")
    return tuple(names)


def _as_text(name: str) -> str:
    """A file's name for people: bytes that are no text (as old archives leave them) shown as question marks."""
    return name.encode("utf-8", "replace").decode()


def _common_size(sample: list[Path]) -> int:
    """The side to use: the sampled images' own where they all are squares of one side up to LARGEST_SIZE, else LARGEST_SIZE."""
    sizes = set()
    for path in sample:
        try:
            sizes.add(read_size(path, path.name))
        except ImageError:
            continue
    side = sizes.pop() if len(sizes) == 1 else (0, 0)
    return side[0] if side[0] == side[1] and 8 <= side[0] <= LARGEST_SIZE else LARGEST_SIZE


def _fingerprint(listing: Listing) -> str:
    text = "\n".join(f"{file.path}\0{file.label}\0{file.bytes}" for file in listing)
    return f"folder-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
