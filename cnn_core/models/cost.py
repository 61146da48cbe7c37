"""What a network costs before it is trained: numbers to learn, work for an image, memory for a batch, seconds for a step.

In: a family's name, an input shape, settings. Out: a `Cost`, found on the meta device where nothing is allocated or computed; or a
measured time. Neither draws from torch's global random numbers, so a training elsewhere in the process is not disturbed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnn_core.device import Arithmetic
from cnn_core.errors import SettingError
from cnn_core.models.registry import build_on_meta, count_trainable, find_family, pick_options

OPTIMIZER_COPIES = 2  # Adam keeps two moments for every weight; SGD keeps one
MOST_STEPS = 50


@dataclass(frozen=True)
class Cost:
    """What one network asks for.

    parameters: numbers to learn. multiply_adds: of one image's way forward, in convolutions and linear layers.
    memory_bytes: of training at the batch size: weights, gradients, two moments of the optimizer, and what the way back needs.
    What convolutions borrow while they work comes on top.
    """

    parameters: int
    multiply_adds: int
    memory_bytes: int


def model_cost(name: str, *, channels: int, image_size: int, classes: int, batch_size: int, **options: Any) -> Cost:
    """The Cost of a network that `build_model` would build. Raises SettingError as that does."""
    return _model_cost(name, channels, image_size, classes, batch_size, **pick_options(name, options))


@lru_cache(maxsize=256)
def _model_cost(name: str, channels: int, image_size: int, classes: int, batch_size: int, **taken: Any) -> Cost:
    model = build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **taken)
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    everything = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    measured = max(batch_size, 2)  # one image is no batch to a batch norm
    saved = (
        activation_bytes(model, torch.empty(measured, channels, image_size, image_size, device="meta")) * batch_size // measured
    )
    return Cost(
        parameters=count_trainable(model),
        multiply_adds=count_multiply_adds(model, torch.empty(1, channels, image_size, image_size, device="meta")),
        memory_bytes=everything + trained * (1 + OPTIMIZER_COPIES) + saved,
    )


def check_batch(name: str, *, channels: int, image_size: int, classes: int, batch_size: int, **options: Any) -> None:
    """Raise SettingError when the network cannot be trained on batches of this size, or cannot be built. Nothing is computed."""
    model = build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **options)
    try:
        model.train()(torch.empty(batch_size, channels, image_size, image_size, device="meta"))
    except ValueError:  # a norm over one value a channel
        raise SettingError(
            f"Batch size {batch_size} is too small for {find_family(name).title} on images this small: its norms need several values. Choose at least 2.",
            "batch_size",
        ) from None


def count_multiply_adds(model: nn.Module, images: torch.Tensor) -> int:
    """Multiply-adds of `model.eval()` on `images` (N, C, H, W): convolutions and matrix products; norms and pooling are left out."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(images)
    return counter.get_total_flops() // 2


def activation_bytes(model: nn.Module, images: torch.Tensor) -> int:
    """Bytes that a training step on `images` (N, C, H, W) keeps for the way back: every storage once, the weights' own left out."""
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # holding the storages keeps their addresses from being used again

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model.train()(images)
        nn.functional.cross_entropy(logits, torch.zeros(len(images), dtype=torch.long, device=images.device))
    return sum(storage.nbytes() for storage in kept.values())


def measure_step_seconds(
    name: str,
    *,
    channels: int,
    image_size: int,
    classes: int,
    batch_size: int,
    arithmetic: Arithmetic,
    budget_seconds: float = 1.5,
    **options: Any,
) -> float:
    """Median seconds of a training step (SGD) on random images, in `arithmetic`; takes the budget and at most two steps more.

    Runs one step to warm up and one that counts whatever they take, then as many as the budget allows. Raises SettingError as
    `build_model` does. Draws from a generator of its own: a training in another thread keeps its random numbers.
    """
    device, layout, draw = arithmetic.device, arithmetic.layout, torch.Generator().manual_seed(0)
    model = build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **options)
    model = _fill(model.to_empty(device=device), draw).to(memory_format=layout)
    images = torch.randn(max(batch_size, 2), channels, image_size, image_size, generator=draw)
    labels = torch.randint(classes, (len(images),), generator=draw)
    step = _make_step(model, images.to(device, memory_format=layout), labels.to(device), arithmetic)
    end = time.perf_counter() + budget_seconds
    _timed(step, device)
    seconds = [_timed(step, device)]
    while time.perf_counter() + seconds[-1] < end and len(seconds) < MOST_STEPS:
        seconds.append(_timed(step, device))
    return median(seconds)


@torch.no_grad()
def _fill(model: nn.Module, draw: torch.Generator) -> nn.Module:
    """Give an empty model numbers of a sound size, and set it to train but for dropout, which would draw from everybody's numbers."""
    for value in model.state_dict().values():
        drawn = torch.randn(value.shape, generator=draw) / value[0].numel() ** 0.5 if value.ndim >= 2 else torch.ones(value.shape)
        value.copy_(drawn)
    for layer in model.modules():
        layer.training = isinstance(layer, nn.BatchNorm2d)
    return model


def _make_step(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, arithmetic: Arithmetic) -> Callable[[], None]:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-4, momentum=0.9, fused=images.device.type in ("cpu", "cuda"))

    def step() -> None:
        with arithmetic.autocast():
            loss = nn.functional.cross_entropy(model(images).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _timed(step: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    step()
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
    return time.perf_counter() - started
