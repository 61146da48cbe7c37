"""The forward pass of one image through a network, and the arithmetic of one step at the pixel under the pointer, computed in the browser.

A press on another step or channel is sent to the page. The browser has the values of one channel at a time, and of a step with many input
channels only those that contribute most.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from cnn_core.explain.arithmetic import Affine, Pooling, Softmax, WeightedSum, Windows
from pages.charts.components.asset import declare
from pages.charts.images import data_url

if TYPE_CHECKING:  # it loads torch
    from cnn_core.explain.forward_trace import TraceStep

_convolution = declare("convolution")

MAX_VALUES = 2**18  # of input maps that are sent: 1 MB
SIDE = 16  # pixels of a small map at most
SMALL_MAPS = 2**17  # pixels of small maps of all steps together
TILES = 64  # channels of the chosen step to choose from
MAX_FOLLOWING = 4  # steps after the chosen one whose arithmetic is shown, up to the activation
FOLLOWING_KINDS = {"norm", "factor", "activation", "pooling", "addition", "softmax"}


@dataclass(frozen=True, eq=False)
class TracedModel:
    """The `steps` of an image through a network. `pixels`: the image, (H, W, C) uint8, normalised with `mean` and `std` of each channel."""

    name: str
    steps: "Sequence[TraceStep]"
    pixels: np.ndarray
    mean: Sequence[float]
    std: Sequence[float]
    classes: Sequence[str]


def show_steps(key: str, traced: TracedModel, chosen: tuple[int, int], on_choose: Callable[[int, int], None]) -> None:
    """Draw the steps, and the arithmetic of channel `chosen[1]` of step `chosen[0]`. `on_choose` is called with step and channel of a press."""

    def take() -> None:
        match st.session_state[key].chosen:
            case [int(step), int(channel)] if 0 <= step < len(traced.steps) and 0 <= channel < len(traced.steps[step].output):
                on_choose(step, channel)

    data = {"name": traced.name, "strip": describe_steps(traced), "layer": describe_channel(traced, *chosen)}
    _convolution(key=key, data=data, on_chosen_change=take)


def describe_steps(traced: TracedModel) -> list[dict[str, Any]]:
    """Return name, shape and small maps of the first channels of every step."""
    count = max(3, min(8, SMALL_MAPS // (SIDE * SIDE * len(traced.steps))))
    rows = []
    for step in traced.steps:
        row = {"name": step.name, "kind": step.kind, "operation": step.word, "shape": list(step.output.shape)}
        rows.append(row | {"strongest": int(step.output.max((1, 2)).argmax())} | _small_maps(step.output[:count]))
    rows[0]["image"] = data_url(traced.pixels)
    return rows


def describe_channel(traced: TracedModel, number: int, channel: int) -> dict[str, Any]:
    """Return the data for the arithmetic of one channel of a step: its map, the input maps, and the parameters of the operation."""
    step = traced.steps[number]
    data = {
        "step": number,
        "name": step.name,
        "kind": step.kind,
        "operation": step.word,
        "channel": channel,
        "channels": len(step.output),
        "classes": list(traced.classes) if _has_classes(traced, number) else [],
        "size": list(step.output.shape[1:]),
        "output": _encode(step.output[channel]),
        "tiles": _small_maps(step.output[:TILES]),
        "after": _following(traced.steps, number, channel),
        "from": [f"{source.word} {source.name}".strip() for source in (traced.steps[place] for place in step.sources)],
    }
    return data | _describe_operation(traced, number, channel)


def _describe_operation(traced: TracedModel, number: int, channel: int) -> dict[str, Any]:
    step = traced.steps[number]
    if step.operation is None:
        return _maps(traced.pixels[..., channel][None] / 255, [channel]) | {
            "mean": traced.mean[channel],
            "std": traced.std[channel],
        }
    inputs = [traced.steps[source].output for source in step.sources]
    match step.operation:
        case WeightedSum():
            return _describe_weights(step.operation, inputs[0], channel)
        case Softmax():
            return _maps(inputs[0], range(len(inputs[0])))
        case Pooling(is_max, reach):
            return _same_channel(step, inputs, channel) | _windows(reach) | {"isMax": is_max}
        case Affine():
            return _same_channel(step, inputs, channel) | _scale_and_shift(step.operation, step.output, channel)
        case _:
            return _same_channel(step, inputs, channel)


def _same_channel(step: "TraceStep", inputs: list[np.ndarray], channel: int) -> dict[str, Any]:
    """Return the maps of the same channel of all inputs. A map of a single pixel is broadcast to the size of the output."""
    maps = [own[min(channel, len(own) - 1)] for own in inputs]
    if len(maps) > 1:
        maps = [np.broadcast_to(own, step.output.shape[1:]) for own in maps]
    return _maps(np.stack(maps), [channel] * len(maps))


def _describe_weights(operation: WeightedSum, inputs: np.ndarray, channel: int) -> dict[str, Any]:
    """Return input maps and kernels of an output channel: all of them, or those that contribute most and the sum of the others."""
    members, kernels = np.array(operation.input_channels(channel)), operation.weights[channel]
    _, height, width = inputs.shape
    data = _windows(operation.windows) | {"bias": float(operation.bias[channel]), "total": len(members)}
    most = max(1, MAX_VALUES // (height * width))
    chosen = np.arange(len(members))
    if len(members) > most:
        sums = operation.partial_sums(inputs, channel)
        chosen = np.sort(np.argsort(-np.abs(sums).mean((1, 2)), kind="stable")[:most])
        data["rest"] = _encode(np.delete(sums, chosen, 0).sum(0))
    return data | _maps(inputs[members[chosen]], members[chosen]) | {"kernels": _encode(kernels[chosen])}


def _scale_and_shift(operation: Affine, output: np.ndarray, channel: int) -> dict[str, str]:
    """Return scale and shift of a channel: one number each, or one for every pixel."""
    data = {}
    for name, values in (("scale", operation.scale), ("shift", operation.shift)):
        own = np.broadcast_to(values, output.shape)[channel]
        data[name] = _encode(own if values.size > len(output) else own[:1, :1])
    return data


def _following(steps: "Sequence[TraceStep]", number: int, channel: int) -> list[dict[str, Any]]:
    """Return the steps that take the output of step `number` alone, up to the activation."""
    rows: list[dict[str, Any]] = []
    for _ in range(MAX_FOLLOWING):
        users = [place for place in range(number + 1, len(steps)) if number in steps[place].sources]
        if len(users) != 1 or steps[users[0]].kind not in FOLLOWING_KINDS or (rows and rows[-1]["kind"] == "activation"):
            break
        number = users[0]
        step = steps[number]
        row = {"kind": step.kind, "operation": step.word, "name": step.name, "size": list(step.output.shape[1:])}
        row["output"] = _encode(step.output[channel])
        match step.operation:
            case Pooling(_, reach):
                row |= _windows(reach)
            case Affine():
                row |= _scale_and_shift(step.operation, step.output, channel)
        rows.append(row)
    return rows


def _has_classes(traced: TracedModel, number: int) -> bool:
    """Return whether the channels of the step are the classes: in the last linear layer, or after it."""
    last = max((place for place, step in enumerate(traced.steps) if step.kind == "linear"), default=len(traced.steps) - 1)
    return number >= last and len(traced.steps[number].output) == len(traced.classes)


def _maps(maps: np.ndarray, channels: Sequence[int] | np.ndarray) -> dict[str, Any]:
    return {"inSize": list(maps.shape[1:]), "inputs": [int(channel) for channel in channels], "maps": _encode(maps)}


def _windows(reach: Windows) -> dict[str, Any]:
    return {"rows": reach.rows, "columns": reach.columns}


def _small_maps(maps: np.ndarray) -> dict[str, Any]:
    """Return maps (n, H, W) with sides of at most SIDE, leaving out pixels evenly, as whole numbers from -127 to 127.

    Each has a range of its own; single numbers share one.
    """
    rows, columns = (np.linspace(0, side - 1, min(side, SIDE)).round().astype(int) for side in maps.shape[1:])
    small = maps[:, rows][:, :, columns]
    largest = np.abs(small).max((1, 2) if small[0].size > 1 else None, keepdims=True)
    shades = (small / np.where(largest > 0, largest, 1) * 127).round().astype(np.int8)
    return {"count": len(small), "side": list(small.shape[1:]), "maps": base64.b64encode(shades.tobytes()).decode()}


def _encode(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()
