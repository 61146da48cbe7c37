"""The data sets by name. In: a catalogue name or a folder's path. Out: its source, and the settings it wants by default.

Importing this module imports neither torch nor scikit-learn; sources load what they need when images are asked for.
To add a set: write its source beside this file and add an entry to `CATALOG`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnn_core.data.source import DataSource
from cnn_core.errors import DataError
from cnn_core.home import Home


def _digits(home: Home) -> DataSource:
    from cnn_core.data.digits import DigitsSource

    return DigitsSource()


def _cifar10(home: Home) -> DataSource:
    from cnn_core.data.cifar10 import Cifar10Source

    return Cifar10Source(home.data / "cifar10")


@dataclass(frozen=True)
class Entry:
    """One catalogue entry. `defaults` override TrainConfig's defaults where the set wants something else."""

    name: str
    title: str
    help: str
    open: Callable[[Home], DataSource]
    defaults: dict[str, Any] = field(default_factory=dict)


CATALOG = {
    entry.name: entry
    for entry in (
        Entry(
            name="digits",
            title="Digits",
            help="1,797 real handwritten digits, included: nothing to download, trained in seconds.",
            open=_digits,
            # A mirrored 3 is not a 3.
            defaults={"epochs": 25, "flip": "off", "validation_share": 0.15},
        ),
        Entry(
            name="cifar10",
            title="CIFAR-10",
            help="60,000 small colour photographs in ten classes. The first start downloads 170 MB.",
            open=_cifar10,
        ),
    )
}


def defaults_for(data: str) -> dict[str, Any]:
    """The settings that data set `data` wants by default, by name; empty for a folder."""
    return dict(CATALOG[data].defaults) if data in CATALOG else {}


def canonical_name(data: str) -> str:
    """How a data set is recorded: its catalogue name, or the absolute path of its folder."""
    if data in CATALOG or not data:
        return data
    try:
        return str(Path(data).expanduser().resolve())
    except (OSError, ValueError, RuntimeError):
        return data


def open_source(data: str, home: Home | None = None) -> DataSource:
    """The source that `data` names: a catalogue name, or a folder with one sub-folder per class. Raises DataError."""
    if data in CATALOG:
        return CATALOG[data].open(home or Home.from_environment())
    folder = Path(canonical_name(data))
    try:
        is_folder = bool(data) and folder.is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        raise DataError(
            f"Data set “{data[:200]}” is neither in the catalogue ({', '.join(CATALOG)}) nor a folder on this machine. Check the spelling."
        )
    from cnn_core.data.folder import FolderSource

    return FolderSource(folder)
