"""One image's passage through a network: every step from the image to the probabilities, with what went in and what came out.

In: a model (which stays as it is) and a normalised image. Out: steps in the order they ran, as arrays, whose operations can be written out.
Layers are told of, and also what happens between them: the addition of a shortcut, a pooling or a division without a module of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cnn_core.explain.arithmetic import (
    Activation,
    Affine,
    Meeting,
    Operation,
    Pooling,
    Reach,
    Rearrangement,
    Softmax,
    Weighing,
    dividing,
    sliding,
)
from cnn_core.explain.layers import ACTIVATIONS, forward_plain, hookable_copy

POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
PASSED = {"flatten", "dropout", "contiguous", "view", "reshape", "permute"}  # the same numbers under another shape
WORDS = {"__getitem__": "pixels left out", "pad": "zeros added"}


@dataclass(frozen=True, eq=False)
class Step:
    """`output` (C, H, W) float32, with H = W = 1 where a layer gives plain numbers. `sources`: the numbers of the steps that went in.

    `name`: the dotted name of the module that was at work, "" for the network itself. `kind`: "convolution", "linear", "pooling", "norm",
    "factor", "activation", "addition", "multiplication", "rearrangement", "softmax", and "image" for the first, which has no operation.
    `word`: what it is called more exactly, as "ReLU".
    """

    name: str
    kind: str
    word: str
    sources: tuple[int, ...]
    output: np.ndarray
    operation: Operation | None = None


def follow(model: nn.Module, image: torch.Tensor) -> list[Step]:
    """The steps of one normalised image (1, C, H, W), from itself to the probabilities (classes, 1, 1). model: on the CPU."""
    listener = _Listener(image)
    own = hookable_copy(model)
    for name, module in own.named_modules():
        module.register_forward_pre_hook(lambda module, inputs, name=name: listener.at_work.append((name, module)))
        module.register_forward_hook(lambda module, inputs, outputs: listener.leave())
    listener.at_work.append(("", own))  # its own hooks are passed over
    with torch.no_grad(), listener:
        forward_plain(own, image)
    steps = listener.steps
    powers = np.exp(steps[-1].output.astype(np.float64) - steps[-1].output.max())
    shares = (powers / powers.sum()).astype(np.float32)
    return [*steps, Step("", "softmax", "softmax", (len(steps) - 1,), shares, Softmax())]


@dataclass(frozen=True, eq=False)
class _Known:
    """A tensor of the pass, held so that no other takes its place; the step that gave it; whether its channels are last."""

    tensor: torch.Tensor
    step: int
    is_channels_last: bool


class _Listener(TorchFunctionMode):
    """Hears of every function that is called on tensors, in this thread, as long as the block lasts."""

    def __init__(self, image: torch.Tensor) -> None:
        super().__init__()
        self.at_work: list[tuple[str, nn.Module]] = []
        self.steps = [Step("", "image", "image", (), _to_maps(image, False))]
        self._known = {id(image): _Known(image, 0, False)}

    def leave(self) -> None:
        """The module that was at work is done. (What a hook gives would take the place of the module's output.)"""
        self.at_work.pop()

    def __torch_function__(
        self, function: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        inputs = [known for value in args if (known := self._known.get(id(value)))]
        outputs = function(*args, **(kwargs or {}))
        if inputs and isinstance(outputs, torch.Tensor):
            self._note(function.__name__, args, inputs, outputs)
        return outputs

    def _note(self, function: str, args: Sequence[Any], inputs: list[_Known], outputs: torch.Tensor) -> None:
        is_last = inputs[0].is_channels_last ^ (function == "permute")  # ConvNeXt turns its maps for linear layers and norms
        number = inputs[0].step
        if function not in PASSED:
            output = _to_maps(outputs, is_last)
            sources = tuple(known.step for known in inputs)
            self.steps.append(self._step(function, args, sources, output))
            number = len(self.steps) - 1
        self._known[id(outputs)] = _Known(outputs, number, is_last)

    def _step(self, function: str, args: Sequence[Any], sources: tuple[int, ...], output: np.ndarray) -> Step:
        name, module = self.at_work[-1]
        before = self.steps[sources[0]].output

        def step(kind: str, word: str, operation: Operation) -> Step:
            return Step(name, kind, word, sources, output, operation)

        if isinstance(module, nn.Conv2d):
            return step("convolution", "convolution", _convolution(module, output))
        if isinstance(module, nn.Linear):
            return step("linear", "linear layer", _linear(module, before, output))
        if isinstance(module, POOLINGS):
            return step("pooling", f"{'max' if _takes_largest(module) else 'mean'} pooling", _pooling(module, before, output))
        if isinstance(module, nn.BatchNorm2d):
            return step("norm", "batch norm", _batch_norm(module))
        if isinstance(module, nn.LayerNorm):
            return step("norm", "layer norm", _layer_norm(module, before))
        if isinstance(module, (*ACTIVATIONS, nn.Sigmoid)):
            return step("activation", type(module).__name__, Activation())
        if function == "amax":
            return step("pooling", "max pooling", Pooling(True, _whole(before)))
        if function.strip("_") in ("add", "iadd"):
            return step("addition", "addition", Meeting(True))
        if function.strip("_") in ("mul", "div", "truediv", "rmul") and len(sources) == 1:
            return step("factor", "factor", _factor(function, args, self._known))
        if function.strip("_") == "mul":
            return step("multiplication", "multiplication", Meeting(False))
        return step("rearrangement", WORDS.get(function, function), Rearrangement())


def _to_maps(tensor: torch.Tensor, is_channels_last: bool) -> np.ndarray:
    """A copy, (C, H, W) float32, of (1, C, H, W), (1, H, W, C) or (1, units): the next layer may work in its place."""
    maps = tensor[0].movedim(-1, 0) if is_channels_last and tensor.ndim == 4 else tensor[0]
    return maps.reshape(len(maps), *(maps.shape[1:] or (1, 1))).float().numpy().copy()


def _convolution(layer: nn.Conv2d, output: np.ndarray) -> Weighing:
    parts = zip(output.shape[1:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True)
    bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
    return Weighing(_numbers(layer.weight), _numbers(bias), Reach(*(sliding(*part) for part in parts)), layer.groups)


def _linear(layer: nn.Linear, before: np.ndarray, output: np.ndarray) -> Weighing:
    """On plain numbers its kernel covers all that went in; on maps it is a convolution of single pixels."""
    bias = _numbers(torch.zeros(layer.out_features) if layer.bias is None else layer.bias)
    if layer.in_features == before.size:
        return Weighing(_numbers(layer.weight).reshape(-1, *before.shape), bias, _whole(before))
    rows, columns = (sliding(side, 1) for side in output.shape[1:])
    return Weighing(_numbers(layer.weight)[..., None, None], bias, Reach(rows, columns))


def _pooling(layer: nn.Module, before: np.ndarray, output: np.ndarray) -> Pooling:
    sides = list(zip(before.shape[1:], output.shape[1:], strict=True))
    if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return Pooling(_takes_largest(layer), Reach(*(dividing(*side) for side in sides)))
    sizes, strides, paddings = (_pair(value) for value in (layer.kernel_size, layer.stride, layer.padding))
    parts = zip(output.shape[1:], sizes, strides, paddings, strict=True)
    return Pooling(_takes_largest(layer), Reach(*(sliding(*part) for part in parts)))


def _takes_largest(layer: nn.Module) -> bool:
    return isinstance(layer, nn.MaxPool2d | nn.AdaptiveMaxPool2d)


def _whole(before: np.ndarray) -> Reach:
    return Reach(*((tuple(range(side)),) for side in before.shape[1:]))


def _batch_norm(layer: nn.BatchNorm2d) -> Affine:
    """In evaluation the mean and variance are those of the training images, so the norm is a scale and a shift per channel."""
    mean, variance = _numbers(layer.running_mean), _numbers(layer.running_var)
    scale = _numbers(layer.weight) / np.sqrt(variance + layer.eps)
    shift = _numbers(layer.bias) - mean * scale
    return Affine(scale[:, None, None], shift[:, None, None])


def _layer_norm(layer: nn.LayerNorm, before: np.ndarray) -> Affine:
    """Mean and variance are those of the channels at each pixel, which makes the scale and the shift maps."""
    scale = _numbers(layer.weight)[:, None, None] / np.sqrt(before.var(0, keepdims=True) + layer.eps)
    return Affine(scale, _numbers(layer.bias)[:, None, None] - before.mean(0, keepdims=True) * scale)


def _factor(function: str, args: Sequence[Any], known: Mapping[int, object]) -> Affine:
    (factor,) = (value for value in args if id(value) not in known)
    value = _numbers(factor) if isinstance(factor, torch.Tensor) else np.array(factor, np.float32)
    return Affine(1 / value if "div" in function else value, np.zeros((), np.float32))


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().numpy()


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)
