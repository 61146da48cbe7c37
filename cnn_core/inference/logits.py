"""The logits of a model over batches, and loss and accuracy from them, for validation and test. In: a model, batches. Out: tensors."""

import time
from collections.abc import Generator
from contextlib import nullcontext

import torch
from torch import nn

from cnn_core.data.epoch_order import EpochOrder
from cnn_core.device import Arithmetic
from cnn_core.events import Progress

REPORT_SECONDS = 0.25


def compute_logits(
    model: nn.Module, batches: EpochOrder, stage: str, arithmetic: Arithmetic | None = None
) -> Generator[Progress, None, torch.Tensor]:
    """Compute logits (N, classes) float32 on the batches' device, in their order. Yields Progress(stage, batches done, all).

    The model is in evaluation mode meanwhile, and in its earlier mode afterwards.
    """
    was_training, logits, reported = model.training, [], time.perf_counter()
    model.eval()
    try:
        for done, (images, _) in enumerate(batches, start=1):
            with torch.inference_mode(), arithmetic.autocast() if arithmetic else nullcontext():
                logits.append(model(images).float())
            if time.perf_counter() - reported > REPORT_SECONDS:
                yield Progress(stage, done, len(batches))
                reported = time.perf_counter()
    finally:
        model.train(was_training)
    return torch.cat(logits)


def loss_and_accuracy(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Return mean cross-entropy (nats) and accuracy (0..1). logits: (N, C), labels: (N,)."""
    loss = nn.functional.cross_entropy(logits, labels)
    return loss.item(), (logits.argmax(1) == labels).float().mean().item()


def class_accuracy(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float | None, ...]:
    """Return the accuracy (0..1) of each class, None for a class without images. logits: (N, C), labels: (N,)."""
    classes = logits.shape[1]
    correct = labels[logits.argmax(1) == labels].bincount(minlength=classes).tolist()
    counts = labels.bincount(minlength=classes).tolist()
    return tuple(right / count if count else None for right, count in zip(correct, counts, strict=True))
