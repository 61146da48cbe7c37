"""An imported data set as a source: facts from its index, images from its memory-mapped file.

In: its folder. Out: a DataSource.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from cnn_core.data.image_shape import COMMON_SIZE, USUAL_SIDE, ImageShape
from cnn_core.data.index.fingerprint import current_fingerprint
from cnn_core.data.index.index import Index
from cnn_core.data.kept_images import KeptImages
from cnn_core.data.pixel_pool import Preparing, open_pool
from cnn_core.data.preparation import enlarge_square
from cnn_core.data.source import SPLITS, DataInfo, ImageSet, Loading, Split
from cnn_core.data.validation_use import AS_TEST, UNDECIDED, describe_use
from cnn_core.errors import BusyError, DataError
from cnn_core.events import Progress
from cnn_core.home import IMAGES, INDEX
from cnn_core.text import counted

SKIPPED = "Skipped:"
MAX_NOTES = 20  # skipped files that are named one by one
WAIT_SECONDS = 0.5
OPENING, WAITING = "Opening the images", "Another process is importing these images"  # the names of stages
ENLARGED = (
    "The images are stored with {stored}×{stored} pixels and enlarged to {side}×{side}, which adds no detail. If the files are larger, import them "
    "again under another name: photographs are then kept as they are."
)
EARLIER_SQUARES = (
    "An earlier version stored these photographs with {stored}×{stored} pixels, which shows little of them. To train on more detail, import them again "
    "under another name, on the Data page or with `python -m cnn_core data import FOLDER --name NAME`, and train on that data set: photographs are then "
    "kept as they are. Earlier runs go on working with this one."
)
NO_IMAGES_LEFT = "The data set has no {split} images left. Undo some of its corrections on the Data page."
SINGLE_IMAGES = (
    "The data set has no test images, because no class has more than one image. Add images: at least three of each class."
)
LONE_IMAGES = (
    "Classes with a single training image: {names}. The model hardly learns such a class. Add images: at least ten of each class."
)
MAX_NAMED = 5  # classes


class ImportedSource:
    """The data set in `folder`, with its corrections. Raises DataError when it is damaged.

    shape: of the images that are loaded, None for the squares that are stored.
    """

    def __init__(self, folder: Path, shape: ImageShape | None = None) -> None:
        self.folder, self._shape = folder, shape
        self.index = Index(folder / INDEX)
        if not self.index.path.is_file():
            raise DataError(f"Data set “{folder.name}” is damaged: its index is missing. Remove it and import it again.")

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The facts stored in the index."""
        return self.index.facts()

    @cached_property
    def version(self) -> str:
        """The fingerprint of the data set as it is now."""
        return current_fingerprint(self.index, self.facts["fingerprint"])

    @cached_property
    def counts(self) -> dict[Split, list[int]]:
        """Used images of every split by class, in the order of the classes."""

        def count() -> dict[Split, list[int]]:
            by_split = self.index.counts_by_split()
            return {split: [by_split[split].get(label, 0) for label in range(len(self.facts["classes"]))] for split in SPLITS}

        return cast(dict[Split, list[int]], self.index.cached(self.version, "counts", count))

    def count(self, where: str, values: tuple[int | str, ...] = ()) -> int:
        """Count the images for which `where` is true (see `Index.count`)."""
        return int(self.index.cached(self.version, f"count {where} {values}", lambda: self.index.count(where, values)))

    @cached_property
    def info(self) -> DataInfo:
        """The facts as a DataInfo, with the current counts and fingerprint. Raises SettingError where the images cannot have the shape."""
        facts, counts = self.facts, self.counts
        train, val, test = (sum(counts[split]) for split in SPLITS)
        info = DataInfo(
            name=self.folder.name,
            classes=tuple(facts["classes"]),
            image_size=facts["image_size"],
            channels=facts["channels"],
            train_count=train,
            test_count=test,
            fingerprint=self.version,
            ink=facts.get("ink", ""),
            fit=facts["options"]["fit"],
            val_count=val,
            class_counts=tuple(counts["train"]),
            kept_side=facts.get("kept_side", 0),
        )
        return self._shape.apply(info) if self._shape else info

    @property
    def pool(self) -> np.ndarray:
        """The stored squares of all images (M, S, S, C) uint8 as a read-only memory map, by the rows of the index. Raises DataError."""
        try:
            return cast(np.ndarray, np.load(self.folder / IMAGES, mmap_mode="r"))
        except (OSError, ValueError, EOFError):
            raise DataError(
                f"Data set “{self.folder.name}” is damaged: its images cannot be opened. Remove it and import it again."
            ) from None

    @cached_property
    def kept_images(self) -> KeptImages | None:
        """The photographs as they are kept; None where the squares alone are stored."""
        return KeptImages(self.folder, self.index.kept_places()) if self.facts.get("kept_side") else None

    def image(self, row: int) -> Image.Image | np.ndarray:
        """Return the image at `row` of the index for display: the photograph as it is kept, or the square (S, S, C) uint8. Raises DataError."""
        return np.asarray(self.pool[row]) if self.kept_images is None else self.kept_images.image(row)

    def pixels(self, row: int, info: DataInfo) -> np.ndarray:
        """Return the image at `row` of the index as a run with `info` receives it, (S, S, C) uint8, made from what is stored. Raises DataError."""
        if self.kept_images:
            return self.kept_images.pixels(row, info)
        square = np.asarray(self.pool[row])
        return square if info.image_size == len(square) else enlarge_square(square, info.image_size)

    def open_pool(self) -> Preparing:
        """Return the pixels of all images in the shape of this source, like `pool`, made if they are needed for the first time. Yields Progress.

        Raises DataError.
        """
        info, stored, kept = self.info, self.facts, self.kept_images
        stored_shape = (stored["image_size"], stored["options"]["fit"], "bicubic", 1.0)
        is_stored = (info.image_size, info.fit, info.interpolation, info.crop_share) == stored_shape
        if self._shape is None or is_stored:
            return self.pool
        side, squares = info.image_size, self.pool

        def make_image(row: int) -> np.ndarray:
            return self.pixels(row, info) if kept else enlarge_square(squares[row], side)

        (rows,) = self.index.columns("problem is null", "row")
        shape = (len(squares), side, side, info.channels)
        return (yield from open_pool(self.folder, _pool_name(info), shape, rows, make_image))

    def load(self, split: Split) -> Loading:
        """Load one split, yielding Progress. Raises DataError when all training or all test images are excluded."""
        yield Progress(OPENING, 0, 1)
        for needed, count in (("training", self.info.train_count), ("test", self.info.test_count)):
            if not count:
                is_corrected = self.count("problem is null and (is_excluded or label != given)") > 0
                raise DataError(NO_IMAGES_LEFT.format(split=needed) if is_corrected else SINGLE_IMAGES)
        rows, labels = self.index.used_rows(split)
        pool = yield from self.open_pool()
        return ImageSet(pool, labels, self._notes() if split == "train" else (), rows)

    def describe_validation(self) -> str:
        """Return what the validation images of a source without test images are used for; "" for any other source."""
        validation_as = self.facts["options"].get("validation_as", UNDECIDED)  # earlier versions stored none
        if self.facts["has_parts"]:
            return describe_use(self.folder.name, AS_TEST, self.info.test_count, 0) if validation_as == AS_TEST else ""
        val = self.info.val_count
        return describe_use(self.folder.name, validation_as, val, self.info.test_count) if val else ""

    @cached_property
    def are_earlier_squares(self) -> bool:
        """Whether these are photographs that an earlier version stored as squares so small that a run sees little of them."""
        if "kept_side" in self.facts or self.facts["image_size"] >= USUAL_SIDE:
            return False
        return self.count(f"problem is null and max(width, height) > {max(COMMON_SIZE, self.facts['image_size'])}") > 0

    def _describe_squares(self) -> str:
        """Return what is lost by the size of the stored squares; "" where nothing is."""
        stored, side = self.facts["image_size"], self.info.image_size
        if side > stored and self.kept_images is None:
            return ENLARGED.format(stored=stored, side=side)
        return EARLIER_SQUARES.format(stored=stored) if self.are_earlier_squares else ""

    def _describe_lone_images(self) -> str:
        """Return a sentence on the classes with one training image; "" where there are none."""
        lone = [f"“{name}”" for name, count in zip(self.info.classes, self.counts["train"], strict=True) if count == 1]
        more = f" and {len(lone) - MAX_NAMED} more" if len(lone) > MAX_NAMED else ""
        return LONE_IMAGES.format(names=", ".join(lone[:MAX_NAMED]) + more) if lone else ""

    def _notes(self) -> tuple[str, ...]:
        """Return the use of validation images without test images, what the size of stored squares loses, the classes with one image, the warnings
        of the listing, one sentence for each skipped file, up to MAX_NOTES, and one for the rest."""
        count, named = self.index.count_skipped_files(), self.index.skipped_files(MAX_NOTES)
        described = (self.describe_validation(), self._describe_squares(), self._describe_lone_images())
        warnings = (*filter(None, described), *self.facts.get("warnings", ()))
        notes = warnings + tuple(f"{SKIPPED} {file.path}: {file.explanation}" for file in named)
        return (*notes, f"{SKIPPED} {counted(count - len(named), 'more file')}.") if count > len(named) else notes


