"""Feature maps, the filters of the first layer, and dead channels.

In: a model (not changed) and normalised images. Out: arrays, and pixels to show. A layer appears once for each use: the activation of a ResNet
block, used twice, appears as "layer1.0.activation" and "layer1.0.activation (2)".
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
from cnn_core.explain.map_layers import count_prefix_tokens, has_tokens, to_maps
from cnn_core.inference.dead_channels import active_channels
from cnn_core.models.hooks import conv_layers, forward_plain, hookable_copy, is_activation
from cnn_core.models.saving import ModelCard

KINDS: dict[type[nn.Module], str] = {
    nn.Conv2d: "convolution",
    nn.MaxPool2d: "pooling",
    nn.AvgPool2d: "pooling",
    nn.AdaptiveAvgPool2d: "pooling",
    nn.AdaptiveMaxPool2d: "pooling",
}
BATCH, LARGEST_BATCH = 100, 100 * 64 * 64  # images, and pixels: feature maps of large images need much memory


@dataclass(frozen=True, eq=False)
class LayerOutput:
    """The output of one use of a layer: `outputs` (n, channels, h, w), or (n, units) after the last feature map. `kind`: see `kind_of`."""

    name: str
    kind: str
    outputs: torch.Tensor


@dataclass(frozen=True, eq=False)
class DeadChannels:
    """The `dead` channels (n,) int64 of an activation layer: those whose output was never positive."""

    layer: str
    channels: int
    dead: np.ndarray

    @property
    def fraction(self) -> float:
        """Dead channels divided by all channels."""
        return len(self.dead) / self.channels


def kind_of(name: str, layer: nn.Module) -> str:
    """Return what the layer with this dotted name is: "convolution", "pooling", "activation", "tokens", or "" for all others."""
    if is_activation(layer):
        return "activation"
    return next((kind for known, kind in KINDS.items() if isinstance(layer, known)), "tokens" if has_tokens(name) else "")


def compute_feature_maps(model: nn.Module, image: torch.Tensor) -> list[LayerOutput]:
    """Return the feature maps (1, channels, h, w) of one normalised image (1, C, H, W) after each layer with a kind, in their order.

    The tokens of a transformer are arranged as maps (see `map_layers`).
    """
    layers: list[LayerOutput] = []
    copy = hookable_copy(model)

    def record(name: str, kind: str, outputs: torch.Tensor) -> None:
        if outputs.ndim == 4:
            layers.append(LayerOutput(name, kind, outputs.clone()))  # the next layer may work in place

    with _observe_layers(copy, record), torch.no_grad():
        forward_plain(copy, image)
    return layers


def to_grey(maps: np.ndarray) -> np.ndarray:
    """Return feature maps (channels, h, w) as grey pixels uint8, each scaled over its own range including zero.

    Without negative values, as after a ReLU, zero is black; so is a map that is zero everywhere.
    """
    low, high = np.minimum(maps.min((1, 2), keepdims=True), 0), np.maximum(maps.max((1, 2), keepdims=True), 0)
    span = np.where(high > low, high - low, 1)
    return np.asarray(((maps - low) / span * 255).round(), np.uint8)


def has_image_filters(model: nn.Module, channels: int) -> bool:
    """Whether the first convolution works on the `channels` of the image itself."""
    first = next(iter(conv_layers(model).values()), None)
    return first is not None and first.weight.shape[1] == channels


def render_first_filters(model: nn.Module) -> np.ndarray:
    """Return the kernels of the first convolution as images (filters, h, w, C) uint8.

    Middle grey is zero; each kernel is scaled so that its largest absolute weight is black or fully bright.
    """
    weights = next(iter(conv_layers(model).values())).weight.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    strongest = np.abs(weights).max((1, 2, 3), keepdims=True)
    return (127.5 + 127.5 * weights / np.where(strongest > 0, strongest, 1)).round().astype(np.uint8)


def find_dead_channels(model: nn.Module, card: ModelCard, images: ImageSet) -> Generator[Progress, None, list[DeadChannels]]:
    """Find the channels of each activation layer that are never positive, for any image at any position. Yields Progress."""
    fired: dict[str, torch.Tensor] = {}
    copy = hookable_copy(model)
    height, width = images.pool.shape[1:3]
    size = max(1, min(BATCH, LARGEST_BATCH // (height * width)))
    batches = Batches(images, batch_size=size, device=next(copy.parameters()).device, mean=card.mean, std=card.std)

    def record(name: str, kind: str, outputs: torch.Tensor) -> None:
        if kind == "activation":
            channels = active_channels(outputs)
            fired[name] = fired[name] | channels if name in fired else channels

    for done, (batch, _) in enumerate(batches):
        yield Progress("Looking for dead channels", done, len(batches))
        with _observe_layers(copy, record), torch.inference_mode():
            forward_plain(copy, batch)
    return [DeadChannels(name, len(alive), torch.nonzero(~alive)[:, 0].cpu().numpy()) for name, alive in fired.items()]


@contextmanager
def _observe_layers(copy: nn.Module, record: Callable[[str, str, torch.Tensor], None]) -> Iterator[None]:
    """Call `record` with name, kind and outputs of each use of a layer with a kind while the block lasts. copy: a hookable copy.

    The outputs are valid only during the call: the next layer may work in place. In ConvNeXt's blocks linear layers give maps with channels
    last; the outputs of the layer that follows are passed with channels first. Tokens are passed as maps.
    """
    prefix = count_prefix_tokens(copy)
    uses: dict[str, int] = {}
    linear_outputs: list[torch.Tensor] = []  # of linear layers on feature maps; referenced, so that their identity stays unique

    def count_use(name: str, kind: str, layer: nn.Module, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        has_channels_last = any(inputs is known for known in linear_outputs)
        maps = outputs.movedim(-1, 1) if has_channels_last else outputs if outputs.ndim == 2 else to_maps(outputs, layer, prefix)
        if maps is not None:
            uses[name] = uses.get(name, 0) + 1
            record(name if uses[name] == 1 else f"{name} ({uses[name]})", kind, maps)

    hooks = []
    for name, layer in copy.named_modules():
        if kind := kind_of(name, layer):
            call = partial(count_use, name, kind)
            hooks.append(layer.register_forward_hook(lambda layer, inputs, outputs, call=call: call(layer, inputs[0], outputs)))
        elif isinstance(layer, nn.Linear):
            hooks.append(layer.register_forward_hook(lambda _, inputs, outputs: _remember(linear_outputs, outputs)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _remember(linear_outputs: list[torch.Tensor], outputs: torch.Tensor) -> None:
    if outputs.ndim == 4:
        linear_outputs[:] = [outputs]  # only the next layer compares its input with it
