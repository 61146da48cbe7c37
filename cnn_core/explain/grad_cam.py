"""Where in an image a network found what speaks for a class: Grad-CAM, for any of its convolutions.

R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra: Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization, 2017. In: a model, normalised images, a class for each. Out: maps as NumPy arrays. The model, its
gradients and its hooks stay as they are, no random numbers are drawn, and sessions may use one model at the same time.

A network whose logits are the mean over an image and its mirror image is asked about the image as it is only.
"""

import numpy as np
import torch
from torch import nn

from cnn_core.explain.layers import ACTIVATIONS, conv_layers, forward_plain, hookable_copy

AT_ONCE = 32  # images: what the way back keeps of a large network's layers has to fit into memory


def grad_cam(model: nn.Module, layer: str, images: torch.Tensor, labels: np.ndarray | torch.Tensor) -> np.ndarray:
    """Heat maps (N, H, W) float32 in 0..1, 1 where most speaks for the class and 0 where nothing does; a map without anything is all 0.

    layer: a name of `conv_layers`. images: normalised, (N, C, H, W) float32. labels: the class asked about of each, (N,) int64.
    """
    return to_heat(raw_grad_cam(model, layer, images, labels), images.shape[2:])


def to_heat(raw: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Raw maps (N, h, w) as heat maps (N, *size) float32: cut at zero, enlarged bilinearly, the highest of each scaled to 1."""
    maps = nn.functional.interpolate(torch.from_numpy(raw).relu().unsqueeze(1), size, mode="bilinear", align_corners=False)
    highest = maps.amax((2, 3), keepdim=True)
    return torch.where(highest > 0, maps / highest, 0.0).squeeze(1).numpy()


def raw_grad_cam(
    model: nn.Module, layer: str, images: torch.Tensor, labels: np.ndarray | torch.Tensor, *, is_activated: bool = False
) -> np.ndarray:
    """The same as the layer sees it, (N, h, w) float32: not yet cut at zero, enlarged or scaled. What is negative speaks against the class.

    Every channel's map is weighted by the gradient of the class's logit, averaged over the positions (equations 1 and 2).
    is_activated: the maps are those behind the activation that follows the convolution, as the paper takes them, where one does.
    """
    own = hookable_copy(model)
    device = next(own.parameters()).device
    parts = [
        _weigh_channels(own, conv_layers(own)[layer], some.to(device), classes.to(device), is_activated)
        for some, classes in zip(images.split(AT_ONCE), torch.as_tensor(labels).split(AT_ONCE), strict=True)
    ]
    return torch.cat(parts).cpu().numpy()


def _weigh_channels(
    model: nn.Module, layer: nn.Module, images: torch.Tensor, labels: torch.Tensor, is_activated: bool
) -> torch.Tensor:
    """(n, h, w) float32. model: a twin, whose weights ask for no gradients, so that the way back ends at the layer."""
    found: list[torch.Tensor] = []  # the layer's maps, then what the first activation that follows gives

    def begin_here(module: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> torch.Tensor:
        found.append(outputs.detach().requires_grad_())
        return found[0].clone()  # an activation may work in the place of its input

    def go_on(module: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> torch.Tensor | None:
        if len(found) != 1:
            return None
        found.append(outputs)
        return outputs.clone()

    hooks = [layer.register_forward_hook(begin_here)]
    if is_activated:
        hooks += [other.register_forward_hook(go_on) for other in model.modules() if isinstance(other, ACTIVATIONS)]
    try:
        with torch.enable_grad():
            logits = forward_plain(model, images)
            maps = found[-1] if _are_alike(found[0], found[-1]) else found[0]
            chosen = logits.gather(1, labels.unsqueeze(1)).sum()  # images do not see each other in evaluation mode
            (gradients,) = torch.autograd.grad(chosen, maps)  # (n, channels, h, w)
    finally:
        for hook in hooks:
            hook.remove()
    return (gradients.mean((2, 3), keepdim=True) * maps.detach()).sum(1)


def _are_alike(maps: torch.Tensor, activated: torch.Tensor) -> bool:
    """Whether both can be maps of the same channels: as many, in the same place, perhaps pooled, and made from each other."""
    return (
        activated.requires_grad
        and activated.ndim == 4
        and activated.shape[1] == maps.shape[1]
        and activated.shape[2] * maps.shape[3] == activated.shape[3] * maps.shape[2]
    )
