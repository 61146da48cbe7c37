"""Checks of settings that exclude each other, whatever the data set."""

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import SettingError


def check_together(config: TrainConfig) -> None:
    """Refuse what is impossible together, whatever the data."""
    if config.schedule == "plateau" and config.cutmix:
        raise SettingError(
            "CutMix cannot be used with the schedule “plateau”: with pasted images the losses swing too much to tell a plateau. Set CutMix to 0, or choose the cosine schedule.",
            "cutmix",
        )
    if config.patience and config.schedule == "plateau" and config.patience <= config.plateau_patience:
        raise SettingError(
            f"Early stopping after {config.patience} epochs would end the run before the schedule “plateau” drops the rate after {config.plateau_patience}. Choose a longer early stopping or a shorter plateau patience.",
            "patience",
        )
    if config.device == "cpu" and config.precision == "float16":
        raise SettingError("Precision float16 is for GPUs only. Choose float32 or bfloat16 on the CPU.", "precision")
