"""Batch-norm statistics that have not settled: found by how much of their initial values is left, and replaced by an estimate.

In evaluation mode a batch norm normalises with running statistics, which start at mean 0 and variance 1. After t steps their initial
values still have the weight (1 - momentum)^t. Where the true variances are small, as in deep networks with new weights, the initial 1
outweighs them for the first 80 steps or so: every layer shrinks its outputs, and the model predicts one class for all images although
its weights are fine (MobileNetV3 on 196 photographs: validation accuracy 45.8% in every epoch, 67% with estimated statistics; leaving
the last, small batch of an epoch out of the running statistics changed nothing).

The estimate is the one that Wu and Johnson recommend in general ("Rethinking Batch in BatchNorm", 2021, precise batch norm): means of the
batch statistics under the present weights. In: a model, the number of its steps, training images. Out: a copy with estimated statistics
where they are needed. Weights, random numbers and the training model's own statistics stay as they are.
"""

import copy
import math
from collections.abc import Iterable

import torch
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.device import Arithmetic

MAX_IMAGES = 1_000  # training images from which statistics are estimated: each layer has a mean over many pixels of each
SHRINKAGE = 2.0  # by which the initial variances shrink the outputs of all layers together; below it validation hardly differs
ALMOST_ONE = 1 - 1e-9
FORGOTTEN = 10.0  # time constants after which nothing is left of initial values


def with_settled_statistics(
    model: nn.Module, steps: int, batches: Batches, arithmetic: Arithmetic, *, decay: float = 0.0
) -> nn.Module | None:
    """Return a copy of `model` with estimated batch-norm statistics; None where its own have settled after `steps` steps.

    batches: of the training. decay: of the averaged weights, 0 without.
    """
    if len(batches.labels) < 2 or shrinkage(model, steps, decay) < SHRINKAGE:
        return None
    estimated = copy.deepcopy(model)
    estimate_statistics(estimated, (images for images, _ in batches.sample(MAX_IMAGES)), arithmetic)
    return estimated.train(model.training)


def shrinkage(model: nn.Module, steps: int, decay: float = 0.0) -> float:
    """Return the factor (at least 1) by which the initial variances of 1 shrink the outputs of all batch norms together.

    With a weight w of the initial value, a running variance v contains a true variance of (v - w) / (1 - w). Of each layer the median channel
    counts, because channels that are always zero have no variance of their own.
    """
    logarithms = []
    for norm in batch_norms(model):
        if norm.running_var is not None and (weight := min(initial_weight(steps, norm.momentum or 0.0, decay), ALMOST_ONE)):
            true = (norm.running_var.double() - weight) / (1 - weight)
            logarithms.append((true / norm.running_var).clamp(1 - ALMOST_ONE, 1).median().log())
    return math.exp(min(-0.5 * torch.stack(logarithms).sum().item(), 700.0)) if logarithms else 1.0


def initial_weight(steps: int, momentum: float, decay: float = 0.0) -> float:
    """Return the weight of the initial values in running statistics after `steps` steps; of their moving average with `decay`, which starts
    after the first step."""
    kept = 1 - momentum
    if steps > FORGOTTEN / max(1e-9, 1 - max(kept, decay)):
        return 0.0
    weight = kept
    for step in range(2, steps + 1):
        weight = decay * weight + (1 - decay) * kept**step
    return weight if steps else 1.0


def batch_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    """Return the batch norms of `model`."""
    return [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]


def statistics_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the running means and variances of all batch norms (each (C,)) by their names in the state dict."""
    return {name: value for name, value in model.state_dict().items() if name.endswith((".running_mean", ".running_var"))}


@torch.no_grad()
def estimate_statistics(model: nn.Module, batches: Iterable[torch.Tensor], arithmetic: Arithmetic) -> None:
    """Set the running statistics of `model` to the means over `batches` (each (B, C, H, W)) of those of the batches, and leave the model in
    evaluation mode. As `torch.optim.swa_utils.update_bn`, but without dropout."""
    norms = batch_norms(model)
    settings = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    model.eval()
    for norm in norms:
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
        norm.reset_running_stats()
        norm.momentum = None  # torch: a plain mean of all batches
        norm.train()
    for images in batches:
        with arithmetic.autocast():
            model(images)
    for norm, (momentum, tracked) in zip(norms, settings, strict=True):
        norm.momentum, norm.num_batches_tracked = momentum, tracked
    model.eval()
