"""The settings of a run: every one with its name, range, unit and sentence of help in this one place.

The form, the command line, settings files and `config.json` are all made from these fields. In: anything a person typed. Out: a
frozen `TrainConfig`, or a SettingError that names the field in words. Importing this module does not import torch.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cnn_core.config import setting as settings
from cnn_core.config.setting import parse_knots, parse_places, refusal, setting
from cnn_core.data.catalog import canonical_name, defaults_for
from cnn_core.data.source import DataInfo
from cnn_core.errors import SettingError
from cnn_core.models.registry import FAMILIES

GROUPS = ("Training", "Network", "Schedule", "Augmentation", "Regularisation", "Split and machine")
Choice = Literal["auto", "on", "off"]


class TrainConfig(BaseModel):
    """Everything that decides a training run. Two runs with equal settings on one machine see the same batches."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = setting(
        "digits",
        title="Data set",
        unit="name or folder",
        group="",
        help="A name from the catalogue, or a folder with one sub-folder of images per class.",
        min_length=1,
        max_length=4096,
    )
    model: str = setting("simple", title="Model", unit="kind of network", group="", help="The kind of network to train.")

    epochs: int = setting(
        20,
        title="Epochs",
        unit="passes",
        group="Training",
        help="How often the network sees every training image. More takes longer and, at some point, only memorises.",
        ge=1,
        le=1000,
    )
    batch_size: int = setting(
        64,
        title="Batch size",
        unit="images per step",
        group="Training",
        help="Images that one step learns from. Smaller is noisier but often generalises better; larger uses the machine better.",
        ge=1,
        le=4096,
    )
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "muon"] = setting(
        "adam",
        title="Optimizer",
        unit="how weights move",
        group="Training",
        help="Adam adapts the step of every weight, AdamW also decays weights, SGD follows the slope with momentum, RMSprop divides by recent slopes, Muon turns every weight matrix's step into a rotation.",
    )
    learning_rate: float = setting(
        0.001,
        title="Learning rate",
        unit="per step",
        group="Training",
        help="How far one step moves the weights, at its highest point. Too high diverges, too low crawls.",
        gt=0,
        le=10,
    )
    momentum: float = setting(
        0.9,
        title="Momentum",
        unit="share kept",
        group="Training",
        only={"optimizer": ("sgd", "rmsprop", "muon")},
        help="How much of the last step's direction is kept in the next one.",
        ge=0,
        le=0.999,
    )
    nesterov: bool = setting(
        True,
        title="Nesterov momentum",
        unit="look ahead",
        group="Training",
        only={"optimizer": ("sgd", "muon")},
        help="Look at the slope where the momentum is about to lead, not where the weights are.",
    )
    adam_rate: float = setting(
        0.1,
        title="AdamW's rate beside Muon",
        unit="of the learning rate",
        group="Training",
        only={"optimizer": ("muon",)},
        help="Muon moves matrices only; biases, norms and the last layer are moved by AdamW at this share of the learning rate.",
        gt=0,
        le=10,
    )
    weight_decay: float = setting(
        0.0,
        title="Weight decay",
        unit="share of the weight",
        group="Training",
        help="Pulls every weight towards zero, against memorising. Adam, SGD and RMSprop add it to the slope; AdamW and Muon shrink the weights by it.",
        ge=0,
        le=1,
    )
    decay_all: bool = setting(
        False,
        title="Decay norms and biases too",
        unit="weight decay",
        group="Training",
        help="Usually only the weights of convolutions and linear layers decay.",
    )

    width: float = setting(
        1.0,
        title="Width",
        unit="times the channels",
        group="Network",
        help="Channels of every layer, relative to the family's own. Twice the width is about four times the work.",
        ge=0.25,
        le=4,
    )
    depth: int = setting(
        3,
        title="Depth",
        unit="convolution blocks",
        group="Network",
        help="Convolution blocks, each of which halves the side of the image.",
        ge=1,
        le=6,
    )
    activation: Literal["relu", "gelu", "silu", "leaky_relu"] = setting(
        "relu",
        title="Activation",
        unit="bend between layers",
        group="Network",
        help="ReLU cuts off below zero, leaky ReLU lets a little through, GELU and SiLU bend smoothly.",
    )
    batch_norm: bool = setting(
        False,
        title="Batch norm",
        unit="after convolutions",
        group="Network",
        help="Scales every channel to mean 0 and deviation 1 within the batch, which lets it learn faster at higher rates.",
    )
    weights: str = setting(
        "scratch",
        title="Starting weights",
        unit="scratch, pretrained or a file",
        group="Network",
        help="Start from random weights, from weights that torchvision downloads, or from a PyTorch or safetensors file on this machine.",
        min_length=1,
        max_length=4096,
    )

    schedule: Literal["cosine", "constant", "step", "onecycle", "linear", "plateau"] = setting(
        "cosine",
        title="Schedule",
        unit="learning rate over time",
        group="Schedule",
        help="Cosine falls smoothly to zero, step drops at fixed places, one-cycle rises long and falls to almost nothing, linear follows your own knots, plateau drops when validation no longer improves.",
    )
    warmup: float = setting(
        0.02,
        title="Warm-up",
        unit="share of the training",
        group="Schedule",
        help="Part of the training at its start in which the learning rate rises from almost zero.",
        ge=0,
        le=0.5,
    )
    drop_at: str = setting(
        "0.5, 0.75",
        title="Drops at",
        unit="shares of the training",
        group="Schedule",
        only={"schedule": ("step",)},
        help="Where the learning rate drops: rising shares of the training, with commas between them.",
        min_length=1,
        max_length=200,
    )
    drop_factor: float = setting(
        0.1,
        title="Drop factor",
        unit="times the rate",
        group="Schedule",
        only={"schedule": ("step", "plateau")},
        help="What the learning rate is multiplied by at every drop.",
        ge=0.001,
        le=0.9,
    )
    plateau_patience: int = setting(
        3,
        title="Plateau patience",
        unit="epochs",
        group="Schedule",
        only={"schedule": ("plateau",)},
        help="Epochs without a lower validation loss after which the rate drops.",
        ge=1,
        le=100,
    )
    knots: str = setting(
        "0:0.1, 0.3:1, 1:0",
        title="Knots",
        unit="place:share of the peak",
        group="Schedule",
        only={"schedule": ("linear",)},
        help="The rate moves in straight lines between these points: a place in the training from 0 to 1, and a share of the learning rate.",
        min_length=1,
        max_length=400,
    )
    start_side: float = setting(
        1.0,
        title="Progressive resizing",
        unit="share of the image side at the start, 1 is off",
        group="Schedule",
        only={"model": tuple(family.name for family in FAMILIES.values() if family.takes_any_side)},
        help="Training images are shrunk at first and grow to their full size over two thirds of the training, so that early steps cost less.",
        ge=0.5,
        le=1,
    )

    crop: float = setting(
        0.125,
        title="Random crop",
        unit="share of the side",
        group="Augmentation",
        help="Shift every training image by up to this share of its side, so that position does not matter.",
        ge=0,
        le=0.5,
    )
    crop_fill: Literal["black", "reflect"] = setting(
        "black",
        title="Fill of the crop",
        unit="at the border",
        group="Augmentation",
        help="What is shown where the shifted image ends: black, or the image mirrored at its edge.",
    )
    flip: Literal["off", "random", "alternating"] = setting(
        "random",
        title="Flip",
        unit="left to right",
        group="Augmentation",
        help="Mirror training images at random, or each one in every second epoch. Right for photographs, wrong for digits and letters.",
    )
    cutout: float = setting(
        0.0,
        title="Cutout",
        unit="share of the side",
        group="Augmentation",
        help="Cover a square of this size at a random place, so that no single part of an image is relied on.",
        ge=0,
        le=0.75,
    )
    brightness: float = setting(
        0.0,
        title="Brightness",
        unit="± of full",
        group="Augmentation",
        help="Make every image brighter or darker by up to this much.",
        ge=0,
        le=1,
    )
    contrast: float = setting(
        0.0,
        title="Contrast",
        unit="± share",
        group="Augmentation",
        help="Stretch or flatten every image's contrast by up to this share.",
        ge=0,
        le=1,
    )
    rotation: float = setting(
        0.0,
        title="Rotation",
        unit="± degrees",
        group="Augmentation",
        help="Turn every image by up to this angle; good for drawings.",
        ge=0,
        le=180,
    )
    scale: float = setting(
        0.0,
        title="Scale",
        unit="± share",
        group="Augmentation",
        help="Make every image larger or smaller by up to this share.",
        ge=0,
        le=0.5,
    )
    shear: float = setting(
        0.0,
        title="Shear",
        unit="± degrees",
        group="Augmentation",
        help="Slant every image by up to this angle; good for handwriting.",
        ge=0,
        le=45,
    )
    mixup: float = setting(
        0.0,
        title="Mixup",
        unit="strength alpha",
        group="Augmentation",
        help="Blend every image and its label with another one; 0 is off, 0.2 mild, 1 strong.",
        ge=0,
        le=4,
    )
    cutmix: float = setting(
        0.0,
        title="CutMix",
        unit="strength alpha",
        group="Augmentation",
        help="Paste a rectangle of another image into every image and share the label by area; 0 is off, 1 usual.",
        ge=0,
        le=4,
    )

    dropout: float = setting(
        0.25,
        title="Dropout",
        unit="share of units",
        group="Regularisation",
        help="Share of units switched off at random in each training step of the fully connected layers, against memorising.",
        ge=0,
        le=0.9,
    )
    label_smoothing: float = setting(
        0.0,
        title="Label smoothing",
        unit="share",
        group="Regularisation",
        help="Take this much certainty from the true class and spread it over all, so that the network is not driven to extremes.",
        ge=0,
        le=0.5,
    )
    clip_norm: float = setting(
        0.0,
        title="Gradient clipping",
        unit="largest norm, 0 is off",
        group="Regularisation",
        help="Shorten the slope of a step to this length where it is longer, against sudden jumps.",
        ge=0,
        le=1000,
    )
    ema: float = setting(
        0.0,
        title="Weight averaging",
        unit="decay per step, 0 is off",
        group="Regularisation",
        help="Validate and keep a running mean of the weights (EMA), which is often better than the last ones; 0.99 remembers about 100 steps.",
        ge=0,
        le=0.9999,
    )
    mirror: bool = setting(
        False,
        title="Predict from both mirrorings",
        unit="image and its mirror image",
        group="Regularisation",
        help="Every prediction is the mean of the image's and its mirrored image's (test-time augmentation): a little more often right, at twice the time.",
        only={"flip": ("random", "alternating")},
    )
    patience: int = setting(
        0,
        title="Early stopping",
        unit="epochs, 0 is off",
        group="Regularisation",
        help="Stop after this many epochs without a better validation accuracy.",
        ge=0,
        le=1000,
    )

    validation_share: float = setting(
        0.1,
        title="Validation share",
        unit="of training images",
        group="Split and machine",
        help="Part of the training images kept apart to choose the best epoch, where the set has no validation images of its own.",
        ge=0.02,
        le=0.5,
    )
    seed: int = setting(
        0,
        title="Seed",
        unit="whole number",
        group="Split and machine",
        help="Starts every random draw: the split, the first weights, the order, the augmentation.",
        ge=0,
        le=2**31 - 1,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto",
        title="Device",
        unit="where to compute",
        group="Split and machine",
        help="Auto takes a GPU where there is one and the CPU otherwise.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto",
        title="Precision",
        unit="of the arithmetic",
        group="Split and machine",
        help="Auto takes bfloat16 on GPUs and processors that multiply it themselves and float32 elsewhere; float16 scales the loss against underflow.",
    )
    channels_last: Choice = setting(
        "auto",
        title="Channels last",
        unit="memory layout",
        group="Split and machine",
        help="Keep a pixel's channels together in memory; on the CPU that made a convolution's backward pass five times faster.",
    )
    compile: Choice = setting(
        "auto",
        title="Compile",
        unit="torch.compile",
        group="Split and machine",
        help="Translate the network into kernels of its own before training. Auto does so on GPUs for long runs; on CPUs it did not pay.",
    )
    deterministic: bool = setting(
        False,
        title="Deterministic",
        unit="bit by bit",
        group="Split and machine",
        help="Use only operations that give the same bits every time on this machine, even where they are slower.",
    )

    @field_validator("model")
    @classmethod
    def is_known_model(cls, name: str) -> str:
        if name not in FAMILIES:
            raise ValueError(f"must be one of: {', '.join(FAMILIES)}")
        return name

    @field_validator("knots", "drop_at")
    @classmethod
    def can_be_parsed(cls, text: str, info: Any) -> str:
        (parse_knots if info.field_name == "knots" else parse_places)(text)
        return text

    @field_validator("*", mode="before")
    @classmethod
    def is_no_yes_for_a_number(cls, value: Any, info: Any) -> Any:
        """Python counts true as 1, a person does not."""
        if isinstance(value, bool) and info.field_name != "crop" and cls.model_fields[info.field_name].annotation in (int, float):
            raise ValueError("must be a number")
        return value

    @field_validator("crop", "flip", mode="before")
    @classmethod
    def was_once_a_switch(cls, value: Any, info: Any) -> Any:
        """Runs of the first version recorded crop and flip as true or false."""
        if not isinstance(value, bool):
            return value
        return (0.125 if value else 0.0) if info.field_name == "crop" else ("random" if value else "off")

    @field_validator("drop_at", mode="before")
    @classmethod
    def may_be_one_number(cls, value: Any) -> Any:
        """A YAML file's `drop_at: 0.5` is a number."""
        return str(value) if isinstance(value, float) else value

    @field_validator("channels_last", "compile", mode="before")
    @classmethod
    def is_a_yes_or_no_in_yaml(cls, value: Any) -> Any:
        """A YAML file's bare on and off are true and false."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @property
    def model_options(self) -> dict[str, Any]:
        """The settings that the model's family takes, by name."""
        return {name: getattr(self, name) for name in FAMILIES[self.model].options}

    def images_left(self, info: DataInfo) -> int:
        """About how many of the training images are trained on; unless the set has validation images of its own, a share is kept for that."""
        return info.train_count if info.val_count else round(info.train_count * (1 - self.validation_share))

    def steps_per_epoch(self, info: DataInfo) -> int:
        """About how many optimizer steps one pass over what is trained on takes, before the images are split."""
        return -(-self.images_left(info) // self.batch_size)


# What each optimizer wants by default where the data set and the network's own recipe say nothing.
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
    """A TrainConfig from what was chosen, and for the rest from the defaults of the data set, the network and the optimizer.

    Values may be text (as from a command line). Raises SettingError naming the first field that is refused.
    """
    data = canonical_name(str(chosen.get("data", TrainConfig.model_fields["data"].default)))
    try:
        config = TrainConfig.model_validate({**defaults(data, chosen), **chosen, "data": data})
    except ValidationError as error:
        raise refusal(TrainConfig, error) from None
    _check_together(config)
    return config


def defaults(data: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """What settings are where nobody chose them: the data set's wishes before the network's before the optimizer's."""
    model = str(chosen.get("model", defaults_for(data).get("model", TrainConfig.model_fields["model"].default)))
    wanted = dict(FAMILIES[model].defaults) if model in FAMILIES else {}
    usual = TrainConfig.model_fields["optimizer"].default
    optimizer = chosen.get("optimizer", wanted.get("optimizer", usual))
    if optimizer != wanted.get("optimizer", usual):  # the network's recipe was made for another one
        wanted = {name: value for name, value in wanted.items() if name not in BELONGS_TO_OPTIMIZER}
    return {**OPTIMIZER_DEFAULTS.get(str(optimizer), {}), **wanted, **defaults_for(data)}


# What can be changed while a run trains: the state it has reached stays valid whatever these become.
STEERABLE = (
    "learning_rate",
    "weight_decay",
    "epochs",
    *(name for name, field in TrainConfig.model_fields.items() if field.json_schema_extra["group"] == "Augmentation"),
)


# What a run that goes on from another one's state may have otherwise: the network, its optimizer and its images must stay.
BRANCHABLE = (
    *STEERABLE,
    "dropout",
    "label_smoothing",
    "clip_norm",
    "mirror",
    "patience",
    "warmup",
    "drop_at",
    "drop_factor",
    "plateau_patience",
    "knots",
    "start_side",
)


def change_config(config: TrainConfig, changes: Mapping[str, Any], allowed: Collection[str] = STEERABLE) -> TrainConfig:
    """`config` with `changes`, checked as a whole. Raises SettingError, also for a setting that is not among the `allowed`."""
    for name in changes:
        if name in TrainConfig.model_fields and name not in allowed:
            raise SettingError(
                f"{TrainConfig.model_fields[name].title} cannot be changed while a run trains. Start a new run with it.", name
            )
    return make_config(**{**config.model_dump(), **changes})


def has_effect(name: str, chosen: Mapping[str, Any]) -> bool:
    """Whether setting `name` changes anything beside the settings `chosen`, which name at least the model."""
    only = TrainConfig.model_fields[name].json_schema_extra["only"]
    if name in MODEL_OPTIONS and name not in FAMILIES[chosen["model"]].options:
        return False
    return all(chosen.get(other, TrainConfig.model_fields[other].default) in values for other, values in only.items())


MODEL_OPTIONS = frozenset(option for family in FAMILIES.values() for option in family.options)


def choices(name: str) -> tuple[str, ...]:
    """The values of a setting that is a choice; empty for others."""
    return get_args(TrainConfig.model_fields[name].annotation)


def range_in_words(name: str) -> str:
    """The allowed values of setting `name`: "1 to 1,000", "adam, adamw or sgd", "" where anything goes."""
    return settings.range_in_words(TrainConfig, name)


def _check_together(config: TrainConfig) -> None:
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
