"""What the network is shown: the settings' augmentations as functions, in the order in which they are applied.

In: a TrainConfig. Out: augmentations (batch -> batch) and the mixing of images and labels. Off is left out.
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


def augmentations(config: TrainConfig, image_size: int, mean: tuple[float, ...]) -> tuple[Augmentation, ...]:
    """The augmentations that are switched on, for images of `image_size` pixels; `mean` per channel (0..1) fills cutout's holes."""
    padding = round(config.crop * image_size)
    chosen: dict[Augmentation, bool] = {
        RandomAffine(config.rotation, config.scale, config.shear): bool(config.rotation or config.scale or config.shear),
        RandomCrop(padding, config.crop_fill): padding > 0,
        RandomFlip(): config.flip == "random",
        AlternatingFlip(config.seed): config.flip == "alternating",
        Brightness(config.brightness): config.brightness > 0,
        Contrast(config.contrast): config.contrast > 0,
        Cutout(config.cutout, tuple(255 * value for value in mean)): config.cutout > 0,
    }
    return tuple(augmentation for augmentation, is_on in chosen.items() if is_on)


def mixing(config: TrainConfig, classes: int) -> Mix | None:
    """Mixup, CutMix, for each image one of both, or None."""
    chosen: list[Mix] = []
    if config.mixup:
        chosen.append(MixUp(config.mixup, classes))
    if config.cutmix:
        chosen.append(CutMix(config.cutmix, classes))
    return MixEither(tuple(chosen)) if len(chosen) == 2 else chosen[0] if chosen else None
