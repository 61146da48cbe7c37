"""Default values of settings; they depend on the data set, the model and the optimizer.

In: the chosen settings. Out: a checked TrainConfig, or a SettingError that names the field. Importing this module does not import torch.
"""

from typing import Any

from pydantic import ValidationError

from cnn_core.config.checks import check_together
from cnn_core.config.schema import FIELDS, TrainConfig
from cnn_core.config.setting import to_setting_error
from cnn_core.data.catalog import defaults_for
from cnn_core.data.names import canonical_name
from cnn_core.models.registry import FAMILIES

# Defaults of each optimizer; those of the data set and of the model take precedence.
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
    """Return a TrainConfig of the chosen settings, with defaults for the others.

    Values may be text, as on a command line. Raises SettingError for the first setting that is refused.
    """
    data = canonical_name(str(chosen.get("data", FIELDS["data"].default)))
    try:
        config = TrainConfig.model_validate({**defaults(data, chosen), **chosen, "data": data})
    except ValidationError as error:
        raise to_setting_error(TrainConfig, error) from None
    if "plateau_patience" not in chosen:
        config = _fit_plateau_patience(config)
    if "head_epochs" not in chosen:
        config = _fit_head_epochs(config)
    check_together(config)
    return config


def _fit_plateau_patience(config: TrainConfig) -> TrainConfig:
    """Return `config` with a default plateau patience below that of early stopping, which would end the run first."""
    if config.schedule == "plateau" and 1 < config.patience <= config.plateau_patience:
        return config.model_copy(update={"plateau_patience": config.patience - 1})
    return config


def _fit_head_epochs(config: TrainConfig) -> TrainConfig:
    """Return `config` with default head epochs that leave the other layers at least half of all epochs."""
    return config.model_copy(update={"head_epochs": min(config.head_epochs, config.epochs // 2)})


def defaults(data: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults for the chosen settings. Those of the data set take precedence over the model's, and these over the optimizer's."""
    model = str(chosen.get("model", defaults_for(data).get("model", FIELDS["model"].default)))
    recipe = dict(FAMILIES[model].defaults) if model in FAMILIES else {}
    recipe_optimizer = recipe.get("optimizer", FIELDS["optimizer"].default)
    optimizer = chosen.get("optimizer", recipe_optimizer)
    if optimizer != recipe_optimizer:
        recipe = {name: value for name, value in recipe.items() if name not in BELONGS_TO_OPTIMIZER}
    return {**OPTIMIZER_DEFAULTS.get(str(optimizer), {}), **recipe, **defaults_for(data)}
