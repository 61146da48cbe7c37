"""How many models were evaluated on a data set's test images: choosing the best of many by their test accuracy overestimates it.

In: each evaluation on test images that a person opens. Out: the evaluated models, stored in the home's `looks/` as one empty file each. Creating a
file twice changes nothing, so many sessions may do so at the same time. Deleted runs still count.
"""

import contextlib
import hashlib
from pathlib import Path

from cnn_core.home import Home

MANY = 5  # models from which on the best test accuracy is clearly overestimated


def record_usage(home: Home, data: str, run: str, epoch: int | None) -> None:
    """Record that the best model of `run` (epoch None), or that after `epoch`, was evaluated on the test images of `data`."""
    folder = _folder(home, data)
    with contextlib.suppress(OSError):  # without write access the evaluation is shown all the same
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _name(run, epoch)).touch()


def models_evaluated(home: Home, data: str) -> frozenset[str]:
    """Return the models that were evaluated on the test images of `data`, by run and epoch."""
    try:
        return frozenset(path.name for path in _folder(home, data).iterdir())
    except OSError:
        return frozenset()


def is_evaluated(home: Home, data: str, run: str, epoch: int | None) -> bool:
    """Whether the best model of `run` (epoch None), or that after `epoch`, was evaluated on the test images of `data`."""
    return _name(run, epoch) in models_evaluated(home, data)


def count_models(home: Home, data: str, run: str, epoch: int | None) -> int:
    """Return the number of models evaluated on the test images of `data`, including this one."""
    return len(models_evaluated(home, data) | {_name(run, epoch)})


def _folder(home: Home, data: str) -> Path:
    """Return the folder of a data set. `data` may be a path, so its hash is the name."""
    return home.test_set_usage / hashlib.sha256(data.encode()).hexdigest()[:16]


def _name(run: str, epoch: int | None) -> str:
    return f"{run}.{'best' if epoch is None else f'{epoch:04d}'}"