def _pool_name(info: DataInfo) -> str:
    """Return the name of the pool of images in this shape. Pools of the whole square, resized bicubically, have the name that earlier versions
    gave them."""
    share = f"-{info.crop_share}" if info.crop_share != 1 else ""
    return f"{info.image_size}-{info.fit}{share}{'' if info.interpolation == 'bicubic' else f'-{info.interpolation}'}"


def image_names(source: "ImportedSource | OnDemandSource", images: ImageSet) -> Callable[[np.ndarray], list[str]]:
    """Return a function from indices (n,) int64 of `images` to their files in the data set ("cats/017.jpg")."""
    index = ImportedSource(source.folder).index
    return lambda indices: index.paths(images.pool_rows(indices))


class OnDemandSource(ABC):
    """A source that is imported when its images are first needed. shape: see `ImportedSource`."""

    shape: ImageShape | None = None

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The folder of the imported data set."""

    @property
    @abstractmethod
    def is_imported(self) -> bool:
        """Whether the data set is imported in its current version."""

    @property
    def is_ready(self) -> bool:
        """Whether the images can be loaded without importing or comparing files first."""
        return self.is_imported

    def load(self, split: Split) -> Loading:
        """Import the data set if it is not imported, then load one split, yielding Progress. Raises DataError."""
        yield from self.ensure_imported()
        return (yield from ImportedSource(self.folder, self.shape).load(split))

    def ensure_imported(self) -> Generator[Progress, None, None]:
        """Import the data set unless it is imported, or wait until another process has imported it. Raises DataError."""
        while not self.is_ready:
            try:
                yield from self._import()
            except BusyError:
                yield Progress(WAITING, 0, 1)
                time.sleep(WAIT_SECONDS)
            except DataError:
                if not self.is_ready:  # else another process has just imported it
                    raise

    def check_changes(self) -> Generator[Progress, None, None]:
        """Find out whether files that may have changed since the import have changed, so that the facts are those of the files."""
        yield from ()

    @abstractmethod
    def _import(self) -> Generator[Progress, None, None]:
        """Import the data set. Raises DataError, and BusyError while another process imports it."""
