"""Suggested values for settings: what the diagnostics and the errors of failed runs propose, one function for each cause, and as text.

In: the current settings. Out: changes, settings by name. Importing this module does not import torch.
"""

from typing import Any

from cnn_core.config.changes import change_config
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig, has_effect, title
from cnn_core.errors import SettingError

HIGH_FACTOR = 3  # times the default learning rate or more: then the default is suggested
LOWER_FACTOR = 1 / 3  # one step on the usual scale of learning rates: 0.001, 0.0003, 0.0001
MUCH_LOWER_FACTOR = 1 / 10  # for a learning rate at which the loss became infinite
CROP, CUTOUT, DROPOUT, WEIGHT_DECAY = (
    0.125,
    0.25,
    0.25,
    0.0005,
)  # common first values against overfitting; dropout is raised by this much
MAX_DROPOUT = 0.5
LESS_OVERFITTING = "Use more augmentation or regularisation, or more training images."
LESS_OVERFITTING_OF_HEAD = "Use more regularisation or more training images."  # augmentation has no effect
RESTART = "Start again with {changes}."
LOWER_RATE = "Choose a lower learning rate and start again."
NO_BATCH_FITS = "Not even a batch of one image fits. Choose a smaller model."
SMALL_BATCH, SMALLER_BATCH = 16, 4  # more steps: a quarter of the batch size, down to this one, whose gradients are still usable
MORE_EPOCHS = 2  # times as many epochs
FURTHER_EPOCHS = 10  # for a completed run
MAX_EPOCHS = 1000  # of the setting
LARGER_SHARE = 0.3  # of the training images for validation, where 15 or 20% are too few to judge
MAX_CHANGES = 2  # with more changes at once it is unclear which one helped


def default_learning_rate(config: TrainConfig) -> float:
    """Return the default learning rate of this data set, model and optimizer."""
    return make_config(data=config.data, model=config.model, optimizer=config.optimizer).learning_rate


def lower_learning_rate(config: TrainConfig) -> dict[str, Any]:
    """Suggest the default learning rate where the current one is far above it, else the next lower step."""
    default = default_learning_rate(config)
    return {
        "learning_rate": default
        if config.learning_rate > HIGH_FACTOR * default
        else round_to_one_digit(config.learning_rate * LOWER_FACTOR)
    }


def changes_after_divergence(config: TrainConfig) -> dict[str, Any]:
    """Suggest a tenth of the learning rate, at most the default; float32 for a run in float16, which has a narrow range."""
    if config.precision == "float16":
        return {"precision": "float32"}
    lower = min(default_learning_rate(config), round_to_one_digit(config.learning_rate * MUCH_LOWER_FACTOR))
    return applicable_changes(config, {"learning_rate": lower})


def divergence_remedy(config: TrainConfig) -> str:
    """Return the sentence that says what to change after training with `config` diverged."""
    changes = changes_after_divergence(config)
    return RESTART.format(changes=describe_changes(changes)) if changes else LOWER_RATE


def smaller_batch_for_memory(size: int) -> dict[str, Any]:
    """Suggest the batch size of `size` images, which was tried and fits into the memory; nothing for 0."""
    return {"batch_size": size} if size else {}


def memory_remedy(size: int) -> str:
    """Return the sentence that says what to change where a batch does not fit into the memory and one of `size` images does, 0 for none."""
    return RESTART.format(changes=describe_changes(smaller_batch_for_memory(size))) if size else NO_BATCH_FITS


def more_steps(config: TrainConfig) -> dict[str, Any]:
    """Suggest a smaller batch size, which gives more steps in the same time; more epochs where it is small already."""
    smaller = max(SMALL_BATCH, config.batch_size // SMALLER_BATCH)
    return {"batch_size": smaller} if smaller < config.batch_size else more_epochs(config)


def more_epochs(config: TrainConfig) -> dict[str, Any]:
    """Suggest twice the epochs."""
    return {"epochs": min(MAX_EPOCHS, MORE_EPOCHS * config.epochs)}


def larger_validation_share(config: TrainConfig) -> dict[str, Any]:
    """Suggest more of the training images for validation."""
    return {"validation_share": LARGER_SHARE} if config.validation_share < LARGER_SHARE else {}


def falling_schedule() -> dict[str, Any]:
    """Suggest a schedule that lowers the learning rate towards the end."""
    return {"schedule": "cosine"}


def clip_gradients(typical: float) -> dict[str, Any]:
    """Suggest gradient clipping at twice the `typical` gradient norm."""
    return {"clip_norm": max(0.01, round_to_one_digit(2 * typical))}


def learning_rate_after_chance(config: TrainConfig) -> dict[str, Any]:
    """Suggest the default learning rate to a run at chance level whose own is far below it, else a lower one."""
    default = default_learning_rate(config)
    return {"learning_rate": default} if is_rate_low(config) else lower_learning_rate(config)


def is_rate_low(config: TrainConfig) -> bool:
    """Whether the learning rate is far below the default one."""
    return config.learning_rate * HIGH_FACTOR < default_learning_rate(config)


def more_regularisation(config: TrainConfig) -> dict[str, Any]:
    """Suggest up to MAX_CHANGES of augmentation, dropout and weight decay that are off and have an effect."""
    changes = {"crop": CROP} if not config.crop else {"cutout": CUTOUT} if not config.cutout else {}
    if config.dropout < MAX_DROPOUT:
        changes["dropout"] = round(min(MAX_DROPOUT, config.dropout + DROPOUT), 4)
    if not config.weight_decay:
        changes["weight_decay"] = WEIGHT_DECAY
    chosen = config.model_dump()
    return dict([(name, value) for name, value in changes.items() if has_effect(name, chosen)][:MAX_CHANGES])


def remedy_for_overfitting(config: TrainConfig) -> str:
    """Return what to do about overfitting, in a sentence."""
    return LESS_OVERFITTING_OF_HEAD if config.learns_on_features else LESS_OVERFITTING


def other_activation(config: TrainConfig) -> dict[str, Any]:
    """Suggest leaky ReLU where ReLU was chosen; nothing where the model has an activation of its own."""
    has_choice = config.activation == "relu" and has_effect("activation", config.model_dump())
    return {"activation": "leaky_relu"} if has_choice else {}


def applicable_changes(config: TrainConfig, changes: dict[str, Any]) -> dict[str, Any]:
    """Return those of `changes` that differ from `config` and have an effect; none where the changed settings would be refused."""
    try:
        changed = with_changes(config, changes)
    except SettingError:
        return {}
    differing = {name: value for name, value in changes.items() if getattr(changed, name) != getattr(config, name)}
    return {name: value for name, value in differing.items() if has_effect(name, changed.model_dump())}


def with_changes(config: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    """Return `config` with `changes`, for a new run. Raises SettingError."""
    return change_config(config, changes, TrainConfig.model_fields)


def epochs_after(epoch: int) -> int:
    """Return the number of epochs for a run that continues after its last one, `epoch`: ten more, at most twice as many."""
    return min(epoch + min(FURTHER_EPOCHS, max(1, epoch)), MAX_EPOCHS)


def describe_changes(changes: dict[str, Any]) -> str:
    """Return changed settings as text: "learning rate 0.0003 and epochs 40"."""
    return " and ".join(f"{title(name).lower()} {_format_value(value)}" for name, value in changes.items())


def round_to_one_digit(value: float) -> float:
    """Round to one significant digit."""
    return float(f"{value:.0e}")


def _format_value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
