"""Where in an image a network found what speaks for a class: Grad-CAM, for any of its convolutions.

R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra: Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization, 2017. In: a model, normalised images, a class for each. Out: maps as NumPy arrays. The model, its
gradients and its hooks stay as they are, no random numbers are drawn, and sessions may use one model at the same time.

A network whose logits are the mean over an image and its mirror image is asked about the image as it is only.
"""

import numpy as np
import torch
from torch import nn

from cnn_core.analysis.layers import conv_layers, forward_plain, twin

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


def raw_grad_cam(model: nn.Module, layer: str, images: torch.Tensor, labels: np.ndarray | torch.Tensor) -> np.ndarray:
    """The same as the layer sees it, (N, h, w) float32: not yet cut at zero, enlarged or scaled. What is negative speaks against the class.

    Every channel's map is weighted by the gradient of the class's logit, averaged over the positions (equations 1 and 2).
    """
    own = twin(model)
    device = next(own.parameters()).device
    parts = [
        _weigh_channels(own, conv_layers(own)[layer], some.to(device), classes.to(device))
        for some, classes in zip(images.split(AT_ONCE), torch.as_tensor(labels).split(AT_ONCE), strict=True)
    ]
    return torch.cat(parts).cpu().numpy()


def _weigh_channels(model: nn.Module, layer: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(n, h, w) float32. model: a twin, whose weights ask for no gradients, so that the way back ends at the layer."""
    maps: list[torch.Tensor] = []

    def begin_here(module: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> torch.Tensor:
        maps.append(outputs.detach().requires_grad_())
        return maps[0].clone()  # an activation may work in the place of its input

    hook = layer.register_forward_hook(begin_here)
    try:
        with torch.enable_grad():
            logits = forward_plain(model, images)
            chosen = logits.gather(1, labels.unsqueeze(1)).sum()  # images do not see each other in evaluation mode
            (gradients,) = torch.autograd.grad(chosen, maps)  # (n, channels, h, w)
    finally:
        hook.remove()
    return (gradients.mean((2, 3), keepdim=True) * maps[0].detach()).sum(1)
