"""Finding a run that answers the same question: the same exercise, settings, seed and data, trained or to be trained as it was asked for.

In: a run store. Out: a run that another attempt can use, because training is deterministic: it would get the same weights. Importing this
module does not import torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from cnn_core.config.fitting import fit_defaults
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.locks import wait_for_lock
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

LOCK = ".exercises.lock"


def find_same_run(store: Store, exercise: str, label: str, config: TrainConfig, info: DataInfo) -> Run | None:
    """Return the newest run `label` ("B0") of the exercise with these settings on this version of the data, None where there is none.

    The run waits, trains or is finished, is not in the bin, and nobody changed a setting while it trained or has asked for it. Data without a
    fingerprint is not imported yet: it is imported once, for all.
    """
    wanted = fit_defaults(config, info)
    for run in reversed(store.created_by(f"lesson/{exercise}")):
        is_usable = run.status in ("queued", "running", "finished") and run.removed is None and run.origin.endswith(f"/{label}")
        has_same_data = "" in (info.fingerprint, version := store.data_version(run.id)) or version == info.fingerprint
        if is_usable and run.config == wanted and has_same_data:
            is_changed = store.log.changed_settings(run.id) or store.requests.will_change(run.id)
            if not is_changed:
                return run
    return None


@contextmanager
def one_start_at_a_time(store: Store) -> Iterator[None]:
    """Run the block while no other process or thread starts an attempt, so that two who start together find each other's runs."""
    with wait_for_lock(store.home.root / LOCK):
        yield
