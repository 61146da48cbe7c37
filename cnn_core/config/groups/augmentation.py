"""The settings of the group Augmentation: random changes of the training images."""

from typing import Literal

from pydantic import BaseModel

from cnn_core.config.setting import Above, setting

GROUP = "Augmentation"


class AugmentationSettings(BaseModel):
    """One setting for each augmentation; 0 or off turns it off."""

    crop: float = setting(
        0.125,
        title="Random crop",
        group=GROUP,
        help="Shift every training image by up to this fraction of its side. The model then depends less on the position of an object.",
        ge=0,
        le=0.5,
    )
    crop_fill: Literal["black", "reflect"] = setting(
        "black",
        title="Padding mode",
        group=GROUP,
        only={"crop": Above(0)},
        help="What fills the border of a shifted image: black, or a reflection of the image at its edge.",
    )
    flip: Literal["off", "random", "alternating"] = setting(
        "random",
        title="Horizontal flip",
        group=GROUP,
        help="Flip training images left to right at random, or each one in every second epoch. Turn it off for digits and letters.",
    )
    cutout: float = setting(
        0.0,
        title="Cutout",
        group=GROUP,
        help="Cover a random square whose side is this fraction of the image's. The model then depends on more than one region of an image.",
        ge=0,
        le=0.75,
    )
    brightness: float = setting(
        0.0,
        title="Brightness",
        group=GROUP,
        help="Add or subtract up to this fraction of the full brightness. Use it when photographs differ in exposure.",
        ge=0,
        le=1,
    )
    contrast: float = setting(
        0.0,
        title="Contrast",
        group=GROUP,
        help="Raise or lower the contrast of every image by up to this fraction. Use it when photographs differ in light.",
        ge=0,
        le=1,
    )
    rotation: float = setting(
        0.0,
        title="Rotation",
        unit="degrees",
        group=GROUP,
        help="Rotate every image by a random angle up to this one, in both directions. Useful for drawings and handwriting.",
        ge=0,
        le=180,
    )
    scale: float = setting(
        0.0,
        title="Scale",
        group=GROUP,
        help="Enlarge or shrink every image by up to this fraction. Use it when objects appear in different sizes.",
        ge=0,
        le=0.5,
    )
    shear: float = setting(
        0.0,
        title="Shear",
        unit="degrees",
        group=GROUP,
        help="Shear every image by a random angle up to this one. Useful for handwriting.",
        ge=0,
        le=45,
    )
    resized_crop: float = setting(
        0.0,
        title="Resized crop",
        unit="smallest area",
        group=GROUP,
        help="Crop a random rectangle of at least this fraction of the area and resize it to the whole image. For photographs: 0.5 is mild, 0.08 is usual for ImageNet; 0 is off.",
        ge=0,
        le=1,
    )
    colour_jitter: float = setting(
        0.0,
        title="Colour jitter",
        group=GROUP,
        help="Multiply brightness, contrast and saturation by up to 1 ± this, and turn the hue by up to a quarter of it. For photographs: 0.4 is usual; 0 is off.",
        ge=0,
        le=1,
    )
    trivial_augment: bool = setting(
        False,
        title="TrivialAugment",
        group=GROUP,
        help="Change every image by one of 14 operations of a random strength, such as a shear, a rotation or another contrast. For photographs and long training.",
    )
    mixup: float = setting(
        0.0,
        title="Mixup",
        unit="alpha",
        group=GROUP,
        help="Blend every image and its label with another one; alpha is the parameter of the beta distribution. 0 is off, 0.2 is mild, 1 is strong.",
        ge=0,
        le=4,
    )
    cutmix: float = setting(
        0.0,
        title="CutMix",
        unit="alpha",
        group=GROUP,
        help="Paste a rectangle of another image into every image and mix the labels by area; alpha is the parameter of the beta distribution. 0 is off, 1 is usual.",
        ge=0,
        le=4,
    )
