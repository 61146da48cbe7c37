"""The settings of the group Network: the images that it receives, the size of the network and what it starts from."""

from typing import Literal

from pydantic import BaseModel, field_validator

from cnn_core.config.setting import Not, setting
from cnn_core.data.image_shape import MAX_SIDE, MIN_SHARE, MIN_SIDE, USUAL_SIDE
from cnn_core.models.pretrained_table import DEFAULT_NETWORK, NAME_EXAMPLE

GROUP = "Network"
NOT_A_SIZE = f"must be 0, or {MIN_SIDE} to {MAX_SIDE}"
NOT_A_SHARE = f"must be 0, or {MIN_SHARE} to 1"


class NetworkSettings(BaseModel):
    """Size, fit, crop share and interpolation of the images; name of a network, width, depth, activation, batch norm and starting weights, of which each model takes some."""

    size: int = setting(
        0,
        title="Image size",
        unit="pixels",
        group=GROUP,
        help="Side of the square images that the model receives; 0 for that of the data set, and for photographs "
        f"that of the pretrained network, else {USUAL_SIDE}. Larger images show more detail and take longer: twice the size about four times as long.",
        ge=0,
        le=MAX_SIDE,
    )
    fit: Literal["crop", "pad", "stretch"] = setting(
        "crop",
        title="Image fit",
        group=GROUP,
        help="How photographs are made square: “crop” takes the centre, “pad” adds black bars, “stretch” changes the proportions. Pad where what matters is near "
        "the edges. Other images are square already.",
    )
    crop_share: float = setting(  # the defaults of this setting and the next are what runs of earlier versions used
        1.0,
        title="Crop share",
        group=GROUP,
        only={"fit": ("crop",)},
        help="Side of the centre that is taken from a photograph, as a fraction of its short side: 1 is the largest square, 0 what the pretrained network was "
        "trained with. Lower it where what matters is small and in the middle. Images that are stored as squares are not cropped.",
        ge=0,
        le=1,
    )
    interpolation: Literal["automatic", "bicubic", "bilinear"] = setting(
        "bicubic",
        title="Interpolation",
        group=GROUP,
        help="How photographs are resized: “automatic” as the pretrained network expects it, else “bicubic”, which is sharper, or “bilinear”, which is "
        "smoother. Change it only to compare.",
    )
    timm_name: str = setting(
        DEFAULT_NETWORK,
        title="Name in timm",
        group=GROUP,
        help=f"The network of the library timm, with the tag of its weights, like {NAME_EXAMPLE}. Choose one of the table, or type any name that timm has.",
        min_length=1,
        max_length=121,
    )
    width: float = setting(
        1.0,
        title="Width multiplier",
        group=GROUP,
        help="Multiplies the number of channels of every layer. Twice the width takes about four times the computation.",
        ge=0.25,
        le=4,
    )
    depth: int = setting(
        3,
        title="Depth",
        group=GROUP,
        help="Number of convolution blocks. Each block halves the width and height of its input.",
        ge=1,
        le=6,
    )
    activation: Literal["relu", "gelu", "silu", "leaky_relu"] = setting(
        "relu",
        title="Activation",
        group=GROUP,
        help="The nonlinearity after each layer. ReLU is the usual choice; GELU and SiLU are smooth; leaky ReLU keeps a small gradient for negative inputs.",
    )
    batch_norm: bool = setting(
        False,
        title="Batch norm",
        group=GROUP,
        help="Normalise every channel to mean 0 and standard deviation 1 within the batch. Training becomes faster and tolerates higher learning rates.",
    )
    weights: str = setting(
        "scratch",
        title="Starting weights",
        group=GROUP,
        help="“scratch” for random weights, “pretrained” for ImageNet weights (installed for EfficientNet-Lite0, fetched on request for other models), or the path of a PyTorch or safetensors file on this machine.",
        min_length=1,
        max_length=4096,
    )
    train: Literal["all", "blocks", "head"] = setting(
        "all",
        title="Trained layers",
        group=GROUP,
        only={"weights": Not("scratch")},
        help="“head”: only the last layers learn, on features that the pretrained ones compute once; it takes seconds and suits few images. “blocks”: the last blocks learn with them; “all”: all layers do.",
    )
    trained_blocks: int = setting(
        3,
        title="Trained blocks",
        group=GROUP,
        only={"weights": Not("scratch"), "train": ("blocks",)},
        help="How many of the network's last blocks learn with the head. More blocks adapt more to your images, but need more of them.",
        ge=1,
        le=100,
    )
    head_epochs: int = setting(
        0,
        title="Head epochs",
        group=GROUP,
        only={"weights": Not("scratch"), "train": ("all", "blocks")},
        help="Number of epochs in which only the head learns, before the other layers do. New layers no longer disturb pretrained ones then.",
        ge=0,
        le=1000,
    )
    fine_tuning_rate: float = setting(
        1.0,
        title="Fine-tuning rate",
        unit="× learning rate",
        group=GROUP,
        only={"weights": Not("scratch"), "train": ("all", "blocks")},
        help="Where pretrained layers learn, the peak of the schedule is this multiple of the learning rate. Lower it where the accuracy falls at first.",
        ge=0.001,
        le=1,
    )
    layer_decay: float = setting(
        1.0,
        title="Layer decay",
        group=GROUP,
        only={"weights": Not("scratch"), "train": ("all", "blocks")},
        help="Multiply the learning rate by this number from each block to the one before it. 1 is one rate for all; try 0.75 where fine-tuning overfits.",
        ge=0.1,
        le=1,
    )
    frozen_norm: bool = setting(
        False,
        title="Frozen batch norm",
        group=GROUP,
        only={"weights": Not("scratch"), "train": ("all", "blocks")},
        help="Batch norms keep the mean and variance of the pretrained weights; scale and shift still learn. Turn it on for few images or small batches.",
    )

    @field_validator("size")
    @classmethod
    def check_size(cls, size: int) -> int:
        """Refuse images that are too small to show anything."""
        if 0 < size < MIN_SIDE:
            raise ValueError(NOT_A_SIZE)
        return size

    @field_validator("crop_share")
    @classmethod
    def check_share(cls, share: float) -> float:
        """Refuse a centre that is too small to show anything."""
        if 0 < share < MIN_SHARE:
            raise ValueError(NOT_A_SHARE)
        return share
