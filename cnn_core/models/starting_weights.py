"""Starting weights: a network's weights from an installed package, torchvision's download or a file, as far as they fit.

In: a network, and a file of weights or the name of published ones. Out: the network with these weights. Downloads stay in torch's cache.
"""

import pickle
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models

from cnn_core.errors import SettingError
from cnn_core.models.embedded import EMBEDDED, read_embedded_weights

StateDict = dict[str, torch.Tensor]
NONE_FIT = "No weights in “{weights}” fit this network. Choose a file of the same kind of network, or start from scratch."
NOT_DOWNLOADED = (
    "The pretrained weights could not be downloaded ({reason}). Connect this machine to the internet, "
    "choose a file of weights, or start from scratch."
)
UNREADABLE = "The weights in “{path}” cannot be read. Choose a state dict in a pth or safetensors file, or start from scratch."
NO_SAFETENSORS = "Files of type safetensors need a package that is not installed. Install it with: pip install safetensors."


def load_starting_weights(model: nn.Module, weights: str, published: str) -> nn.Module:
    """Copy into `model` the weights called `published` (`weights` is "pretrained"; see `Family`), or those of the file `weights`.

    All that fits by name and shape is copied, except the last layer. Raises SettingError, with the remedy, if nothing fits.
    """
    if weights != "pretrained":
        state = read_weights(Path(weights).expanduser())
    elif published == EMBEDDED:
        state = read_embedded_weights(model.state_dict())
    else:
        state = download(published)
    if not copy_fitting(model, state):
        raise SettingError(
            NONE_FIT.format(weights=weights),
            "weights",
        )
    return model


def download(published: str) -> StateDict:
    """Return the weights that torchvision calls `published`, from torch's cache or from download.pytorch.org. Raises SettingError."""
    try:
        return dict(models.get_weight(published).get_state_dict(progress=False, check_hash=True))
    except (
        OSError,
        HTTPException,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:  # no network; wrong hash; damaged cache
        raise SettingError(
            NOT_DOWNLOADED.format(reason=type(error).__name__),
            "weights",
        ) from None


def read_weights(path: Path) -> StateDict:
    """Return the tensors of a .safetensors or .pth file by name; code in the file is not run. Raises SettingError for any other file."""
    try:
        is_safetensors = path.suffix.lower() == ".safetensors"
        saved: Any = _read_safetensors(path) if is_safetensors else torch.load(path, "cpu", weights_only=True)
        state = saved.get("state_dict", saved)  # checkpoints often contain more than the weights
        return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    except SettingError:
        raise
    except Exception:  # reading a damaged file may raise anything
        raise SettingError(
            UNREADABLE.format(path=path),
            "weights",
        ) from None


def _read_safetensors(path: Path) -> StateDict:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise SettingError(
            NO_SAFETENSORS,
            "weights",
        ) from None
    return load_file(path)


def copy_fitting(model: nn.Module, state: StateDict) -> int:
    """Copy into `model` what fits by name and shape, except the last layer; return how many kernels and matrices were copied.

    The first layer's kernels for three colours are summed for grey images, which have the same value in all three.
    """
    own: dict[str, Any] = dict(model.state_dict())
    first = f"{next(name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d))}.weight"
    stem = state.get(first)
    if stem is not None and stem.ndim == 4 and stem.shape[1] == 3 and own[first].shape[1] == 1:
        state = {**state, first: stem.sum(1, keepdim=True)}
    head = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)][-1]
    fitting = {
        name: value
        for name, value in state.items()
        if name in own
        and not name.startswith(f"{head}.")
        and value.shape == own[name].shape
        and value.device.type == "cpu"
        and value.layout == torch.strided
        and not value.is_quantized
        and value.is_floating_point() == own[name].is_floating_point()
    }
    model.load_state_dict(fitting, strict=False)
    return sum(value.ndim >= 2 for value in fitting.values())
