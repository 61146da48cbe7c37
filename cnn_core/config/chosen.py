"""What was chosen in a run's settings: those that differ from the defaults, and a short name made from them.

In: a TrainConfig. Out: settings by name, or text. Settings without effect are left out. Importing this module does not import torch.
"""

from functools import lru_cache
from typing import Any

from cnn_core.config.defaults import defaults
from cnn_core.config.schema import FIELDS, TrainConfig, model_title, settings_in_effect, title, value_text
from cnn_core.text import counted

MAX_NAMED = 4  # settings in a name
MORE = "{count} more"
NAMED_BY_MODEL = ("model", "timm_name")  # the title of the model says them
OF_EARLIER_VERSIONS = {"crop_share": 1.0, "interpolation": "bicubic"}  # nobody chose them: there was no other value


def default_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the default of each setting for this data set, model and optimizer."""
    return dict(_defaults(config.data, config.model, config.optimizer))


@lru_cache(maxsize=256)  # a table of runs asks for each of them
def _defaults(data: str, model: str, optimizer: str) -> dict[str, Any]:
    fields = {name: field.default for name, field in FIELDS.items()}
    usual_model = {**fields, **defaults(data, {})}["model"]
    usual_optimizer = {**fields, **defaults(data, {"model": model})}["optimizer"]
    rest = {**fields, **defaults(data, {"model": model, "optimizer": optimizer})}
    return {**rest, "model": usual_model, "optimizer": usual_optimizer, "data": data}


def chosen_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings with an effect that differ from their defaults, by name."""
    usual = default_settings(config)
    return {name: value for name, value in settings_in_effect(config).items() if value != usual[name]}


def default_name(config: TrainConfig) -> str:
    """Return a name for a run with these settings: "ResNet-9, 30 epochs, learning rate 0.02": the model and what was chosen, at most MAX_NAMED."""
    chosen = [
        _named(name, value)
        for name, value in chosen_settings(config).items()
        if name not in NAMED_BY_MODEL and OF_EARLIER_VERSIONS.get(name) != value
    ]
    more = [MORE.format(count=len(chosen) - MAX_NAMED)] if len(chosen) > MAX_NAMED else []
    return ", ".join([model_title(config), *chosen[:MAX_NAMED], *more])


def _named(name: str, value: Any) -> str:
    if name == "epochs":
        return counted(value, "epoch")
    first, _, rest = title(name).partition(" ")
    words = f"{first.lower() if first.istitle() else first} {rest}".strip()
    return f"{words} {value_text(name, value)}"
