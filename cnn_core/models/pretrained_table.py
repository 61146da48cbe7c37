"""The pretrained networks of timm and torchvision that the program offers in a table, and what a network expects of images.

In: a network's name. Out: facts, kept here so that a table needs neither torch nor timm. Tests compare them with those of the libraries. Sources:
timm's `pretrained_cfg` (input, licence), its state dicts (parameters, size of the file) and the model cards on huggingface.co/timm; torchvision's
`Weights.meta` and `transforms`. torchvision has the licence BSD-3-Clause; its EfficientNet-B0 was ported from timm's, so that licence holds.
"""

import re
from dataclasses import dataclass

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class NetworkInput:
    """The images that pretrained weights expect.

    side: pixels. mean, std: per channel (red, green, blue), 1 for full brightness. interpolation: of the resizing. crop_share: the side of the
    centre crop relative to that of the resized image.
    """

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop_share: float


@dataclass(frozen=True)
class PretrainedNetwork:
    """One network. name: timm's, with the tag of its weights; that of the family for others. parameters: with the last layer of the weights. multiply_adds: of the forward pass of
    one image of the side of `expects`, without the last layer. file_bytes: the size of the file of weights. licence: of the weights.
    depthwise, norm: see `Family`. family: the one that builds it. url: of the file of weights, where that is not on the Hugging Face hub; the end of its
    name are the first digits of its SHA-256."""

    name: str
    title: str
    parameters: int
    multiply_adds: int
    file_bytes: int
    licence: str
    expects: NetworkInput
    depthwise: bool = False
    norm: bool = True
    family: str = "timm"
    url: str = ""


NETWORKS = {
    network.name: network
    for network in (
        PretrainedNetwork(
            name="mobilenetv4_conv_small.e2400_r224_in1k",
            title="MobileNetV4 small",
            parameters=3_774_024,
            multiply_adds=184_725_568,
            file_bytes=15_196_816,
            licence="apache-2.0",
            expects=NetworkInput(224, IMAGENET_MEAN, IMAGENET_STD, "bicubic", 0.875),
            depthwise=True,
        ),
        PretrainedNetwork(
            name="efficientnet_b0.ra_in1k",
            title="EfficientNet-B0",
            parameters=5_288_548,
            multiply_adds=384_534_752,
            file_bytes=21_322_648,
            licence="apache-2.0",
            expects=NetworkInput(224, IMAGENET_MEAN, IMAGENET_STD, "bicubic", 0.875),
            depthwise=True,
        ),
        PretrainedNetwork(
            name="convnextv2_atto.fcmae_ft_in1k",
            title="ConvNeXt V2 atto",
            parameters=3_708_400,
            multiply_adds=547_012_480,
            file_bytes=14_833_600,
            licence="cc-by-nc-4.0",
            expects=NetworkInput(224, IMAGENET_MEAN, IMAGENET_STD, "bicubic", 0.875),
            depthwise=True,
            norm=False,
        ),
        PretrainedNetwork(
            name="resnet50.a1_in1k",
            title="ResNet-50",
            parameters=25_557_032,
            multiply_adds=4_087_136_256,
            file_bytes=102_441_032,
            licence="apache-2.0",
            expects=NetworkInput(224, IMAGENET_MEAN, IMAGENET_STD, "bicubic", 0.95),
        ),
        PretrainedNetwork(
            name="vit_small_patch14_dinov2.lvd142m",
            title="DINOv2 small",
            parameters=22_056_192,
            multiply_adds=46_696_739_328,
            file_bytes=88_224_768,
            licence="apache-2.0",
            expects=NetworkInput(518, IMAGENET_MEAN, IMAGENET_STD, "bicubic", 1.0),
            norm=False,
        ),
    )
}
INSTALLED_NETWORK = PretrainedNetwork(  # a family of its own, "efficientnet-lite0" (see embedded), shown in the same tables
    name="tf_efficientnet_lite0.in1k",
    title="EfficientNet-Lite0",
    parameters=4_652_008,
    multiply_adds=383_907_552,
    file_bytes=18_826_032,
    licence="apache-2.0",
    expects=NetworkInput(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic", 0.875),
    depthwise=True,
    family="efficientnet-lite0",
)
TORCHVISION_NETWORKS = {
    network.name: network
    for network in (
        PretrainedNetwork(
            name="mobilenet",
            title="MobileNetV3 small",
            parameters=2_542_856,
            multiply_adds=55_486_400,
            file_bytes=10_306_454,
            licence="bsd-3-clause",
            expects=NetworkInput(224, IMAGENET_MEAN, IMAGENET_STD, "bilinear", 224 / 256),
            depthwise=True,
            family="mobilenet",
            url="https://download.pytorch.org/models/mobilenet_v3_small-047dcff4.pth",
        ),
        PretrainedNetwork(
            name="efficientnet",
            title="EfficientNet-B0 of torchvision",
            parameters=5_288_548,
            multiply_adds=384_534_752,
            file_bytes=21_444_428,
            licence="apache-2.0",
            expects=NetworkInput(224, IMAGENET_MEAN, IMAGENET_STD, "bicubic", 224 / 256),
            depthwise=True,
            family="efficientnet",
            url="https://download.pytorch.org/models/efficientnet_b0_rwightman-7f5810bc.pth",
        ),
        PretrainedNetwork(
            name="convnext",
            title="ConvNeXt tiny",
            parameters=28_589_128,
            multiply_adds=4_454_763_264,
            file_bytes=114_419_565,
            licence="bsd-3-clause",
            expects=NetworkInput(224, IMAGENET_MEAN, IMAGENET_STD, "bilinear", 224 / 236),
            norm=False,
            family="convnext",
            url="https://download.pytorch.org/models/convnext_tiny-983f1562.pth",
        ),
    )
}
PRETRAINED = {
    network.name: network for network in (INSTALLED_NETWORK, *NETWORKS.values(), *TORCHVISION_NETWORKS.values())
}  # the table
DEFAULT_NETWORK = "mobilenetv4_conv_small.e2400_r224_in1k"
NAME_EXAMPLE = "resnet50.a1_in1k"
NAME = re.compile(
    r"[a-z0-9_]{1,60}(\.[a-z0-9_]{1,60})?"
)  # of timm's networks and of files in the home: no path and no address can be given
