"""What the doctor may prescribe: other values for settings, checked as the form checks them, and in words.

In: the settings in force. Out: changes, settings by name. Importing this module does not import torch.
"""

from typing import Any

from cnn_core.config.changes import change_config
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig, has_effect
from cnn_core.errors import SettingError

FAR_OFF = 3  # times the usual learning rate or more: then the usual one is the better advice
LOWER = 1 / 3  # the step on the usual scale of learning rates: 0.001, 0.0003, 0.0001
MUCH_LOWER = 1 / 10  # for a rate at which the loss left the range of numbers
CROP, CUTOUT, DROPOUT, DECAY = 0.125, 0.25, 0.25, 0.0005  # against memorising: usual first values; dropout is raised by so much
MOST_DROPOUT = 0.5
AT_ONCE = 2  # changes; with more of them nobody learns which one helped


def usual_rate(config: TrainConfig) -> float:
    """The learning rate that this data set, network and optimizer get where nobody chose one."""
    return make_config(data=config.data, model=config.model, optimizer=config.optimizer).learning_rate


def lower_rate(config: TrainConfig) -> dict[str, Any]:
    """The usual learning rate where the present one is far above it, else the next one down the scale."""
    usual = usual_rate(config)
    return {"learning_rate": usual if config.learning_rate > FAR_OFF * usual else rounded(config.learning_rate * LOWER)}


def far_lower_rate(config: TrainConfig) -> dict[str, Any]:
    return {"learning_rate": min(usual_rate(config), rounded(config.learning_rate * MUCH_LOWER))}


def regularise(config: TrainConfig) -> dict[str, Any]:
    """More variety and less memory: the first few of what is not yet done and has an effect."""
    ways = {"crop": CROP} if not config.crop else {"cutout": CUTOUT} if not config.cutout else {}
    if config.dropout < MOST_DROPOUT and has_effect("dropout", config.model_dump()):
        ways["dropout"] = round(min(MOST_DROPOUT, config.dropout + DROPOUT), 4)
    if not config.weight_decay:
        ways["weight_decay"] = DECAY
    return dict(list(ways.items())[:AT_ONCE])


def other_activation(config: TrainConfig) -> dict[str, Any]:
    """Leaky ReLU where ReLU was chosen; empty where the network has an activation of its own."""
    can_be = config.activation == "relu" and has_effect("activation", config.model_dump())
    return {"activation": "leaky_relu"} if can_be else {}


def possible(config: TrainConfig, changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` where they are within all ranges, possible together and not in force already; else none."""
    try:
        other = changed(config, changes)
    except SettingError:
        return {}
    return {name: value for name, value in changes.items() if getattr(other, name) != getattr(config, name)}


def changed(config: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    """`config` with `changes`, for a new run, which may have any of them. Raises SettingError."""
    return change_config(config, changes, TrainConfig.model_fields)


def in_words(changes: dict[str, Any]) -> str:
    """Changed settings as words: "learning rate 0.0003 and epochs 40"."""
    return " and ".join(f"{TrainConfig.model_fields[name].title.lower()} {_shown(value)}" for name, value in changes.items())


def rounded(value: float) -> float:
    """To one significant digit."""
    return float(f"{value:.0e}")


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
