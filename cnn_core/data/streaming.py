"""Streaming: batches of images that do not fit on the device, read ahead of their use.

In: images (N, H, W, C) uint8 in an array or a memory-mapped file, and which of them each batch takes. Out: the batches, on the
device. Reading is a copy that holds no lock, so it goes on while the batch before is trained on.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from cnn_core.data.source import ImageSet, is_large, release

AHEAD = 2  # batches read, or being read, beyond the one in use


def prefetch(images: np.ndarray, order: Sequence[torch.Tensor], device: torch.device) -> Iterator[torch.Tensor]:
    """The batches (B, H, W, C) uint8 that `order`, int64 indices on the CPU, asks for, one after the other.

    Threads: the rows are gathered on one thread of this generator's own, two batches ahead. All else is the consumer's thread:
    asking for rows, and starting the copy to a GPU (from pinned memory, not waited for). An error in reading is raised where the
    consumer asks for that batch. The thread has ended when this generator has: at its end, after an error, or when it is closed.
    """
    pin = device.type == "cuda"
    waiting: deque[Future[torch.Tensor]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        try:
            for chosen in order:
                waiting.append(reader.submit(_gather, images, chosen, pin))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result().to(device, non_blocking=True)
            while waiting:
                yield waiting.popleft().result().to(device, non_blocking=True)
        finally:
            for future in waiting:
                future.cancel()


def _gather(images: np.ndarray, chosen: torch.Tensor, pin: bool) -> torch.Tensor:
    """The chosen rows (B, H, W, C), copied straight into memory that a GPU can fetch from; runs on the reading thread."""
    rows = torch.empty((len(chosen), *images.shape[1:]), dtype=torch.uint8, pin_memory=pin)
    np.take(images, chosen.numpy(), axis=0, out=rows.numpy(), mode="clip")  # "raise" would go through a second copy
    release(images)
    return rows


def fits_on_device(images: ImageSet, device: torch.device) -> bool:
    """Whether to keep all images on the device: on a GPU below half of what is free there, elsewhere unless they are a large file."""
    if device.type == "cuda":
        return len(images) * images.pool[0].nbytes < torch.cuda.mem_get_info(device)[0] / 2
    return not is_large(images.pool)
