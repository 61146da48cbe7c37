"""The cost of a model before it is trained: parameters, multiply-adds of an image, memory of a batch, seconds of a step.

In: a family's name, an input shape, settings. Out: a `Cost`, computed on the meta device, where nothing is allocated; or a measured time.
Neither draws from torch's global generator, so the random numbers of a training in the same process stay the same.
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
from cnn_core.models.empty import build_for_state
from cnn_core.models.hooks import hookable_copy
from cnn_core.models.registry import build_model, build_on_meta, count_trainable, find_family, pick_options
from cnn_core.torch_internals import storage_id

OPTIMIZER_COPIES = 2  # Adam stores two moments for every weight; SGD stores one
MAX_STEPS = 50


@dataclass(frozen=True)
class Cost:
    """The cost of one model.

    parameters: trainable ones. multiply_adds: of one image's forward pass, in convolutions and linear layers. memory_bytes: for
    training at the batch size: weights, gradients, two moments of the optimizer, and activations. Workspace of convolutions is extra.
    weight_bytes, activation_bytes: the parts of it that weights and activations (in float32) take.
    """

    parameters: int
    multiply_adds: int
    memory_bytes: int
    weight_bytes: int
    activation_bytes: int


def model_cost(name: str, *, channels: int, image_size: int, classes: int, batch_size: int, **options: Any) -> Cost:
    """Return the Cost of the model that `build_model` would build. Raises SettingError as that does."""
    return _model_cost(name, channels, image_size, classes, batch_size, **pick_options(name, options))


@lru_cache(maxsize=256)
def _model_cost(name: str, channels: int, image_size: int, classes: int, batch_size: int, **options: Any) -> Cost:
    model = build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **options)
    trainable_bytes = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    model_bytes = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    images = max(batch_size, 2)  # batch norm needs two
    saved = activation_bytes(model, torch.empty(images, channels, image_size, image_size, device="meta")) * batch_size // images
    return Cost(
        parameters=count_trainable(model),
        multiply_adds=count_multiply_adds(model, torch.empty(1, channels, image_size, image_size, device="meta")),
        memory_bytes=model_bytes + trainable_bytes * (1 + OPTIMIZER_COPIES) + saved,
        weight_bytes=model_bytes,
        activation_bytes=saved,
    )


def check_batch(name: str, *, channels: int, image_size: int, classes: int, batch_size: int, **options: Any) -> None:
    """Raise SettingError when the model cannot be built or trained on batches of this size. Nothing is computed."""
    _check_batch(name, channels, image_size, classes, batch_size, **pick_options(name, options))


@lru_cache(maxsize=256)  # an exercise starts many runs of the same model
def _check_batch(name: str, channels: int, image_size: int, classes: int, batch_size: int, **options: Any) -> None:
    model = build_on_meta(name, channels=channels, image_size=image_size, classes=classes, **options)
    try:
        model.train()(torch.empty(batch_size, channels, image_size, image_size, device="meta"))
    except ValueError:  # batch norm over one value per channel
        raise SettingError(
            f"Batch size {batch_size} is too small for the batch norms of {find_family(name).title}. Choose at least 2.",
            "batch_size",
        ) from None


def count_multiply_adds(model: nn.Module, images: torch.Tensor) -> int:
    """Return the multiply-adds of `model.eval()` on `images` (N, C, H, W) in convolutions and matrix products."""
    frozen = hookable_copy(model)  # the counter fails where a module is called with a parameter that learns
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        frozen(images)
    return int(counter.get_total_flops()) // 2


def activation_bytes(model: nn.Module, images: torch.Tensor) -> int:
    """Return the bytes that a training step on `images` (N, C, H, W) stores for the backward pass, without the weights.

    Tensors that share memory count once.
    """
    weights = {storage_id(parameter) for parameter in model.parameters()}
    stored: dict[int, torch.UntypedStorage] = {}  # a storage in use keeps its id from being used again

    def store(tensor: torch.Tensor) -> torch.Tensor:
        if storage_id(tensor) not in weights:
            stored[storage_id(tensor)] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(store, lambda tensor: tensor):
        logits = model.train()(images)
        nn.functional.cross_entropy(logits, torch.zeros(len(images), dtype=torch.long, device=images.device))
    return sum(storage.nbytes() for storage in stored.values())


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
    """Return the median seconds of a training step (SGD) on random images. Takes the budget and at most two steps more.

    Takes one step to warm up, one that is always measured, then as many as the budget allows. Raises SettingError as `build_model`
    does. Draws from its own generator, so the random numbers of a training in another thread stay the same.
    """
    device, layout, generator = arithmetic.device, arithmetic.layout, torch.Generator().manual_seed(0)
    shape = {"channels": channels, "image_size": image_size, "classes": classes}
    model = build_for_state(lambda: build_model(name, **shape, **{**options, "weights": "scratch"}))
    on_device = model.to_empty(device=device) if next(model.parameters()).is_meta else model.to(device)
    model = _fill(on_device, generator).to(memory_format=layout)
    images = torch.randn(max(batch_size, 2), channels, image_size, image_size, generator=generator)
    labels = torch.randint(classes, (len(images),), generator=generator)
    step = _make_step(model, images.to(device, memory_format=layout), labels.to(device), arithmetic)
    end = time.perf_counter() + budget_seconds
    _measure(step, device)
    seconds = [_measure(step, device)]
    while time.perf_counter() + seconds[-1] < end and len(seconds) < MAX_STEPS:
        seconds.append(_measure(step, device))
    return median(seconds)


@torch.no_grad()
def _fill(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """Set random weights of a usual size, and training mode except for dropout, which would draw from the global generator."""
    for value in model.state_dict().values():
        weights = (
            torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5
            if value.ndim >= 2
            else torch.ones(value.shape)
        )
        value.copy_(weights)
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
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        optimizer.step()

    return step


def _measure(step: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    step()
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
    return time.perf_counter() - started
