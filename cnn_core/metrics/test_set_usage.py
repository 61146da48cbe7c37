"""How many networks were already looked at on a data set's test images: whoever chooses among many by them finds what they are lucky on.

In: an evaluation on test images that was opened. Out: which networks that happened to, kept in the home's `looks/`, one empty file a network:
making a file that is there already changes nothing, so any number of sessions may do it at once, and runs that are deleted still count.
"""

import contextlib
import hashlib
from pathlib import Path

from cnn_core.home import Home

MANY = 5  # networks from which on the best one's test accuracy is no longer to be taken at its word


def record_usage(home: Home, data: str, run: str, epoch: int | None) -> None:
    """The test images of `data` were looked at for the best network of `run` (epoch None) or the one after `epoch`."""
    folder = _folder(home, data)
    with contextlib.suppress(OSError):  # a home that cannot be written to is no reason to show nothing
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _name(run, epoch)).touch()


def models_evaluated(home: Home, data: str) -> frozenset[str]:
    """The networks that the test images of `data` were looked at for, by run and epoch."""
    try:
        return frozenset(path.name for path in _folder(home, data).iterdir())
    except OSError:
        return frozenset()


def count_models(home: Home, data: str, run: str, epoch: int | None) -> int:
    """Networks that the test images of `data` were looked at for, with the one that is looked at now."""
    return len(models_evaluated(home, data) | {_name(run, epoch)})


def _folder(home: Home, data: str) -> Path:
    """`data` may be a path, so it is no name of a folder."""
    return home.looks / hashlib.sha256(data.encode()).hexdigest()[:16]


def _name(run: str, epoch: int | None) -> str:
    return f"{run}.{'best' if epoch is None else f'{epoch:04d}'}"
