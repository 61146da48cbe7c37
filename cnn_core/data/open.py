"""Opening a data set: from a name or a path to its source.

In: the name of a set of the catalogue, of an imported set, or the path of a folder or zip archive. Out: a DataSource. Sources load
what they need when images are asked for, so importing this module imports neither torch nor scikit-learn.
"""

from pathlib import Path

from cnn_core.data.catalog import CATALOG
from cnn_core.data.catalog_source import CatalogSource
from cnn_core.data.imported import ImportedSource
from cnn_core.data.names import canonical_name, is_imported
from cnn_core.data.path_source import PathSource, is_source
from cnn_core.data.source import DataSource
from cnn_core.errors import DataError
from cnn_core.home import Home


def open_source(data: str, home: Home | None = None) -> DataSource:
    """Return the source that `data` names. Raises DataError when there is none."""
    home = home or Home.from_environment()
    if data in CATALOG:
        return CatalogSource(CATALOG[data], home)
    if is_imported(data, home):
        return ImportedSource(home.set_folder(data))
    path = Path(canonical_name(data))
    if not data or not is_source(path, home):
        raise DataError(
            f"Data set “{data[:200]}” is neither in the catalogue ({', '.join(CATALOG)}), nor an imported set, nor a folder or zip archive "
            "on this machine. Check the spelling."
        )
    return PathSource(path, home)
