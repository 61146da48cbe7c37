"""The settings of the group Data split and hardware: validation split, seed, device, arithmetic and disk space."""

from typing import Literal

from pydantic import BaseModel

from cnn_core.config.setting import setting

GROUP = "Data split and hardware"
Switch = Literal["auto", "on", "off"]


class HardwareSettings(BaseModel):
    """The validation split, the seed, how the computation is done, and how many epochs are kept on the disk."""

    validation_share: float = setting(
        0.1,
        title="Validation fraction",
        group=GROUP,
        help="Fraction of the training images used for validation, where the data set has no validation split of its own.",
        ge=0.02,
        le=0.5,
    )
    images_per_class: int = setting(
        0,
        title="Images per class",
        group=GROUP,
        help="Train on at most this many images of each class, drawn with the seed, to see what a smaller data set is worth; 0 uses all. Validation and test images stay the same.",
        ge=0,
        le=1_000_000,
    )
    seed: int = setting(
        0,
        title="Seed",
        group=GROUP,
        help="Start of the random numbers for the split, the initial weights, the order of the images and the augmentation. Repeat a run with other seeds to see how much its accuracy varies.",
        ge=0,
        le=2**31 - 1,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto",
        title="Device",
        group=GROUP,
        help="Where the model is trained. Auto uses a GPU if there is one and the CPU otherwise.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto",
        title="Precision",
        group=GROUP,
        help="Number format of the arithmetic. Auto uses bfloat16 on GPUs and processors that support it and float32 elsewhere; float16 scales the loss against underflow.",
    )
    channels_last: Switch = setting(
        "auto",
        title="Channels last",
        group=GROUP,
        help="Memory layout in which the channels of a pixel lie together. On the CPU it made the backward pass of a convolution five times faster.",
    )
    compile: Switch = setting(
        "auto",
        title="Compile",
        group=GROUP,
        help="Use torch.compile. Auto uses it on GPUs for long runs; on CPUs it was slower.",
    )
    deterministic: bool = setting(
        False,
        title="Deterministic",
        group=GROUP,
        help="Use only operations whose result is the same to the bit every time on this machine, even where they are slower.",
    )
    saved_epochs: int = setting(
        5,
        title="Saved epochs",
        group=GROUP,
        help="Number of epochs whose state is kept on the disk: the best, the last, and others at even distances. Raise it to branch from more epochs; each takes about three times the size of the model.",
        ge=2,
        le=1000,
    )
