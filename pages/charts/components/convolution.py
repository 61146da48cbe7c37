"""A network's steps on one image, and one step's arithmetic at the pixel under the pointer, which the browser writes out by itself.

A press on another step or channel is told to the page; the numbers of one step are there at a time, and of a wide one its strongest inputs.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from pages.charts.components.asset import declare
from pages.charts.images import data_url

if TYPE_CHECKING:
    from cnn_core.explain.arithmetic import WeightedSum, Windows
    from cnn_core.explain.forward_trace import TraceStep

_convolution = declare("convolution", "maps", "convolution_layer", "convolution_words", "convolution_strip")

MOST = 2**18  # numbers of input maps that are sent: 1 MB
SIDE = 16  # pixels of a small map at most
SMALL_MAPS = 2**17  # pixels of small maps beside all steps
TILES = 64  # channels of the chosen step that are shown to choose from
AFTERWARDS = 4  # steps behind the chosen one whose number is told, up to its activation
TOLD = {"norm", "factor", "activation", "pooling", "addition", "softmax"}


@dataclass(frozen=True, eq=False)
class TracedModel:
    """An image's `steps` through a network, and its `pixels` (H, W, C) uint8, of which `mean` and `std` of each channel make what goes in."""

    name: str
    steps: "Sequence[TraceStep]"
    pixels: np.ndarray
    mean: Sequence[float]
    std: Sequence[float]
    classes: Sequence[str]


def show_steps(key: str, subject: TracedModel, chosen: tuple[int, int], on_choose: Callable[[int, int], None]) -> None:
    """Draw the steps, with channel `chosen[1]` of step `chosen[0]` written out. `on_choose` is called with those of a press, which exist."""

    def take() -> None:
        asked = st.session_state[key].chosen
        if not (isinstance(asked, list) and len(asked) == 2 and all(type(number) is int for number in asked)):
            return
        step, channel = asked
        if 0 <= step < len(subject.steps) and 0 <= channel < len(subject.steps[step].output):
            on_choose(step, channel)

    data = {"name": subject.name, "strip": strip_in_numbers(subject), "layer": layer_in_numbers(subject, *chosen)}
    _convolution(key=key, data=data, on_chosen_change=take)


