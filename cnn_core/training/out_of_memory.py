"""Errors for lack of memory: recognised, and translated to a message with a batch size that fits.

In: a trainer and a block. Out: a InsufficientMemoryError whose message names a batch size that was tried on this machine.
"""

import contextlib
import gc
import traceback
from collections.abc import Iterator

import torch
from torch import nn

from cnn_core.config.suggestions import memory_remedy
from cnn_core.errors import InsufficientMemoryError
from cnn_core.training.loop import Trainer

CPU_MESSAGES = (
    "can't allocate memory",
    "could not create a memory object",
    "could not create a primitive",
)  # of torch and oneDNN
TOO_LARGE_STEP = "A training step with {count:,} images does not fit into the memory of the {device}. {remedy}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is how torch or Python reports that an allocation failed, on a GPU or on the CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(message in str(error) for message in CPU_MESSAGES)
    )


@contextlib.contextmanager
def translate_out_of_memory(trainer: Trainer, shape: tuple[int, int, int]) -> Iterator[None]:
    """Translate a failed allocation in the block to a InsufficientMemoryError with the batch size that fits. shape: an image's (C, H, W)."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # their locals hold the tensors that filled the memory
        size = largest_batch(trainer, shape)
        device, batch_size = trainer.arithmetic.device.type.upper(), trainer.batches.batch_size
        raise InsufficientMemoryError(
            TOO_LARGE_STEP.format(count=batch_size, device=device, remedy=memory_remedy(size))
        ) from None


def largest_batch(trainer: Trainer, shape: tuple[int, int, int]) -> int:
    """Return the largest of 1/2, 1/4, … of the batch size for which a forward and backward pass fits, 0 if none does.

    Tried with a quarter more images, as room for the optimizer's state, the augmentation, and fragmented memory.
    """
    trainer.optimizer.zero_grad()
    size = trainer.batches.batch_size // 2
    while size and not _fits(trainer, size, shape):
        size //= 2
    return size


def _fits(trainer: Trainer, size: int, shape: tuple[int, int, int]) -> bool:
    device = trainer.arithmetic.device
    _free_memory(device)
    try:
        images = torch.zeros(size + -(-size // 4), *shape, device=device).contiguous(memory_format=trainer.arithmetic.layout)
        with trainer.arithmetic.autocast():
            logits = trainer.model(images)
        loss = nn.functional.cross_entropy(logits.float(), torch.zeros(len(images), dtype=torch.long, device=device))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
    except (RuntimeError, MemoryError) as error:  # libraries report a failed allocation in many ways
        traceback.clear_frames(error.__traceback__)
        return False
    finally:
        trainer.optimizer.zero_grad()
    return True


def _free_memory(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
