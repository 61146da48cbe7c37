"""Opening a data set: from a name or a path to its source.

In: the name of a data set of the catalogue, of an imported one, or the path of a folder or zip archive; for a run also the shape of its images.
Out: a DataSource. Sources import heavy libraries when images are loaded, so importing this module imports neither torch nor scikit-learn.
"""

from pathlib import Path

from cnn_core.data.catalog import CATALOG
from cnn_core.data.catalog_source import CatalogSource
from cnn_core.data.image_shape import ImageShape
from cnn_core.data.imported import ImportedSource
from cnn_core.data.names import canonical_name, is_imported
from cnn_core.data.path_source import PathSource, is_source, set_name
from cnn_core.data.set_bin import IN_BIN, is_in_bin
from cnn_core.data.source import DataSource
from cnn_core.errors import DataError, RemovedSetError
from cnn_core.home import SET_NAME, Home


def open_source(data: str, home: Home | None = None, shape: ImageShape | None = None) -> DataSource:
    """Return the source named `data`. Raises DataError when there is none, RemovedSetError where it is in the bin.

    shape: of the images, None for the squares that are stored; `open_images` gives those of a run.
    """
    home = home or Home.from_environment()
    if data in CATALOG:
        return CatalogSource(CATALOG[data], home, shape)
    if is_imported(data, home):
        return ImportedSource(home.set_folder(data), shape)
    path = Path(canonical_name(data))
    if not data or not is_source(path, home):
        name = data if SET_NAME.fullmatch(data) else set_name(path)
        if is_in_bin(name, home):
            raise RemovedSetError(IN_BIN.format(data=data, name=name), name)
        raise DataError(
            f"Data set “{data[:200]}” is neither in the catalogue ({', '.join(CATALOG)}), nor an imported data set, nor a folder or zip archive "
            "on this machine. Check the spelling."
        )
    return PathSource(path, home, shape)


def has_images(data: str, home: Home) -> bool:
    """Whether the images of a data set are on this machine: imported, included, or at their path. No file of them is read."""
    if data in CATALOG:
        return not CATALOG[data].archives or is_imported(data, home)
    return bool(data) and (is_imported(data, home) or is_source(Path(data), home))
