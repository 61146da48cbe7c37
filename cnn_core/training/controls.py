"""Changes, pauses and saves that a person requests while a run trains: collected between two events, applied before the next step.

In: requests, from the code that iterates over the training. Out: a trainer with other settings, as if it had been created with them.
Which settings may change: `config.changes.CHANGEABLE`. The settings in force are part of every checkpoint.
"""

from dataclasses import dataclass, field
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.config.suggestions import divergence_remedy
from cnn_core.data.batches import Batches
from cnn_core.data.source import DataInfo
from cnn_core.training.augmentation import make_augmentations, make_mixing
from cnn_core.training.loop import Trainer
from cnn_core.training.schedule import make_resizing


@dataclass
class TrainingControls:
    """Requests that the training has not read yet. Set and read them in one thread, between two events of the training.

    `changes`: settings by name. `should_save`: write a checkpoint. `is_paused`: take no step while this is True.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    should_save: bool = False
    is_paused: bool = False

    def take_changes(self) -> dict[str, Any]:
        """Return the requested changes and clear them."""
        changes, self.changes = self.changes, {}
        return changes

    def take_save(self) -> bool:
        """Return whether a checkpoint was requested and clear the request."""
        should_save, self.should_save = self.should_save, False
        return should_save


def apply_settings(trainer: Trainer, config: TrainConfig, info: DataInfo, mean: tuple[float, ...]) -> None:
    """Change the settings of `trainer` to those of `config`, from the next step on. mean: of the training images' channels, 0..1."""
    steps_per_epoch = len(trainer.batches)
    trainer.epochs = config.epochs
    trainer.replan(config)
    trainer.resizing = make_resizing(config, steps_per_epoch, info.image_size)
    for stage in trainer.stages:
        stage.optimizer.set_weight_decay(config.weight_decay)
        if isinstance(stage.batches, Batches):
            stage.batches.augmentations = make_augmentations(config, info.image_size, mean)
            stage.batches.mix = make_mixing(config, len(info.classes))
    trainer.meter.remedy = divergence_remedy(config)
