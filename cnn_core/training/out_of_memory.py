"""When memory runs out: which errors mean that, and the batch size that would have fitted.

Out: a StudioError whose sentence names a batch size which was tried on this very machine.
"""

import contextlib
import gc
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from cnn_core.errors import MemoryShortError

if TYPE_CHECKING:
    from cnn_core.training.loop import Trainer


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is how torch or Python says that an allocation failed, on a GPU or on the CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError)
        and any(
            words in str(error)
            for words in ("can't allocate memory", "could not create a memory object", "could not create a primitive")
        )
    )


@contextlib.contextmanager
def explain_memory(trainer: "Trainer", shape: tuple[int, int, int]) -> Iterator[None]:
    """In the block, an allocation that fails becomes a MemoryShortError with the batch size that would fit. shape: an image's (C, H, W)."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # their locals hold the tensors that filled the memory
        fits = largest_batch(trainer, shape)
        remedy = f"A batch size of {fits:,} fits" if fits else "Not even a batch of one image fits: choose a smaller network"
        raise MemoryShortError(
            f"The memory of the {trainer.arithmetic.device.type.upper()} does not hold a training step of {trainer.batches.batch_size:,} images. {remedy}."
        ) from None


def largest_batch(trainer: "Trainer", shape: tuple[int, int, int]) -> int:
    """The largest of half, a quarter, … of the batch size for which one forward and backward pass goes through; 0 for none.

    Tried with a quarter more images, as room for what the optimizer keeps, the augmentation, and memory in pieces.
    """
    trainer.optimizer.zero_grad()
    size = trainer.batches.batch_size // 2
    while size and not _fits(trainer, size, shape):
        size //= 2
    return size


def _fits(trainer: "Trainer", size: int, shape: tuple[int, int, int]) -> bool:
    device = trainer.arithmetic.device
    _release(device)
    try:
        images = torch.zeros(size + -(-size // 4), *shape, device=device).contiguous(memory_format=trainer.arithmetic.layout)
        with trainer.arithmetic.autocast():
            logits = trainer.model(images)
        nn.functional.cross_entropy(logits.float(), torch.zeros(len(images), dtype=torch.long, device=device)).backward()
    except (RuntimeError, MemoryError) as error:  # in want of memory libraries fail in many words
        traceback.clear_frames(error.__traceback__)
        return False
    finally:
        trainer.optimizer.zero_grad()
    return True


def _release(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
