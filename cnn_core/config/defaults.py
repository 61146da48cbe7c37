"""Defaults: the value of every setting that nobody chose, from the data set, the network and the optimizer.

In: what was chosen. Out: a checked TrainConfig, or a SettingError that names the field. Importing this module does not import torch.
"""

from typing import Any

from pydantic import ValidationError

from cnn_core.config.checks import check_together
from cnn_core.config.schema import FIELDS, TrainConfig
from cnn_core.config.setting import refusal
from cnn_core.data.catalog import defaults_for
from cnn_core.data.names import canonical_name
from cnn_core.models.registry import FAMILIES

# What each optimizer wants by default where the data set and the network's own recipe say nothing.
OPTIMIZER_DEFAULTS: dict[str, dict[str, Any]] = {
    "adam": {},
    "adamw": {"weight_decay": 0.01},
    "sgd": {"learning_rate": 0.02, "weight_decay": 0.0005},
    "rmsprop": {"learning_rate": 0.0005, "momentum": 0.0},
    "muon": {"learning_rate": 0.02, "momentum": 0.95, "weight_decay": 0.01},
}
BELONGS_TO_OPTIMIZER = (
    "optimizer",
    "learning_rate",
    "momentum",
    "nesterov",
    "weight_decay",
    "adam_rate",
    "schedule",
    "warmup",
    "knots",
)


def make_config(**chosen: Any) -> TrainConfig:
    """A TrainConfig from what was chosen, and for the rest from the defaults of the data set, the network and the optimizer.

    Values may be text (as from a command line). Raises SettingError naming the first field that is refused.
    """
    data = canonical_name(str(chosen.get("data", FIELDS["data"].default)))
    try:
        config = TrainConfig.model_validate({**defaults(data, chosen), **chosen, "data": data})
    except ValidationError as error:
        raise refusal(TrainConfig, error) from None
    check_together(config)
    return config


def defaults(data: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """What settings are where nobody chose them: the data set's wishes before the network's before the optimizer's."""
    model = str(chosen.get("model", defaults_for(data).get("model", FIELDS["model"].default)))
    wanted = dict(FAMILIES[model].defaults) if model in FAMILIES else {}
    usual = FIELDS["optimizer"].default
    optimizer = chosen.get("optimizer", wanted.get("optimizer", usual))
    if optimizer != wanted.get("optimizer", usual):  # the network's recipe was made for another one
        wanted = {name: value for name, value in wanted.items() if name not in BELONGS_TO_OPTIMIZER}
    return {**OPTIMIZER_DEFAULTS.get(str(optimizer), {}), **wanted, **defaults_for(data)}
