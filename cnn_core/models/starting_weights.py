"""Starting weights: a network's weights from an installed package or a file, as far as they fit, or the check that all of them fit.

In: a network, and a file of weights or the name of published ones. Out: the network with these weights. Nothing is downloaded.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from cnn_core.errors import SettingError
from cnn_core.models.embedded import EMBEDDED, read_embedded_weights

StateDict = dict[str, torch.Tensor]
ReadOrder = Callable[[], Sequence[str]]


class FittedWeights(NamedTuple):
    """The weights of a file by the names of a network, without the last layer. other_classes: of the file's last layer, where there are as many as
    the network's published weights do not have; else 0."""

    state: StateDict
    other_classes: int


NONE_FIT = "No weights in “{weights}” fit this network. Choose a file of the same kind of network, or start from scratch."
OTHER_NETWORK = (
    "The weights in “{weights}” are not those of {name}: {missing:,} of its {count:,} tensors are missing, {unexpected:,} others are in the "
    "file and {misshapen:,} have another shape. Choose a file of this network, or the network that the file belongs to."
)
UNREADABLE = "The weights in “{path}” cannot be read. Choose a state dict in a pth or safetensors file, or start from scratch."
NO_SAFETENSORS = "Files of type safetensors need a package that is not installed. Install it with: pip install safetensors."


def load_starting_weights(model: nn.Module, weights: str, published: str) -> nn.Module:
    """Copy into `model` the installed weights called `published` (`weights` is "pretrained"; see `Family`), or those of the file `weights`.

    All that fits by name and shape is copied, except the last layer. Raises SettingError, with the remedy, if nothing fits.
    """
    if weights == "pretrained":
        assert published == EMBEDDED, "a file of the home is named before (see weights_source)"
        return copy_weights(model, read_embedded_weights(model.state_dict()), weights)
    return copy_weights(model, read_weights(Path(weights).expanduser()), weights)


def copy_weights(model: nn.Module, state: StateDict, weights: str) -> nn.Module:
    """Copy into `model` what fits (see `copy_fitting`), and return it. weights: their name. Raises SettingError if nothing fits."""
    if not copy_fitting(model, state):
        raise SettingError(
            NONE_FIT.format(weights=weights),
            "weights",
        )
    return model


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
    """Copy into `model` what fits (see `find_fitting`); return how many kernels and matrices were copied."""
    fitting = find_fitting(model, state)
    model.load_state_dict(fitting, strict=False)
    return sum(value.ndim >= 2 for value in fitting.values())


def find_fitting(model: nn.Module, state: StateDict) -> StateDict:
    """Return what of `state` fits `model` by name and shape, except the last layer.

    The first layer's kernels for three colours are summed for grey images, which have the same value in all three.
    """
    own: dict[str, Any] = dict(model.state_dict())
    first = f"{next(name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d))}.weight"
    stem = state.get(first)
    if stem is not None and stem.ndim == 4 and stem.shape[1] == 3 and own[first].shape[1] == 1:
        state = {**state, first: stem.sum(1, keepdim=True)}
    head = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)][-1]
    return {
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


def check_names(
    own: StateDict, state: StateDict, last: tuple[str, ...], name: str, weights: str, read_order: ReadOrder
) -> FittedWeights:
    """Return the tensors of `state` by the names of `own`, those of the network `name`, without the last layer, whose classes may be others.

    last: how the names of the last layer begin. weights: the file's name, for the message. read_order: see `rename`. Raises SettingError, which
    counts missing, unexpected and misshapen tensors, where the weights belong to another network.
    """
    state = rename(own, state, last, read_order)
    wanted = {key for key in own if not key.startswith(last)}
    found = {key for key in state if not key.startswith(last)}
    misshapen = [key for key in wanted & found if state[key].shape != own[key].shape]
    if wanted != found or misshapen:
        counts = {"missing": len(wanted - found), "unexpected": len(found - wanted), "misshapen": len(misshapen)}
        raise SettingError(OTHER_NETWORK.format(weights=weights, name=name, count=len(wanted), **counts), "weights")
    classes = _count_classes(state, last)
    return FittedWeights(
        {key: state[key] for key in own if key in wanted}, 0 if classes == _count_classes(own, last) else classes
    )


def rename(own: StateDict, state: StateDict, last: tuple[str, ...], read_order: ReadOrder) -> StateDict:
    """Return the tensors of `state` by the names of `own` where both have the same sizes in the same order, as networks of timm and torchvision do;
    else `state`.

    last: how the names of the last layer begin, whose size may be another. read_order: returns the names that the other library gives the tensors,
    in the order of the layers, which a safetensors file does not keep.
    """
    if own.keys() == state.keys():
        return state
    order = read_order()
    if state.keys() == set(order):
        state = {key: state[key] for key in order}
    pairs = zip(own.items(), state.values(), strict=False)
    if len(own) != len(state) or not all(key.startswith(last) or a.numel() == b.numel() for (key, a), b in pairs):
        return state
    return {
        key: value if key.startswith(last) else value.reshape(own[key].shape)
        for key, value in zip(own, state.values(), strict=True)
    }


def _count_classes(state: StateDict, last: tuple[str, ...]) -> int:
    """Return the number of classes of the last layer in `state`; 0 without one."""
    return next((len(value) for name, value in state.items() if name.startswith(last) and value.ndim > 1), 0)
