"""A folder or zip archive that is named by its path: imported when its images are first needed, and again when its files change.

In: a path and a studio home. Out: a DataSource.
"""

import hashlib
import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnn_core.data.imported import ImportedSource, OnDemandSource
from cnn_core.data.importer import ImportOptions, choose_shape, import_files
from cnn_core.data.index.index import Index
from cnn_core.data.library import PATH_PREFIX
from cnn_core.data.listing import Listing, list_source
from cnn_core.data.source import DataInfo
from cnn_core.data.splits import stratified_split
from cnn_core.events import Progress
from cnn_core.home import INDEX, Home


def set_name(path: Path) -> str:
    """Return the name of the imported data set that holds the images of `path`."""
    return f"{PATH_PREFIX}{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def is_source(path: Path, home: Home) -> bool:
    """Whether there is a file or folder at `path`, or was when it was imported."""
    try:
        return path.is_dir() or path.is_file() or home.set_folder(set_name(path)).is_dir()
    except (OSError, ValueError):
        return False


class PathSource(OnDemandSource):
    """Images in class folders at `path`. Raises DataError when it has fewer than two classes, or a class without training images."""

    def __init__(self, path: Path, home: Home) -> None:
        self.path = path
        self._home = home
        self._folder = home.set_folder(set_name(path))
        is_gone = self._folder.is_dir() and not path.exists()  # then the imported images are used
        self._listing = None if is_gone else list_source(path)

    @property
    def folder(self) -> Path:
        """The folder of the imported data set."""
        return self._folder

    @property
    def is_imported(self) -> bool:
        """Whether the files as they are now have been imported."""
        return self._folder.is_dir() and (self._listing is None or self._imported_signature() == self._listing.signature)

    def _imported_signature(self) -> object:
        return Index(self._folder / INDEX).facts().get("signature")

    @property
    def info(self) -> DataInfo:
        """The facts as imported; before the import those of the listing."""
        if self._listing is None or self.is_imported:
            return replace(ImportedSource(self._folder).info, name=self.path.name)
        return _describe_listing(self.path, self._listing)

    def _import(self) -> Generator[Progress, None, None]:
        if self._folder.is_dir():  # of files that have changed since
            shutil.rmtree(self._folder)
        yield from import_files(self._folder.name, self.path, ImportOptions(), self._home, self._listing)


def _describe_listing(path: Path, listing: Listing) -> DataInfo:
    """Return the facts of a data set that is not imported yet."""
    labels = np.array([file.label for file in listing.files if file.split in (None, "train")], np.int64)
    count = {split: sum(file.split == split for file in listing.files) for split in ("val", "test")}
    training = labels if count["test"] else labels[stratified_split(labels, ImportOptions.test_share, ImportOptions.seed)[0]]
    image_size, channels = choose_shape(path, listing, ImportOptions())
    return DataInfo(
        name=path.name,
        classes=listing.classes,
        image_size=image_size,
        channels=channels,
        train_count=len(training),
        test_count=count["test"] or len(labels) - len(training),
        fingerprint=f"listed-{listing.signature[:16]}",
        val_count=count["val"],
        class_counts=tuple(np.bincount(training, minlength=len(listing.classes)).tolist()),
    )
