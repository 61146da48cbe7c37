"""Checks of combinations of settings. In: a TrainConfig. Out: a SettingError for settings that exclude each other."""

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import SettingError


def check_together(config: TrainConfig) -> None:
    """Check settings that exclude each other. Raises SettingError."""
    if config.schedule == "plateau" and config.cutmix:
        raise SettingError(
            "CutMix cannot be used with the schedule “plateau”, because the loss varies too much to detect a plateau. Set CutMix to 0, or choose the cosine schedule.",
            "cutmix",
        )
    if config.patience and config.schedule == "plateau" and config.patience <= config.plateau_patience:
        raise SettingError(
            f"Early stopping after {config.patience} epochs would end the run before the schedule “plateau” lowers the learning rate after {config.plateau_patience} epochs. Raise early stopping or lower the plateau patience.",
            "patience",
        )
    if config.device == "cpu" and config.precision == "float16":
        raise SettingError("Precision float16 works only on GPUs. Choose float32 or bfloat16 for the CPU.", "precision")
