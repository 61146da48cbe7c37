"""The settings that can be changed while a run trains, and those that a branched run can change.

In: a TrainConfig and new values. Out: another TrainConfig, or a SettingError. Importing this module does not import torch.
"""

from collections.abc import Collection, Mapping
from typing import Any

from cnn_core.config.defaults import make_config
from cnn_core.config.groups import augmentation
from cnn_core.config.schema import FIELDS, TrainConfig, metadata
from cnn_core.errors import SettingError

# Settings that can be changed while a run trains: weights and optimizer state stay valid.
CHANGEABLE = (
    "learning_rate",
    "weight_decay",
    "epochs",
    "saved_epochs",
    *(name for name in FIELDS if metadata(name).group == augmentation.GROUP),
)

# Settings that a run may change when it continues from another run's state: network, optimizer and images must stay the same.
BRANCHABLE = (
    *CHANGEABLE,
    "dropout",
    "label_smoothing",
    "clip_norm",
    "mirror",
    "patience",
    "warmup",
    "drop_at",
    "drop_factor",
    "plateau_patience",
    "knots",
    "start_side",
)

NOT_CHANGEABLE = "{setting} cannot be changed while a run trains. Start a new run with it."


def change_config(config: TrainConfig, changes: Mapping[str, Any], allowed: Collection[str] = CHANGEABLE) -> TrainConfig:
    """Return `config` with `changes`, checked as a whole. Raises SettingError, also for a setting that is not `allowed` to change.

    The data set stays what the run recorded, also while there is none of that name: `make_config` would take the name for a path.
    """
    for name in changes:
        if name in FIELDS and name not in allowed:
            raise SettingError(NOT_CHANGEABLE.format(setting=FIELDS[name].title), name)
    changed = make_config(**{**config.model_dump(), **changes})
    return changed if "data" in changes else changed.model_copy(update={"data": config.data})
