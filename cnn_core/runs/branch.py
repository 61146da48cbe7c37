"""Branching: a new run that continues from the saved state of another run after an epoch, with changed settings.

In: a run, an epoch and changes. Out: the id of the new run, which waits in the queue.
"""

from pathlib import Path
from typing import Any

from cnn_core.config.changes import BRANCHABLE, change_config
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import SettingError
from cnn_core.metrics.training_dynamics import copy_dynamics
from cnn_core.models.checkpoint import BEST_MODEL, best_weights, load_epoch, save_checkpoint
from cnn_core.models.saving import save_state
from cnn_core.runs.continuation import check_continuation
from cnn_core.runs.store import Store
from cnn_core.training.tracked_images import copy_tracked_images

NO_BEST_YET = (-1.0, 0.0)  # validation accuracy, -loss


def branch_run(
    store: Store, parent: str, epoch: int, changes: dict[str, Any], *, submission: str | None = None, owner: str = ""
) -> str:
    """Create a run of `owner` that continues from `parent` after `epoch` with `changes`; return its id.

    It starts with its parent's curves, training dynamics, tracked images and best model up to that epoch; where early stopping ended
    its parent, the patience begins anew. Raises RunError, SettingError, and DataError where the images are missing or have changed (see
    `check_continuation`).
    """
    check_continuation(store, store.run(parent))
    parent_folder = store.home.run_folder(parent)
    state = load_epoch(parent_folder, epoch)
    config = change_config(TrainConfig.model_validate(state["config"]), changes, BRANCHABLE)
    if config.epochs <= epoch:
        raise SettingError(
            f"Epochs is {config.epochs}, and the new run starts after epoch {epoch}. Choose more epochs.", "epochs"
        )
    state["config"] = config.model_dump()
    if 0 < config.patience <= state["trainer"]["waited"]:  # the parent was stopped early here: the branch would end at once
        state["trainer"]["waited"] = 0
    weights = best_weights(parent_folder, state)
    state.pop(BEST_MODEL, None)
    if not weights:  # a state of an earlier version, whose best epoch was deleted: the next epoch counts as the best
        state["trainer"]["best"] = NO_BEST_YET

    def prepare(run: str, folder: Path) -> None:
        save_checkpoint(folder, state)
        if weights:
            save_state(folder, weights)
        copy_tracked_images(parent_folder, folder)
        copy_dynamics(parent_folder, folder, epoch)
        store.log.copy(parent, run, epoch, epochs=config.epochs)

    return store.create(config, submission=submission, parent=parent, parent_epoch=epoch, owner=owner, prepare=prepare)
