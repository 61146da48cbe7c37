"""How a data set is named: in the catalogue, as an imported set, or by the path of its folder or archive.

In: what a person typed. Out: the name as runs record it. Importing this module does not import torch.
"""

from pathlib import Path

from cnn_core.data.catalog import CATALOG
from cnn_core.home import SET_NAME, Home


def canonical_name(data: str) -> str:
    """Return how a run records data set `data`: its name in the catalogue or among the imported sets, or the absolute path of its folder."""
    if not data or data in CATALOG or is_imported(data, Home.from_environment()):
        return data
    try:
        return str(Path(data).expanduser().resolve())
    except (OSError, ValueError, RuntimeError):
        return data


def is_imported(name: str, home: Home) -> bool:
    """Whether `name` is an imported set of the studio home."""
    return bool(SET_NAME.fullmatch(name)) and home.set_folder(name).is_dir()
