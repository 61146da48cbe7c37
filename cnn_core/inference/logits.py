"""A network's logits for many images: what validation, test and gallery all share."""

import time
from collections.abc import Generator
from contextlib import nullcontext

import torch
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.device import Arithmetic
from cnn_core.events import Progress

REPORT_SECONDS = 0.25


def compute_logits(
    model: nn.Module, batches: Batches, stage: str, arithmetic: Arithmetic | None = None
) -> Generator[Progress, None, torch.Tensor]:
    """Logits (N, classes) float32 on the batches' device, in their order. Yields Progress(stage, batches done, all) as time passes.

    The model is put into evaluation mode and given back in the mode it came in.
    """
    was_training, parts, reported = model.training, [], time.perf_counter()
    model.eval()
    try:
        for done, (images, _) in enumerate(batches, start=1):
            with torch.inference_mode(), arithmetic.autocast() if arithmetic else nullcontext():
                parts.append(model(images).float())
            if time.perf_counter() - reported > REPORT_SECONDS:
                yield Progress(stage, done, len(batches))
                reported = time.perf_counter()
    finally:
        model.train(was_training)
    return torch.cat(parts)


def loss_and_accuracy(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Mean cross-entropy (nats) and share of images whose highest logit is the true label. logits: (N, C), labels: (N,)."""
    loss = nn.functional.cross_entropy(logits, labels)
    return loss.item(), (logits.argmax(1) == labels).float().mean().item()


def class_accuracy(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float | None, ...]:
    """Share of each class's images that are classified right, None for a class without images. logits: (N, C), labels: (N,)."""
    classes = logits.shape[1]
    right = labels[logits.argmax(1) == labels].bincount(minlength=classes).tolist()
    return tuple(
        hit / count if count else None for hit, count in zip(right, labels.bincount(minlength=classes).tolist(), strict=True)
    )
