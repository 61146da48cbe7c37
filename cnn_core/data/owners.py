"""Whose images are whose, on a server that many share: a folder of images has a file that names the one who brought them.

In: the folder of a set, of an import or of an upload. Out: a name, "" for what belongs to nobody in particular.
"""

from pathlib import Path

from cnn_core.home import Home

OWNER = "owner.txt"


def write_owner(folder: Path, owner: str) -> None:
    """Say whose `folder` is; nothing is written where that is nobody in particular."""
    if owner:
        (folder / OWNER).write_text(owner, encoding="utf-8")


def owner_of(folder: Path) -> str:
    """Whose `folder` is; "" where nothing says so."""
    try:
        return (folder / OWNER).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def folders_of(home: Home, owner: str) -> list[Path]:
    """The folders of sets, imports under way and uploads that are `owner`'s."""
    roots = (home.data / name for name in ("sets", "importing", "uploads"))
    return [folder for root in roots if root.is_dir() for folder in root.iterdir() if owner_of(folder) == owner]
