"""Owners of data sets on a shared server: a file in the folder contains the name of the person who imported the images.

In: the folder of a data set, an import or an upload. Out: a name, "" where there is no owner.
"""

from pathlib import Path

from cnn_core.home import Home

OWNER = "owner.txt"


def write_owner(folder: Path, owner: str) -> None:
    """Write the owner of `folder`; nothing is written for ""."""
    if owner:
        (folder / OWNER).write_text(owner, encoding="utf-8")


def owner_of(folder: Path) -> str:
    """Return the owner of `folder`, "" where there is none."""
    try:
        return (folder / OWNER).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def folders_of(home: Home, owner: str) -> list[Path]:
    """Return the folders of data sets, also of those in the bin, of running imports, uploads and collections that belong to `owner`."""
    roots = (home.data / name for name in ("sets", "importing", "uploads", "collections", "removed"))
    return [folder for root in roots if root.is_dir() for folder in root.iterdir() if owner_of(folder) == owner]
