"""Changes: which settings can be changed while a run trains, and which of them in a branch.

In: a TrainConfig and new values. Out: another TrainConfig, or a SettingError. Importing this module does not import torch.
"""

from collections.abc import Collection, Mapping
from typing import Any

from cnn_core.config.defaults import make_config
from cnn_core.config.groups import augmentation
from cnn_core.config.schema import FIELDS, TrainConfig, facts
from cnn_core.errors import SettingError

# What can be changed while a run trains: the state it has reached stays valid whatever these become.
STEERABLE = (
    "learning_rate",
    "weight_decay",
    "epochs",
    *(name for name in FIELDS if facts(name).group == augmentation.GROUP),
)


# What a run that goes on from another one's state may have otherwise: the network, its optimizer and its images must stay.
BRANCHABLE = (
    *STEERABLE,
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


def change_config(config: TrainConfig, changes: Mapping[str, Any], allowed: Collection[str] = STEERABLE) -> TrainConfig:
    """`config` with `changes`, checked as a whole. Raises SettingError, also for a setting that is not among the `allowed`."""
    for name in changes:
        if name in FIELDS and name not in allowed:
            raise SettingError(f"{FIELDS[name].title} cannot be changed while a run trains. Start a new run with it.", name)
    return make_config(**{**config.model_dump(), **changes})
