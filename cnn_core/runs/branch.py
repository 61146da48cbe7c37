"""Branching: a new run that goes on from the very state another one had after an epoch, with other settings. In: a run. Out: another."""

from pathlib import Path
from typing import Any

import torch

from cnn_core.config.changes import BRANCHABLE, change_config
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import RunError, SettingError
from cnn_core.home import kept_epochs
from cnn_core.metrics.training_dynamics import copy_dynamics
from cnn_core.models.checkpoint import load_epoch, measured_weights, save_checkpoint
from cnn_core.models.saving import save_state
from cnn_core.runs.store import Store
from cnn_core.training.tracked_images import copy_tracked_images

NOTHING_YET = (-1.0, 0.0)  # validation accuracy, -loss


def branch(store: Store, parent: str, epoch: int, changes: dict[str, Any], *, press: str | None = None, owner: str = "") -> str:
    """A waiting run of `owner`'s that goes on from `parent` after `epoch` with `changes`; gives its id. Raises RunError or SettingError.

    It begins with its parent's curves, learning history and probes, and with the best network that its parent had until then.
    """
    place = store.home.run_folder(store.run(parent).id)
    state = load_epoch(place, epoch)
    config = change_config(TrainConfig.model_validate(state["config"]), changes, BRANCHABLE)
    if config.epochs <= epoch:
        raise SettingError(f"Epochs is {config.epochs}, and the run begins after epoch {epoch}. Choose more epochs.", "epochs")
    state["config"] = config.model_dump()
    weights = _best_weights(place, state)
    if not weights:  # it was not kept: then the first epoch to come is the best
        state["trainer"]["best"] = NOTHING_YET

    def prepare(run: str, folder: Path) -> None:
        save_checkpoint(folder, state)
        if weights:
            save_state(folder, weights)
        copy_tracked_images(place, folder)
        copy_dynamics(place, folder, epoch)
        store.log.copy(parent, run, epoch)

    return store.create(config, press=press, parent=parent, parent_epoch=epoch, owner=owner, prepare=prepare)


def _best_weights(folder: Path, state: dict[str, Any]) -> dict[str, torch.Tensor] | None:
    """The weights of the best epoch so far, as they are saved, if its state was kept."""
    best = max((epoch["epoch"] for epoch in state["epochs"] if epoch["is_best"]), default=0)
    if best not in kept_epochs(folder):
        return None
    try:
        return measured_weights(load_epoch(folder, best)["trainer"])
    except RunError:
        return None
