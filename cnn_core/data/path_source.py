"""A folder or zip archive that is named by its path: imported when its images are first asked for, and anew when its files change."""

import hashlib
import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnn_core.data.imported import ImportedSource, OnDemandSource
from cnn_core.data.importer import ImportOptions, choose_form, import_files
from cnn_core.data.index import Index
from cnn_core.data.library import PATH_PREFIX
from cnn_core.data.listing import Listing, list_source
from cnn_core.data.source import DataInfo
from cnn_core.data.splits import stratified_split
from cnn_core.events import Progress
from cnn_core.home import INDEX, Home


def set_name(path: Path) -> str:
    """The name of the imported set that holds the images of `path`."""
    return f"{PATH_PREFIX}{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def is_source(path: Path, home: Home) -> bool:
    """Whether there is something at `path`, or was when it was imported."""
    try:
        return path.is_dir() or path.is_file() or home.set_folder(set_name(path)).is_dir()
    except (OSError, ValueError):
        return False


class PathSource(OnDemandSource):
    """Images in class folders at `path`. Raises DataError when it has no classes, only one, or a test class of its own."""

    def __init__(self, path: Path, home: Home) -> None:
        self.path = path
        self._home = home
        self.folder = home.set_folder(set_name(path))
        is_gone = self.folder.is_dir() and not path.exists()  # what was imported is still there
        self._listing = None if is_gone else list_source(path)

    @property
    def is_imported(self) -> bool:
        """Whether these very files have been imported."""
        return self.folder.is_dir() and (self._listing is None or self._is_up_to_date)

    @property
    def _is_up_to_date(self) -> bool:
        return Index(self.folder / INDEX).facts().get("signature") == self._listing.signature

    @property
    def info(self) -> DataInfo:
        """As imported; before that, as the listing promises."""
        if self.is_imported:
            return replace(ImportedSource(self.folder).info, name=self.path.name)
        return _promise(self.path, self._listing)

    def _import(self) -> Generator[Progress, None, None]:
        if self.folder.is_dir():  # of files that have changed since
            shutil.rmtree(self.folder)
        yield from import_files(self.folder.name, self.path, ImportOptions(), self._home, self._listing)


def _promise(path: Path, listing: Listing) -> DataInfo:
    labels = np.array([file.label for file in listing.files if file.part in (None, "train")])
    count = {part: sum(file.part == part for file in listing.files) for part in ("val", "test")}
    test = count["test"] or len(stratified_split(labels, ImportOptions.test_share, ImportOptions.seed)[1])
    image_size, channels = choose_form(path, listing, ImportOptions())
    return DataInfo(
        name=path.name,
        classes=listing.classes,
        image_size=image_size,
        channels=channels,
        train_count=len(labels) if count["test"] else len(labels) - test,
        test_count=test,
        fingerprint=f"listed-{listing.signature[:16]}",
        val_count=count["val"],
    )
