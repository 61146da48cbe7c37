"""A folder or zip archive that is named by its path: imported when its images are first needed, and again when its files change.

In: a path and a studio home. Out: a DataSource. A file may have changed when its name, size, inode or time of change is another one. Where
only inodes or times differ, the contents are compared with the digests in the index, and the data set with its corrections stays if all are
the same: a copied or restored folder is not imported again. Data sets imported by earlier versions have no times; they are compared once.
"""

import hashlib
import shutil
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnn_core.data.archive import show_name
from cnn_core.data.image_shape import ImageShape
from cnn_core.data.imported import ImportedSource, OnDemandSource
from cnn_core.data.importer import ImportOptions, find_question, import_files
from cnn_core.data.index.index import Index
from cnn_core.data.library import PATH_PREFIX
from cnn_core.data.listing import Listing, list_source
from cnn_core.data.parallel_decoding import digest_of, read_file
from cnn_core.data.source import DataInfo
from cnn_core.data.split_changes import use_validation_images
from cnn_core.data.splits import stratified_split
from cnn_core.data.stored_shape import choose_shape
from cnn_core.data.validation_use import AS_TEST, CHOICES, NOT_TO_CHOOSE, UNDECIDED, SplitQuestion
from cnn_core.errors import DataError, ImageError
from cnn_core.events import Progress
from cnn_core.files import write_atomically
from cnn_core.home import INDEX, Home

COMPARING = "Comparing files"  # the name of a stage
NOT_STORED = "The choice cannot be stored in {folder} ({reason}). Check free space and permissions."
COMPARED_AT_ONCE = 256  # files between two reports


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

    def __init__(self, path: Path, home: Home, shape: ImageShape | None = None) -> None:
        self.path, self.shape = path, shape
        self._home = home
        self._folder = home.set_folder(set_name(path))
        self._is_compared = False
        is_gone = self._folder.is_dir() and not path.exists()  # then the imported images are used
        self._listing = None if is_gone else list_source(path)

    @property
    def folder(self) -> Path:
        """The folder of the imported data set."""
        return self._folder

    @property
    def is_imported(self) -> bool:
        """Whether the files as they are now have been imported, as far as their names, sizes and times of change tell."""
        return self._matches_index(self._listing.changed if self._listing else None)

    @property
    def is_ready(self) -> bool:
        """Whether they have been imported by a version that stores times of change, or compared."""
        return self._matches_index(None)

    def _matches_index(self, unknown: str | None) -> bool:
        """Whether the imported data set has the signature and times of the listing; `unknown` stands for times that are not stored."""
        if not self._folder.is_dir() or self._listing is None or self._is_compared:
            return self._folder.is_dir()
        facts = Index(self._folder / INDEX).facts()
        is_unchanged = self._listing.changed in ("", facts.get("changed") or unknown)  # "": a zip, whose signature has checksums
        return facts.get("signature") == self._listing.signature and is_unchanged

    @property
    def info(self) -> DataInfo:
        """The facts as imported; before the import those of the listing."""
        if self._listing is None or self.is_imported:
            return replace(ImportedSource(self._folder, self.shape).info, name=self.path.name)
        info = _describe_listing(self.path, self._listing, self._options())
        return self.shape.apply(info) if self.shape else info

    @property
    def question(self) -> SplitQuestion | None:
        """The question what the validation images are used for; None where it is answered, imported, or there is nothing to ask."""
        return None if self._listing is None or self._folder.is_dir() else find_question(self._listing, self._options())

    def choose_validation(self, validation_as: str) -> None:
        """Use the validation images "test" or "validation" from now on. Raises DataError where there is nothing to choose."""
        if self._folder.is_dir():
            use_validation_images(ImportedSource(self._folder), validation_as)
            return
        ImportOptions(validation_as=validation_as)
        if self._listing is None or not self._listing.has_validation_only:
            raise DataError(NOT_TO_CHOOSE.format(name=show_name(str(self.path))))
        try:
            self._choice.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._choice, lambda file: file.write(validation_as.encode()))
        except OSError as error:
            raise DataError(NOT_STORED.format(folder=self._choice.parent, reason=error.strerror or error)) from None

    @property
    def _choice(self) -> Path:
        """The file with the choice before the import; afterwards it is stored with the data set."""
        return self._home.data / "choices" / f"{self._folder.name}.txt"

    def _options(self) -> ImportOptions:
        """Return the options of the import: the choice of a person is kept when changed files are imported again."""
        if self._folder.is_dir():
            chosen = Index(self._folder / INDEX).facts().get("options", {}).get("validation_as", UNDECIDED)
        else:
            try:
                chosen = self._choice.read_text(encoding="utf-8")
            except (OSError, ValueError):
                chosen = UNDECIDED
        return ImportOptions(validation_as=chosen if chosen in CHOICES else UNDECIDED)

    def check_changes(self) -> Generator[Progress, None, None]:
        """Compare the files with those that were imported, where only their inodes and times of change differ or are not stored."""
        if self._listing and self._folder.is_dir() and not self.is_ready and (yield from self._has_same_contents(self._listing)):
            self._is_compared = True
            with suppress(DataError):  # in a studio home that is read-only, they are compared again the next time
                Index(self._folder / INDEX).set_facts(changed=self._listing.changed)

    def _import(self) -> Generator[Progress, None, None]:
        yield from self.check_changes()
        if self._is_compared:
            return
        options = self._options()
        if self._folder.is_dir():  # of files that have changed since
            shutil.rmtree(self._folder)
        yield from import_files(self._folder.name, self.path, options, self._home, self._listing)

    def _has_same_contents(self, listing: Listing) -> Generator[Progress, None, bool]:
        """Return whether all files are imported and have the contents that were imported. Yields Progress."""
        index = Index(self._folder / INDEX)
        if index.facts().get("signature") != listing.signature:
            return False
        imported, total = index.digests(), len(listing.files)
        for done, file in enumerate(listing.files):
            if done % COMPARED_AT_ONCE == 0:
                yield Progress(COMPARING, done, total)
            try:
                is_same = digest_of(read_file(self.path, file.path, file.member)) == imported.get(done)
            except ImageError:
                is_same = False
            if not is_same:
                return False
        return True


def _describe_listing(path: Path, listing: Listing, options: ImportOptions) -> DataInfo:
    """Return the facts of a data set that is not imported yet."""
    signature = listing.signature
    if listing.has_validation_only and options.validation_as == AS_TEST:
        listing, signature = listing.with_validation_as_test(), f"{signature} {AS_TEST}"
    labels = np.array([file.label for file in listing.files if file.split in (None, "train")], np.int64)
    count = {split: sum(file.split == split for file in listing.files) for split in ("val", "test")}
    training = labels if count["test"] else labels[stratified_split(labels, ImportOptions.test_share, ImportOptions.seed)[0]]
    shape = choose_shape(path, listing)
    return DataInfo(
        name=path.name,
        classes=listing.classes,
        image_size=shape.image_size,
        channels=shape.channels,
        train_count=len(training),
        test_count=count["test"] or len(labels) - len(training),
        fingerprint=f"listed-{hashlib.sha256((signature + listing.changed).encode()).hexdigest()[:16]}",
        val_count=count["val"],
        class_counts=tuple(np.bincount(training, minlength=len(listing.classes)).tolist()),
        kept_side=shape.kept_side,
    )
