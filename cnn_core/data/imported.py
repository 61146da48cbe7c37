"""An imported set as a source: facts from its index, images straight from its memory-mapped file."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.data.index import Index
from cnn_core.data.source import SPLITS, DataInfo, ImageSet, Loading, Split
from cnn_core.data.version import version
from cnn_core.errors import BusyError, DataError
from cnn_core.events import Progress
from cnn_core.home import IMAGES, INDEX

NAMED_NOTES = 20
WAIT_SECONDS = 0.5


class ImportedSource:
    """The set in `folder`, with its corrections. Raises DataError when it is damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = Index(folder / INDEX)
        if not self.index.path.is_file():
            raise DataError(f"Data set “{folder.name}” is damaged: its index is missing. Remove it and import it again.")

    @cached_property
    def facts(self) -> dict[str, Any]:
        return self.index.facts()

    @cached_property
    def version(self) -> str:
        """The fingerprint of the set as it is now."""
        return version(self.index, self.facts["fingerprint"])

    @cached_property
    def counts(self) -> dict[Split, list[int]]:
        """Used images of every part by class, in the order of the classes."""

        def count() -> dict[Split, list[int]]:
            table = self.index.table()
            return {split: [table[split].get(label, 0) for label in range(len(self.facts["classes"]))] for split in SPLITS}

        return self.index.remembered(self.version, "counts", count)

    def count(self, where: str, values: tuple[int, ...] = ()) -> int:
        """Of how many images `where` is true (see `Index.count`)."""
        return self.index.remembered(self.version, f"count {where} {values}", lambda: self.index.count(where, values))

    @cached_property
    def info(self) -> DataInfo:
        facts, counts = self.facts, self.counts
        train, val, test = (sum(counts[split]) for split in SPLITS)
        return DataInfo(
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
        )

    @property
    def pool(self) -> np.ndarray:
        """All pixels (M, S, S, C) uint8 as a read-only map, by the rows of the index. Raises DataError."""
        try:
            return np.load(self.folder / IMAGES, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            raise DataError(
                f"Data set “{self.folder.name}” is damaged: its images cannot be opened. Remove it and import it again."
            ) from None

    def load(self, split: Split) -> Loading:
        yield Progress("Opening the images", 0, 1)
        for needed, count in (("training", self.info.train_count), ("test", self.info.test_count)):
            if not count:
                raise DataError(f"The data set has no {needed} images left. Undo some of its corrections on the Data page.")
        rows, labels = self.index.used(split)
        return ImageSet(self.pool, labels, self._notes() if split == "train" else (), rows)

    def _notes(self) -> tuple[str, ...]:
        count, named = self.index.count_problems(), self.index.problems(NAMED_NOTES)
        notes = [f"Left out: {one.reason if one.path in one.reason else f'{one.path}: {one.reason}.'}" for one in named]
        return (*notes, f"Left out: {count - len(named):,} more files.") if count > len(named) else tuple(notes)


def image_names(source: "ImportedSource | OnDemandSource", images: ImageSet) -> Callable[[np.ndarray], list[str]]:
    """What tells the files of some `images` of a set, by their indices (n,) int64, as the set calls them ("cats/017.jpg")."""
    index = ImportedSource(source.folder).index
    return lambda indices: index.paths(images.rows[indices])


class OnDemandSource(ABC):
    """A source that is imported into `folder` when its images are first asked for."""

    folder: Path

    @property
    @abstractmethod
    def is_imported(self) -> bool:
        """Whether there is nothing left to import."""

    def load(self, split: Split) -> Loading:
        yield from self.obtain()
        return (yield from ImportedSource(self.folder).load(split))

    def obtain(self) -> Generator[Progress, None, None]:
        """Import the set unless that was done, or wait until somebody else has done it. Raises DataError."""
        while not self.is_imported:
            try:
                yield from self._import()
            except BusyError:
                yield Progress("Another process is importing these images", 0, 1)
                time.sleep(WAIT_SECONDS)

    @abstractmethod
    def _import(self) -> Generator[Progress, None, None]:
        """Import the set. Raises DataError, BusyError while somebody else does."""
