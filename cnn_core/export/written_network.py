"""The chosen network written out in plain torch: a part of the training script, with the parameter names of this program's own networks.

In: a run's card and its starting weights. Out: Python code with a function `build_model`. Its state dicts fit the studio's and the other way round.
"""

from itertools import pairwise

from cnn_core.export.written import write_out
from cnn_core.models.layers import ACTIVATIONS, make_activation, scale_width
from cnn_core.models.registry import find_family
from cnn_core.models.saving import ModelCard
from cnn_core.models.simple import CHANNELS, UNITS
from cnn_core.models.speed import WIDTHS
from cnn_core.models.torchvision_nets import SMALL

THIN = {"resnet20": 3, "resnet32": 5, "resnet56": 9}  # blocks in each stage
BORROWED = {  # torchvision's function, its weights, and the first convolution: channels, side, stride and padding there
    "mobilenet": (
        "models.mobilenet_v3_small(num_classes={classes}, dropout={dropout}, norm_layer=norm)",
        "MobileNet_V3_Small_Weights",
        (16, 3, 2, 1),
    ),
    "efficientnet": (
        "models.efficientnet_b0(num_classes={classes}, dropout={dropout})",
        "EfficientNet_B0_Weights",
        (32, 3, 2, 1),
    ),
    "convnext": ("models.convnext_tiny(num_classes={classes})", "ConvNeXt_Tiny_Weights", (96, 4, 4, 0)),
}


def write_network(card: ModelCard, weights: str = "scratch") -> str:
    """The cells of the network."""
    if card.model == "simple":
        return _write_simple(card)
    if card.model in BORROWED:
        return _write_borrowed(card, weights)
    if card.model == "resnet9":
        return _write_with_widths("net_resnet9", card, (64, 128, 256, 512))
    if card.model == "speed":
        return _write_with_widths("net_speed", card, WIDTHS)
    return _write_resnet(card)


def _write_with_widths(name: str, card: ModelCard, counts: tuple[int, ...]) -> str:
    widths = (scale_width(count, card.options["width"]) for count in counts)
    values = dict(zip(("first", "second", "third", "fourth"), widths, strict=False))
    return write_out(name, {**_shape(card), **values, "whitened": 8 * card.channels}, ())


def _shape(card: ModelCard) -> dict[str, object]:
    """What most of the networks are made with."""
    return {
        "name": find_family(card.model).title,
        "channels": card.channels,
        "classes": len(card.classes),
        "dropout": card.options.get("dropout", 0.0),
        "activation": _activation(card),
    }


def _activation(card: ModelCard) -> str:
    """ "nn.ReLU()"."""
    return f"nn.{type(make_activation(card.options.get('activation', next(iter(ACTIVATIONS))))).__name__}()"


def _write_simple(card: ModelCard) -> str:
    """Layer by layer, with the shapes between them."""
    options, activation, side = card.options, _activation(card), card.image_size
    widths = [card.channels, *(scale_width(count, options["width"]) for count in CHANNELS[: options["depth"]])]
    lines = ["class SimpleCNN(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines.append("        self.features = nn.Sequential(")
    for inputs, outputs in pairwise(widths):
        lines.append(f"            nn.Sequential(  # {inputs}×{side}×{side} -> {outputs}×{side // 2}×{side // 2}")
        bias = ", bias=False" if options["batch_norm"] else ""
        norm = [f"nn.BatchNorm2d({outputs})"] if options["batch_norm"] else []
        layers = [f"nn.Conv2d({inputs}, {outputs}, kernel_size=3, padding=1{bias})", "nn.MaxPool2d(2)", *norm, activation]
        lines += [f"                {layer}," for layer in layers]
        lines.append("            ),")
        side //= 2
    lines += ["        )", "        self.classifier = nn.Sequential(", "            nn.Flatten(),"]
    lengths = [widths[-1] * side * side, *(scale_width(count, options["width"]) for count in UNITS)]
    for inputs, outputs in pairwise(lengths):
        layers = [f"nn.Linear({inputs}, {outputs})", activation, f"nn.Dropout({options['dropout']})"]
        lines += [f"            {layer}," for layer in layers]
    lines += [f"            nn.Linear({lengths[-1]}, {len(card.classes)}),", "        )"]
    return write_out("net_simple", {"layers": "\n".join(lines)}, ())


def _write_resnet(card: ModelCard) -> str:
    is_thin = card.model in THIN
    counts, channels = ((THIN[card.model],) * 3, (16, 32, 64)) if is_thin else ((2, 2, 2, 2), (64, 128, 256, 512))
    widths = [scale_width(count, card.options["width"]) for count in channels]
    stages = [
        f"        self.layer{number} = stage({inputs}, {outputs}, blocks={count}, stride={1 if number == 1 else 2})"
        for number, (count, inputs, outputs) in enumerate(zip(counts, [widths[0], *widths], widths, strict=False), start=1)
    ]
    through = [f"        features = self.layer{number}(features)" for number in range(1, len(widths) + 1)]
    values = {"first": widths[0], "last": widths[-1], "stages": "\n".join(stages), "through": "\n".join(through)}
    return write_out("net_resnet", {**_shape(card), **values}, {"thin" if is_thin else "wide"})


def _write_borrowed(card: ModelCard, weights: str) -> str:
    shape = _shape(card)
    build, published, (outputs, kernel, stride, padding) = BORROWED[card.model]
    if card.image_size <= SMALL:
        stride, padding = stride // 2, (kernel - 1) // 2
    bias = "" if card.model == "convnext" else ", bias=False"
    stem = f"nn.Conv2d({card.channels}, {outputs}, kernel_size={kernel}, stride={stride}, padding={padding}{bias})"
    holds = {card.model, *starting(weights)}
    return write_out("net_borrowed", {**shape, "build": build.format(**shape), "published": published, "stem": stem}, holds)


def starting(weights: str) -> set[str]:
    """What holds of starting weights: "started" and one of "pretrained" and "weights_file", or nothing."""
    if weights == "scratch":
        return set()
    return {"started", "pretrained" if weights == "pretrained" else "weights_file"}
