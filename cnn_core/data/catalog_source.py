"""A data set of the catalogue as a source: downloaded, read and imported when its images are first needed.

In: a catalogue entry and a studio home. Out: a DataSource.
"""

from collections.abc import Generator
from pathlib import Path

from cnn_core.data.catalog import CatalogEntry
from cnn_core.data.download import add_archive, fetch
from cnn_core.data.image_shape import ImageShape
from cnn_core.data.imported import ImportedSource, OnDemandSource
from cnn_core.data.importer import import_arrays
from cnn_core.data.source import DataInfo
from cnn_core.events import Progress
from cnn_core.home import Home


class CatalogSource(OnDemandSource):
    """A catalogue entry in a studio home."""

    def __init__(self, entry: CatalogEntry, home: Home, shape: ImageShape | None = None) -> None:
        self.entry, self.shape = entry, shape
        self._home = home
        self._downloads = home.data / entry.info.name

    @property
    def folder(self) -> Path:
        """The folder of the imported data set."""
        return self._home.set_folder(self.entry.info.name)

    @property
    def is_imported(self) -> bool:
        """Whether the data set is imported."""
        return self.folder.is_dir()

    @property
    def info(self) -> DataInfo:
        """The facts as imported and corrected; before the import those of the catalogue."""
        if self.is_imported:
            return ImportedSource(self.folder, self.shape).info
        return self.shape.apply(self.entry.info) if self.shape else self.entry.info

    @property
    def missing_archives(self) -> tuple[str, ...]:
        """The archives that are not on this machine yet."""
        return tuple(archive.name for archive in self.entry.archives if not (self._downloads / archive.name).is_file())

    def _import(self) -> Generator[Progress, None, None]:
        """Download the missing archives, read and import them."""
        title, info = self.entry.title, self.entry.info
        for archive in self.entry.archives:
            yield from fetch(archive, self._downloads, title)
        yield Progress(f"Opening {title}", 0, 1)
        facts = {"title": title, "classes": info.classes, "ink": info.ink, "source": f"catalogue:{info.name}"}
        yield from import_arrays(info.name, self.entry.read(self._downloads), facts, self._home)

    def add_archive(self, file: Path) -> None:
        """Copy one of the archives from `file` instead of downloading it. Raises DataError."""
        add_archive(file, self.entry.archives, self._downloads)
