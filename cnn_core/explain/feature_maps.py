"""What the layers of a network make of images: feature maps, the first layer's filters, channels that never fire.

In: a model (which stays as it is) and normalised images. Out: arrays of numbers, and pixels to be shown.
Layers are told of at every use: a ResNet block's one activation, used twice, is two of them ("layer1.0.activation", "… (2)").
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.data.source import ImageSet
from cnn_core.events import Progress
from cnn_core.explain.layers import ACTIVATIONS, conv_layers, forward_plain, hookable_copy
from cnn_core.inference.dead_channels import fired_channels
from cnn_core.models.saving import ModelCard

KINDS: dict[type[nn.Module], str] = {
    nn.Conv2d: "convolution",
    nn.MaxPool2d: "pooling",
    nn.AvgPool2d: "pooling",
    nn.AdaptiveAvgPool2d: "pooling",
    nn.AdaptiveMaxPool2d: "pooling",
    **dict.fromkeys(ACTIVATIONS, "activation"),
}
BATCH, LARGEST_BATCH = 100, 100 * 64 * 64  # images, and pixels: maps of large images fill the memory


@dataclass(frozen=True, eq=False)
class LayerOutput:
    """What one use of a layer gave: `outputs` (n, channels, h, w), or (n, units) behind the last feature map. `kind`: a word of KINDS."""

    name: str
    kind: str
    outputs: torch.Tensor


@dataclass(frozen=True, eq=False)
class Deadness:
    """How many channels of an activation never gave a positive number, `dead` being their numbers (n,) int64."""

    layer: str
    channels: int
    dead: np.ndarray

    @property
    def share(self) -> float:
        return len(self.dead) / self.channels


def feature_maps(model: nn.Module, image: torch.Tensor) -> list[LayerOutput]:
    """The maps (1, channels, h, w) that one normalised image (1, C, H, W) leaves behind each layer of KINDS, in their order."""
    own, heard = hookable_copy(model), []

    def keep(name: str, kind: str, outputs: torch.Tensor) -> None:
        if outputs.ndim == 4:
            heard.append(LayerOutput(name, kind, outputs.clone()))  # the next layer may work in its place

    with _listening(own, keep), torch.no_grad():
        forward_plain(own, image)
    return heard


def to_shades(maps: np.ndarray) -> np.ndarray:
    """Feature maps (channels, h, w) as grey pixels uint8, each stretched over its own range together with zero.

    A map without a negative number, as behind a ReLU, is black where it is zero; a map that is zero everywhere is black.
    """
    low, high = np.minimum(maps.min((1, 2), keepdims=True), 0), np.maximum(maps.max((1, 2), keepdims=True), 0)
    span = np.where(high > low, high - low, 1)
    return ((maps - low) / span * 255).round().astype(np.uint8)


def first_filters(model: nn.Module) -> np.ndarray:
    """The kernels of the first convolution as pictures (filters, h, w, C) uint8: C colours where images have three, else grey.

    Middle grey is zero; each is stretched until its strongest weight is quite light or dark.
    """
    weights = next(iter(conv_layers(model).values())).weight.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    strongest = np.abs(weights).max((1, 2, 3), keepdims=True)
    return (127.5 + 127.5 * weights / np.where(strongest > 0, strongest, 1)).round().astype(np.uint8)


def find_dead(model: nn.Module, card: ModelCard, images: ImageSet) -> Generator[Progress, None, list[Deadness]]:
    """For every activation of the network, the channels that are positive for none of the images at any place. Yields Progress."""
    own, fired = hookable_copy(model), {}
    height, width = images.pool.shape[1:3]
    size = max(1, min(BATCH, LARGEST_BATCH // (height * width)))
    batches = Batches(images, batch_size=size, device=next(own.parameters()).device, mean=card.mean, std=card.std)

    def note(name: str, kind: str, outputs: torch.Tensor) -> None:
        if kind == "activation":
            fired[name] = fired.get(name, False) | fired_channels(outputs)

    for done, (some, _) in enumerate(batches):
        yield Progress("Looking for dead channels", done, len(batches))
        with _listening(own, note), torch.inference_mode():
            forward_plain(own, some)
    return [Deadness(name, len(alive), torch.nonzero(~alive)[:, 0].cpu().numpy()) for name, alive in fired.items()]


@contextmanager
def _listening(own: nn.Module, tell: Callable[[str, str, torch.Tensor], None]) -> Iterator[None]:
    """While the block lasts, tells the name, the kind and the outputs of every use of a layer of KINDS. own: a twin.

    What is told is there for the moment: the next layer may work in its place.

    ConvNeXt's blocks have channels last behind their linear layers, which is how those, and what directly follows them, are told.
    """
    uses: dict[str, int] = {}
    behind_linear: list[torch.Tensor] = []  # the outputs of linear layers on whole maps: held, so that no other takes their place

    def hear(name: str, kind: str, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        uses[name] = uses.get(name, 0) + 1
        has_channels_last = any(inputs is known for known in behind_linear)
        tell(
            name if uses[name] == 1 else f"{name} ({uses[name]})",
            kind,
            outputs.movedim(-1, 1) if has_channels_last else outputs,
        )

    hooks = []
    for name, layer in own.named_modules():
        kind = next((word for known, word in KINDS.items() if isinstance(layer, known)), None)
        if kind:
            own_hear = partial(hear, name, kind)
            hooks.append(layer.register_forward_hook(lambda _, inputs, outputs, hear=own_hear: hear(inputs[0], outputs)))
        elif isinstance(layer, nn.Linear):
            hooks.append(layer.register_forward_hook(lambda _, inputs, outputs: _remember(behind_linear, outputs)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _remember(behind_linear: list[torch.Tensor], outputs: torch.Tensor) -> None:
    if outputs.ndim == 4:
        behind_linear[:] = [outputs]  # only what follows at once is asked about
