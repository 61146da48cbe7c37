"""Defaults that do not fit the data or another setting: they are lowered, and a sentence says so. A value that a person chose is never changed.

In: settings and the facts of the data set. Out: settings that can be trained, and notes; a DataError for a data set that is too small. The
plateau patience and the head epochs, which depend on other settings alone, are lowered in `defaults`. Importing this module does not import torch.
"""

from collections.abc import Collection

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import FIELDS, TrainConfig, has_effect
from cnn_core.data.source import DataInfo
from cnn_core.data.splits import count_drawn
from cnn_core.errors import DataError
from cnn_core.models.registry import FAMILIES
from cnn_core.text import counted

LOWERED_BATCH = (
    "The batch size is {batch_size:,} instead of the default of {default:,}, because there are only {count:,} training images."
)
LOWERED_PATIENCE = "The plateau patience is {value:,} instead of the default of {default:,}, because early stopping would end the run before that."
LOWERED_HEAD = "The head alone learns for {value} instead of the default of {default}, so that the other layers learn for at least half of all epochs."
CUT_HEAD = "The head alone learns for {value} instead of {chosen}, so that the other layers learn in the last one. Raise the epochs, or lower the head epochs."

TOO_FEW_IMAGES = (
    "Data set “{data}” has at most one training image in each class, so none can be used for validation. Add images: at least two training "
    "images in every class."
)


def check_validation_images(config: TrainConfig, info: DataInfo) -> None:
    """Raise DataError where no training image can be used for validation, and the data set has no validation images of its own."""
    if info.class_counts and not info.val_count and not any(count_drawn(n, config.validation_share) for n in info.class_counts):
        raise DataError(TOO_FEW_IMAGES.format(data=config.data))


def fit_defaults(config: TrainConfig, info: DataInfo, given: Collection[str] = ()) -> TrainConfig:
    """Return `config` with a batch size that the training images of `info` suffice for, where it has the default.

    given: names of the settings that a person chose; these are not changed, even where they equal the default.
    """
    default = _default_batch_size(config)
    if "batch_size" in given or config.batch_size != default:
        return config
    return config.model_copy(update={"batch_size": _fitting(default, config.count_training_images(info))})


def describe_lowered(config: TrainConfig, info: DataInfo, given: Collection[str] = ()) -> tuple[str, ...]:
    """Return a sentence for each default that was lowered: by `fit_defaults`, from the same arguments, and by `make_config`; and where
    all epochs are head epochs, of which the last one is not (see `plan_stages`)."""
    notes, fitted = [], fit_defaults(config, info, given).batch_size
    if fitted != config.batch_size:
        count = config.count_training_images(info)
        notes.append(LOWERED_BATCH.format(batch_size=fitted, default=config.batch_size, count=count))
    default = FIELDS["plateau_patience"].default
    if "plateau_patience" not in given and config.schedule == "plateau" and config.plateau_patience < default:
        notes.append(LOWERED_PATIENCE.format(value=config.plateau_patience, default=default))
    default = FAMILIES[config.model].defaults.get("head_epochs", 0)
    if "head_epochs" not in given and has_effect("head_epochs", config.model_dump()) and config.head_epochs < default:
        notes.append(LOWERED_HEAD.format(value=counted(config.head_epochs, "epoch"), default=default))
    if has_effect("head_epochs", config.model_dump()) and config.head_epochs >= config.epochs:
        notes.append(CUT_HEAD.format(value=counted(config.epochs - 1, "epoch"), chosen=config.head_epochs))
    return tuple(notes)


def _default_batch_size(config: TrainConfig) -> int:
    return make_config(data=config.data, model=config.model, optimizer=config.optimizer).batch_size


def _fitting(default: int, count: int) -> int:
    """Return the default batch size, or the largest power of two that is at most `count`, where the default is larger."""
    return default if default <= count else 2 ** (max(1, count).bit_length() - 1)
