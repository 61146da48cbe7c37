"""Trace the forward pass of one image: every step from the image to the probabilities, with inputs and output.

In: a model (not changed) and a normalised image. Out: steps in the order of execution, as arrays, with their arithmetic. The trace contains the
layers and the operations between them: the addition of a shortcut, a pooling or a division without a module.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cnn_core.errors import RunError
from cnn_core.explain.arithmetic import (
    Activation,
    Affine,
    Elementwise,
    Operation,
    Pooling,
    Rearrangement,
    Softmax,
    WeightedSum,
    Windows,
    adaptive_windows,
    sliding_windows,
)
from cnn_core.models.hooks import forward_plain, hookable_copy, is_activation

POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
RESHAPING = {"flatten", "dropout", "contiguous", "view", "reshape", "permute", "to", "float"}  # the values stay the same
REARRANGEMENTS = {"__getitem__": "subsampling", "pad": "zero padding"}
ACTIVATION_FUNCTIONS = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "sigmoid": "Sigmoid"}
UNTRACEABLE = (
    "The steps of this network cannot be shown, because it contains operations that this view does not know, for example those of a "
    "transformer. Choose a run with another network."
)


@dataclass(frozen=True, eq=False)
class TraceStep:
    """`output` (C, H, W) float32, with H = W = 1 for a vector. `sources`: the indices of the steps it is computed from.

    `name`: the dotted name of the module that ran, "" for the model itself. `kind`: "convolution", "linear", "pooling", "norm", "factor",
    "activation", "addition", "multiplication", "rearrangement", "softmax", and "image" for the first step, which has no operation.
    `word`: a more specific name, such as "ReLU".
    """

    name: str
    kind: str
    word: str
    sources: tuple[int, ...]
    output: np.ndarray
    operation: Operation | None = None


def trace_forward(model: nn.Module, image: torch.Tensor) -> list[TraceStep]:
    """Return the steps of one normalised image (1, C, H, W), from the image to the probabilities (classes, 1, 1). model: on the CPU.

    Raises RunError for a network with an operation that is none of those in `arithmetic`: its steps would not lead to its output.
    """
    tracer = _Tracer(image)
    copy = hookable_copy(model)
    for name, module in copy.named_modules():
        module.register_forward_pre_hook(lambda module, inputs, name=name: tracer.active_modules.append((name, module)))
        module.register_forward_hook(lambda module, inputs, outputs: tracer.leave())
    tracer.active_modules.append(("", copy))  # hooks of the whole model are skipped
    with torch.no_grad(), tracer:
        logits = forward_plain(copy, image)
    steps = tracer.steps
    if not np.array_equal(steps[-1].output.ravel(), _numbers(logits).ravel(), equal_nan=True):
        raise RunError(UNTRACEABLE)
    exponentials = np.exp(steps[-1].output.astype(np.float64) - steps[-1].output.max())
    probabilities = (exponentials / exponentials.sum()).astype(np.float32)
    return [*steps, TraceStep("", "softmax", "softmax", (len(steps) - 1,), probabilities, Softmax())]


@dataclass(frozen=True, eq=False)
class _TracedTensor:
    """A tensor of the pass, referenced so that its identity stays unique; the step that computed it; whether its channels are last."""

    tensor: torch.Tensor
    step: int
    is_channels_last: bool


class _Tracer(TorchFunctionMode):
    """Records every function that is called on tensors in this thread while the block lasts."""

    def __init__(self, image: torch.Tensor) -> None:
        super().__init__()
        self.active_modules: list[tuple[str, nn.Module]] = []
        self.steps = [TraceStep("", "image", "image", (), _to_maps(image, False))]
        self._tensors = {id(image): _TracedTensor(image, 0, False)}

    def leave(self) -> None:
        """Remove the module that has finished. Returns None, because the result of a hook would replace the module's output."""
        self.active_modules.pop()

    def __torch_function__(
        self, function: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        inputs = [known for value in args if (known := self._tensors.get(id(value)))]
        outputs = function(*args, **(kwargs or {}))
        if inputs and isinstance(outputs, torch.Tensor):
            self._record(function.__name__, args, inputs, outputs)
        return outputs

    def _record(self, function: str, args: Sequence[Any], inputs: list[_TracedTensor], outputs: torch.Tensor) -> None:
        if outputs.ndim not in (2, 4):
            raise RunError(UNTRACEABLE)
        is_last = inputs[0].is_channels_last ^ (function == "permute")  # ConvNeXt permutes its maps for linear layers and norms
        index = inputs[0].step
        if function not in RESHAPING:
            output = _to_maps(outputs, is_last)
            sources = tuple(known.step for known in inputs)
            self.steps.append(self._step(function, args, sources, output))
            index = len(self.steps) - 1
        self._tensors[id(outputs)] = _TracedTensor(outputs, index, is_last)

    def _step(self, function: str, args: Sequence[Any], sources: tuple[int, ...], output: np.ndarray) -> TraceStep:
        name, module = self.active_modules[-1]
        before = self.steps[sources[0]].output

        def step(kind: str, word: str, operation: Operation) -> TraceStep:
            return TraceStep(name, kind, word, sources, output, operation)

        if function == "conv2d" and isinstance(module, nn.Conv2d):
            return step("convolution", "convolution", _convolution(module, output, *args[1:3]))
        if function == "linear":
            return step("linear", "linear layer", _linear(before, output, *args[1:3]))
        if isinstance(module, POOLINGS) and function != "pad":  # some layers pad in a step of their own
            return step("pooling", f"{'max' if _is_max_pooling(module) else 'mean'} pooling", _pooling(module, before, output))
        if function == "batch_norm" and isinstance(module, nn.BatchNorm2d):
            return step("norm", "batch norm", _batch_norm(module))
        if function == "layer_norm" and isinstance(module, nn.LayerNorm):
            return step("norm", "layer norm", _layer_norm(module, before))
        if is_activation(module) or isinstance(module, nn.Sigmoid):
            return step("activation", type(module).__name__, Activation())
        if word := ACTIVATION_FUNCTIONS.get(function.strip("_")):
            return step("activation", word, Activation())
        if function in ("amax", "mean") and output.shape == (len(before), 1, 1):
            is_max = function == "amax"
            return step("pooling", f"{'max' if is_max else 'mean'} pooling", Pooling(is_max, _whole_input(before)))
        if function.strip("_") in ("add", "iadd") and len(sources) == 2:
            return step("addition", "addition", Elementwise(is_sum=True))
        if function.strip("_") in ("mul", "div", "truediv", "rmul") and len(sources) == 1:
            return step("factor", "factor", _factor(function, args, self._tensors))
        if function.strip("_") in ("mul", "imul"):
            return step("multiplication", "multiplication", Elementwise(is_sum=False))
        if word := REARRANGEMENTS.get(function):
            return step("rearrangement", word, Rearrangement())
        raise RunError(UNTRACEABLE)


def _to_maps(tensor: torch.Tensor, is_channels_last: bool) -> np.ndarray:
    """Return a copy (C, H, W) float32 of (1, C, H, W), (1, H, W, C) or (1, units): the next layer may work in place."""
    maps = tensor[0].movedim(-1, 0) if is_channels_last and tensor.ndim == 4 else tensor[0]
    return maps.reshape(len(maps), *(maps.shape[1:] or (1, 1))).float().numpy().copy()


def _convolution(layer: nn.Conv2d, output: np.ndarray, weight: torch.Tensor, bias: torch.Tensor | None = None) -> WeightedSum:
    """Return the kernels `weight` with the windows of `layer`; some layers standardise their weights before they use them."""
    assert not isinstance(layer.padding, str)  # our families give numbers
    dimensions = zip(output.shape[1:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True)
    windows = Windows(*(sliding_windows(*sizes) for sizes in dimensions))
    return WeightedSum(_numbers(weight), _bias(weight, bias), windows, layer.groups)


def _linear(before: np.ndarray, output: np.ndarray, weight: torch.Tensor, bias: torch.Tensor | None = None) -> WeightedSum:
    """Return a kernel that covers the whole input for a vector, or a convolution of single pixels for maps."""
    if weight.shape[1] == before.size:
        return WeightedSum(_numbers(weight).reshape(-1, *before.shape), _bias(weight, bias), _whole_input(before))
    rows, columns = (sliding_windows(side, 1) for side in output.shape[1:])
    return WeightedSum(_numbers(weight)[..., None, None], _bias(weight, bias), Windows(rows, columns))


def _bias(weight: torch.Tensor, bias: torch.Tensor | None) -> np.ndarray:
    return _numbers(torch.zeros(len(weight)) if bias is None else bias)


def _pooling(layer: nn.Module, before: np.ndarray, output: np.ndarray) -> Pooling:
    sides = list(zip(before.shape[1:], output.shape[1:], strict=True))
    if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return Pooling(_is_max_pooling(layer), Windows(*(adaptive_windows(*side) for side in sides)))
    assert isinstance(layer, nn.MaxPool2d | nn.AvgPool2d)
    sizes, strides, paddings = map(_pair, (layer.kernel_size, layer.stride, layer.padding))
    windows = [sliding_windows(*values) for values in zip(output.shape[1:], sizes, strides, paddings, strict=True)]
    if isinstance(layer, nn.AvgPool2d) and not layer.count_include_pad:  # padding is no part of a window
        inside = zip(before.shape[1:], windows, strict=True)
        windows = [tuple(tuple(place for place in window if 0 <= place < side) for window in axis) for side, axis in inside]
    return Pooling(_is_max_pooling(layer), Windows(*windows))


def _is_max_pooling(layer: nn.Module) -> bool:
    return isinstance(layer, nn.MaxPool2d | nn.AdaptiveMaxPool2d)


def _whole_input(before: np.ndarray) -> Windows:
    """Return one window over the whole input."""
    return Windows(*((tuple(range(side)),) for side in before.shape[1:]))


def _batch_norm(layer: nn.BatchNorm2d) -> Affine:
    """Return scale and shift per channel: in evaluation mode mean and variance are those of the training images."""
    assert layer.running_mean is not None and layer.running_var is not None
    mean, variance = _numbers(layer.running_mean), _numbers(layer.running_var)
    scale = _numbers(layer.weight) / np.sqrt(variance + layer.eps)
    shift = _numbers(layer.bias) - mean * scale
    return Affine(scale[:, None, None], shift[:, None, None])


def _layer_norm(layer: nn.LayerNorm, before: np.ndarray) -> Affine:
    """Return scale and shift per pixel: mean and variance are those of the channels at the pixel."""
    scale = _numbers(layer.weight)[:, None, None] / np.sqrt(before.var(0, keepdims=True) + layer.eps)
    return Affine(scale, _numbers(layer.bias)[:, None, None] - before.mean(0, keepdims=True) * scale)


def _factor(function: str, args: Sequence[Any], known: Mapping[int, object]) -> Affine:
    (factor,) = (value for value in args if id(value) not in known)
    value = _numbers(factor) if isinstance(factor, torch.Tensor) else np.array(factor, np.float32)
    value = value[0] if value.ndim == 4 else value  # of all images
    return Affine(1 / value if "div" in function else value, np.zeros((), np.float32))


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().numpy()


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)
