"""Names of data sets: of the catalogue, of an imported data set, or the path of a folder or archive.

In: a name or path as typed. Out: the name as runs record it, or the name of a new data set. Importing this module does not import torch.
"""

import re
import unicodedata
from pathlib import Path

from cnn_core.data.catalog import CATALOG
from cnn_core.data.set_bin import is_in_bin
from cnn_core.home import SET_NAME, Home, checked_set_name

NAME_CHANGED = "“{typed}” was changed to “{name}”: the name of a data set has lower-case letters, digits, - and _ only."


def canonical_name(data: str) -> str:
    """Return how a run records data set `data`: its name in the catalogue or among the imported data sets, or the absolute path of its folder.

    The name of an imported data set that is in the bin stays a name, unless there is a folder of this name.
    """
    home = Home.from_environment()
    if not data or data in CATALOG or is_imported(data, home):
        return data
    try:
        path = Path(data).expanduser().resolve()
        return data if not path.exists() and is_in_bin(data, home) else str(path)
    except (OSError, ValueError, RuntimeError):
        return data


def is_imported(name: str, home: Home) -> bool:
    """Whether `name` is an imported data set of the studio home."""
    return bool(SET_NAME.fullmatch(name)) and home.set_folder(name).is_dir()


def to_set_name(typed: str) -> str:
    """Return a name as typed in the form that names of data sets have: "My Photos" is my-photos, "Äpfel" apfel.

    Raises DataError where nothing is left, where it is a path or too long.
    """
    if SET_NAME.fullmatch(typed) or "/" in typed or "\\" in typed:
        return checked_set_name(typed)
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", typed.casefold()) if not unicodedata.combining(letter))
    name = re.sub(r"[^a-z0-9_-]+", "-", letters).strip("-_")
    return name if SET_NAME.fullmatch(name) else checked_set_name(typed)
