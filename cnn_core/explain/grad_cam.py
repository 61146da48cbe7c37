"""Grad-CAM: a heatmap of the positions in an image that support a class, for any layer of a model that gives maps (see `map_layers`).

R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra: Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization, 2017. In: a model, normalised images, a class for each. Out: maps as NumPy arrays. The model, its
gradients and its hooks are not changed, and no random numbers are drawn, so sessions may use one model at the same time.

Horizontal-flip test-time augmentation is switched off: only the image itself is explained.
"""

import numpy as np
import torch
from torch import nn

from cnn_core.explain.map_layers import count_prefix_tokens, to_maps
from cnn_core.models.hooks import forward_plain, hookable_copy, is_activation

BATCH = 32  # images: the activations stored for the backward pass have to fit into memory


def grad_cam(model: nn.Module, layer: str, images: torch.Tensor, labels: np.ndarray | torch.Tensor) -> np.ndarray:
    """Return heatmaps (N, H, W) float32, scaled so that the maximum of each is 1; without positive values a heatmap is 0 everywhere.

    layer: the name of a layer of `find_map_layers`. images: normalised, (N, C, H, W) float32. labels: the class to explain for each image, (N,) int64.
    """
    height, width = images.shape[2:]
    return to_heatmap(raw_grad_cam(model, layer, images, labels), (height, width))


def to_heatmap(raw: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return raw maps (N, h, w) as heatmaps (N, *size) float32: negative values set to 0, enlarged bilinearly, maximum scaled to 1."""
    maps = nn.functional.interpolate(torch.from_numpy(raw).relu().unsqueeze(1), size, mode="bilinear", align_corners=False)
    highest = maps.amax((2, 3), keepdim=True)
    return torch.where(highest > 0, maps / highest, 0.0).squeeze(1).numpy()


def raw_grad_cam(
    model: nn.Module, layer: str, images: torch.Tensor, labels: np.ndarray | torch.Tensor, *, is_activated: bool = False
) -> np.ndarray:
    """Return the maps at the layer's resolution, (N, h, w) float32, before rectification. Negative values count against the class.

    Each channel's map is weighted by the gradient of the class's logit, averaged over the positions (equations 1 and 2).
    is_activated: use the maps after the activation that follows the convolution, as the paper does, if there is one.
    """
    copy = hookable_copy(model)
    device = next(copy.parameters()).device
    batches = zip(torch.split(images, BATCH), torch.split(torch.as_tensor(labels), BATCH), strict=True)
    maps = [
        _weight_channels(copy, copy.get_submodule(layer), batch.to(device), classes.to(device), is_activated)
        for batch, classes in batches
    ]
    return torch.cat(maps).cpu().numpy()


def _weight_channels(
    model: nn.Module, layer: nn.Module, images: torch.Tensor, labels: torch.Tensor, is_activated: bool
) -> torch.Tensor:
    """Return maps (n, h, w) float32. model: a hookable copy, whose weights are frozen, so the backward pass ends at the layer."""
    outputs_of: list[torch.Tensor] = []  # of the layer, then of the first activation after it

    def record_layer(module: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> torch.Tensor:
        outputs_of.append(outputs.detach().requires_grad_())
        return outputs_of[0].clone()  # an activation may work in place

    def record_activation(module: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> torch.Tensor | None:
        if len(outputs_of) != 1:
            return None
        outputs_of.append(outputs)
        return outputs.clone()

    hooks = [layer.register_forward_hook(record_layer)]
    if is_activated:
        hooks += [other.register_forward_hook(record_activation) for other in model.modules() if is_activation(other)]
    try:
        with torch.enable_grad():
            logits = forward_plain(model, images)
            outputs = outputs_of[-1] if _has_same_channels(outputs_of[0], outputs_of[-1]) else outputs_of[0]
            chosen = logits.gather(1, labels.unsqueeze(1)).sum()  # images are independent in evaluation mode
            (gradients,) = torch.autograd.grad(chosen, outputs)
    finally:
        for hook in hooks:
            hook.remove()
    prefix = count_prefix_tokens(model)
    weights, maps = (to_maps(values, layer, prefix) for values in (gradients, outputs.detach()))
    assert weights is not None and maps is not None, "a layer of `find_map_layers` gives maps"
    return (weights.mean((2, 3), keepdim=True) * maps).sum(1)


def _has_same_channels(maps: torch.Tensor, activated: torch.Tensor) -> bool:
    """Whether `activated` can be `maps` after an activation: computed from them, with the same channels and aspect ratio."""
    return (
        activated.requires_grad
        and activated.ndim == maps.ndim == 4
        and activated.shape[1] == maps.shape[1]
        and activated.shape[2] * maps.shape[3] == activated.shape[3] * maps.shape[2]
    )
