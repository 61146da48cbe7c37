"""Names of data sets: of the catalogue, of an imported data set, or the path of a folder or archive.

In: a name or path as typed. Out: the name as runs record it, or the name of a new data set. Importing this module does not import torch.
"""

import re
import unicodedata
from itertools import count
from pathlib import Path

from cnn_core.data.catalog import CATALOG
from cnn_core.data.set_bin import is_in_bin
from cnn_core.errors import DataError
from cnn_core.home import SET_NAME, Home, checked_set_name

MAX_TITLE = 50  # characters of a name of files that a suggested name is made of
NAME_MISSING = "Enter a name for the data set."
NAME_TAKEN = "There already is a data set “{name}”. Choose another name, or remove that data set first."
IN_CATALOGUE = "“{name}” is a data set of the catalogue. Choose another name."
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


def new_set_name(typed: str, home: Home) -> str:
    """Return the name of a new data set from a name as typed. Raises DataError where it cannot be a name or is taken."""
    name = to_set_name(typed)
    if name in CATALOG:
        raise DataError(IN_CATALOGUE.format(name=name))
    if home.set_folder(name).exists():
        raise DataError(NAME_TAKEN.format(name=name))
    return name


def suggest_set_name(title: str, home: Home) -> str:
    """Return a name for a new data set from the name of its files, "my-photos-2" where there is a set my-photos; "" where the title gives none."""
    try:
        base = to_set_name(title[:MAX_TITLE].replace("/", "-").replace("\\", "-"))
    except DataError:
        return ""
    names = (base if number == 1 else f"{base}-{number}" for number in count(1))
    return next(name for name in names if name not in CATALOG and not home.set_folder(name).exists())


def to_set_name(typed: str) -> str:
    """Return a name as typed in the form that names of data sets have: "My Photos" is my-photos, "Äpfel" apfel.

    Raises DataError where it is empty or nothing is left, where it is a path or too long.
    """
    if not typed.strip():
        raise DataError(NAME_MISSING)
    if SET_NAME.fullmatch(typed) or "/" in typed or "\\" in typed:
        return checked_set_name(typed)
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", typed.casefold()) if not unicodedata.combining(letter))
    name = re.sub(r"[^a-z0-9_-]+", "-", letters).strip("-_")
    return name if SET_NAME.fullmatch(name) else checked_set_name(typed)
