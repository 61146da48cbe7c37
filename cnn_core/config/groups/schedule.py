"""The settings of the group Schedule: how the learning rate and the image size change during training."""

from typing import Literal

from pydantic import BaseModel

from cnn_core.config.setting import Not, setting
from cnn_core.models.registry import FAMILIES

GROUP = "Schedule"


class ScheduleSettings(BaseModel):
    """The learning-rate schedule with its parameters, warm-up and progressive resizing."""

    schedule: Literal["cosine", "constant", "step", "onecycle", "linear", "plateau"] = setting(
        "cosine",
        title="Schedule",
        group=GROUP,
        help="How the learning rate changes during training. Cosine falls smoothly to zero and suits most runs; step drops at the milestones; one-cycle rises and falls; linear follows knots; plateau drops when the validation loss stops falling.",
    )
    warmup: float = setting(
        0.02,
        title="Warm-up",
        unit="fraction of training",
        group=GROUP,
        help="Fraction of the training during which the learning rate rises from almost zero to its peak. Use more with high learning rates.",
        ge=0,
        le=0.5,
    )
    drop_at: str = setting(
        "0.5, 0.75",
        title="Milestones",
        unit="fraction of training",
        group=GROUP,
        only={"schedule": ("step",)},
        help="Where the learning rate drops: rising fractions of the training, separated by commas, like 0.5, 0.75.",
        min_length=1,
        max_length=200,
    )
    drop_factor: float = setting(
        0.1,
        title="Decay factor",
        group=GROUP,
        only={"schedule": ("step", "plateau")},
        help="The learning rate is multiplied by this factor at every drop. 0.1 is usual.",
        ge=0.001,
        le=0.9,
    )
    plateau_patience: int = setting(
        3,
        title="Plateau patience",
        unit="epochs",
        group=GROUP,
        only={"schedule": ("plateau",)},
        help="Number of epochs without a lower validation loss after which the learning rate drops.",
        ge=1,
        le=100,
    )
    knots: str = setting(
        "0:0.1, 0.3:1, 1:0",
        title="Knots",
        unit="time:factor",
        group=GROUP,
        only={"schedule": ("linear",)},
        help="The learning rate follows straight lines between these points. Each is a fraction of the training and a factor of the learning rate, like 0:0.1, 0.3:1, 1:0.",
        min_length=1,
        max_length=400,
    )
    start_side: float = setting(
        1.0,
        title="Progressive resizing",
        group=GROUP,
        only={"train": Not("head"), "model": tuple(family.name for family in FAMILIES.values() if family.takes_any_side)},
        help="Side of the training images at the start, as a fraction of the full side. They grow to full size over two thirds of the training, so that early epochs are faster; 1 is off.",
        ge=0.5,
        le=1,
    )