def strip_in_numbers(subject: TracedModel) -> list[dict[str, Any]]:
    """Of every step what it is called, its shape, and small maps of its first channels."""
    count = max(3, min(8, SMALL_MAPS // (SIDE * SIDE * len(subject.steps))))
    rows = []
    for step in subject.steps:
        maps = _small(step.output[:count])
        row = {"name": step.name, "kind": step.kind, "word": step.word, "shape": list(step.output.shape)}
        row["best"] = int(step.output.max((1, 2)).argmax())
        rows.append(row | {"count": len(maps), "side": list(maps.shape[1:]), "maps": _shades(maps)})
    rows[0]["picture"] = data_url(subject.pixels)
    return rows


def layer_in_numbers(subject: TracedModel, number: int, channel: int) -> dict[str, Any]:
    """All that writing out one channel of a step takes: its map, the input maps, and what its operation does with them."""
    step = subject.steps[number]
    tiles = _small(step.output[:TILES])
    data = {
        "step": number,
        "name": step.name,
        "kind": step.kind,
        "word": step.word,
        "channel": channel,
        "channels": len(step.output),
        "names": list(subject.classes) if _is_answer(subject, number) else [],
        "size": list(step.output.shape[1:]),
        "output": _encode(step.output[channel]),
        "tiles": {"count": len(tiles), "side": list(tiles.shape[1:]), "maps": _shades(tiles)},
        "after": _afterwards(subject.steps, number, channel),
        "from": [_called(subject.steps[source]) for source in step.sources],
    }
    return data | _operation(subject, number, channel)


def _operation(subject: TracedModel, number: int, channel: int) -> dict[str, Any]:
    from cnn_core.explain.arithmetic import Affine, Pooling, Softmax, WeightedSum

    step, steps = subject.steps[number], subject.steps
    if step.operation is None:
        pixels = subject.pixels[..., channel][None] / 255
        return _maps(pixels, [channel]) | {"mean": subject.mean[channel], "std": subject.std[channel]}
    inputs = [steps[source].output for source in step.sources]
    if isinstance(step.operation, WeightedSum):
        return _weighing(step.operation, inputs[0], channel)
    if isinstance(step.operation, Softmax):
        return _maps(inputs[0], range(len(inputs[0])))
    same = [np.broadcast_to(maps[min(channel, len(maps) - 1)], _shape(step, maps)) for maps in inputs]
    data = _maps(np.stack(same), [channel] * len(same))
    if isinstance(step.operation, Pooling):
        data |= _reach(step.operation.windows) | {"isMax": step.operation.is_max}
    elif isinstance(step.operation, Affine):
        data |= _affine(step, channel)
    return data


def _shape(step: "TraceStep", maps: np.ndarray) -> tuple[int, ...]:
    """That of a step's output where several inputs meet, of which one may have a single pixel; else that of its input."""
    return step.output.shape[1:] if len(step.sources) > 1 else maps.shape[1:]


def _weighing(operation: "WeightedSum", inputs: np.ndarray, channel: int) -> dict[str, Any]:
    """The input maps and kernels of an output channel: all of them, or those that weigh most and the sum of the others."""
    members, kernels = np.array(operation.input_channels(channel)), operation.weights[channel]
    _, height, width = inputs.shape
    data = _reach(operation.windows) | {"bias": float(operation.bias[channel]), "total": len(members)}
    most = max(1, MOST // (height * width))
    chosen = np.arange(len(members))
    if len(members) > most:
        sums = operation.partial_sums(inputs, channel)
        chosen = np.sort(np.argsort(-np.abs(sums).mean((1, 2)), kind="stable")[:most])
        data["rest"] = _encode(np.delete(sums, chosen, 0).sum(0))
    return data | _maps(inputs[members[chosen]], members[chosen]) | {"kernels": _encode(kernels[chosen])}


def _affine(step: "TraceStep", channel: int) -> dict[str, str]:
    """Scale and shift of a channel: one number each, or one for every pixel."""
    values = {"scale": step.operation.scale, "shift": step.operation.shift}
    own = {name: np.broadcast_to(value, step.output.shape)[channel] for name, value in values.items()}
    return {name: _encode(value if values[name].size > len(step.output) else value[:1, :1]) for name, value in own.items()}


def _afterwards(steps: "Sequence[TraceStep]", number: int, channel: int) -> list[dict[str, Any]]:
    """What becomes of the number: steps that take it alone, up to the activation."""
    told: list[dict[str, Any]] = []
    for _ in range(AFTERWARDS):
        users = [place for place in range(number + 1, len(steps)) if number in steps[place].sources]
        if len(users) != 1 or steps[users[0]].kind not in TOLD or (told and told[-1]["kind"] == "activation"):
            break
        number = users[0]
        step = steps[number]
        row = {"kind": step.kind, "word": step.word, "name": step.name, "size": list(step.output.shape[1:])}
        row["output"] = _encode(step.output[channel])
        if step.kind == "pooling":
            row |= _reach(step.operation.windows)
        elif step.kind in ("norm", "factor"):
            row |= _affine(step, channel)
        told.append(row)
    return told


def _is_answer(subject: TracedModel, number: int) -> bool:
    """Whether the channels of the step are the classes: behind the last linear layer, or in it."""
    last = max((place for place, step in enumerate(subject.steps) if step.kind == "linear"), default=len(subject.steps) - 1)
    return number >= last and len(subject.steps[number].output) == len(subject.classes)


def _called(step: "TraceStep") -> str:
    return f"{step.word} {step.name}".strip()


def _maps(maps: np.ndarray, channels: Sequence[int] | np.ndarray) -> dict[str, Any]:
    return {"inSize": list(maps.shape[1:]), "inputs": [int(channel) for channel in channels], "maps": _encode(maps)}


def _reach(reach: "Windows") -> dict[str, Any]:
    return {"rows": reach.rows, "columns": reach.columns}


def _small(maps: np.ndarray) -> np.ndarray:
    """Maps (n, H, W) with sides of at most SIDE, pixels left out evenly."""
    rows, columns = (np.linspace(0, side - 1, min(side, SIDE)).round().astype(int) for side in maps.shape[1:])
    return maps[:, rows][:, :, columns]


def _shades(maps: np.ndarray) -> str:
    """Maps (n, h, w) as whole numbers of -127 to 127, each over its own range; single numbers over that of all of them."""
    strongest = np.abs(maps).max((1, 2) if maps[0].size > 1 else None, keepdims=True)
    shades = (maps / np.where(strongest > 0, strongest, 1) * 127).round().astype(np.int8)
    return base64.b64encode(shades.tobytes()).decode()


def _encode(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()
