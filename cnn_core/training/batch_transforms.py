"""The augmentations and the mixing of a run's settings as functions of a batch, in the order in which they are applied.

In: a TrainConfig. Out: functions batch -> batch. What is switched off is left out.
"""

from cnn_core.config.schema import TrainConfig
from cnn_core.data.augmentation import (
    AlternatingFlip,
    Augmentation,
    Brightness,
    Contrast,
    Cutout,
    RandomAffine,
    RandomCrop,
    RandomFlip,
)
from cnn_core.data.mixing import CutMix, Mix, MixEither, MixUp


def make_augmentations(config: TrainConfig, image_size: int, mean: tuple[float, ...]) -> tuple[Augmentation, ...]:
    """Return the augmentations in use for images of `image_size` pixels. `mean` (0..1 per channel) fills the holes of cutout."""
    padding = round(config.crop * image_size)
    is_on: dict[Augmentation, bool] = {
        RandomAffine(config.rotation, config.scale, config.shear): bool(config.rotation or config.scale or config.shear),
        RandomCrop(padding, config.crop_fill): padding > 0,
        RandomFlip(): config.flip == "random",
        AlternatingFlip(config.seed): config.flip == "alternating",
        Brightness(config.brightness): config.brightness > 0,
        Contrast(config.contrast): config.contrast > 0,
        Cutout(config.cutout, tuple(255 * value for value in mean)): config.cutout > 0,
    }
    return tuple(augmentation for augmentation in is_on if is_on[augmentation])


def make_mixing(config: TrainConfig, classes: int) -> Mix | None:
    """Return Mixup or CutMix, the random choice between both where both are on, or None."""
    mixes: list[Mix] = []
    if config.mixup:
        mixes.append(MixUp(config.mixup, classes))
    if config.cutmix:
        mixes.append(CutMix(config.cutmix, classes))
    return MixEither(tuple(mixes)) if len(mixes) == 2 else mixes[0] if mixes else None
