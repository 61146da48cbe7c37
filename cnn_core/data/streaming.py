"""Streaming: batches of images that do not fit on the device, read ahead of their use.

In: images (N, H, W, C) uint8 in an array or a memory-mapped file, and the indices of each batch. Out: the batches, on the
device. Reading is a copy that does not hold the GIL, so it runs while the model trains on the batch before.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from cnn_core.data.source import ImageSet, is_large, release

AHEAD = 2  # batches read, or being read, beyond the one in use


def prefetch(images: np.ndarray, order: Sequence[torch.Tensor], device: torch.device) -> Generator[torch.Tensor, None, None]:
    """Yield the batches (B, H, W, C) uint8 of `order`, a sequence of int64 indices on the CPU.

    The rows are gathered on one thread of this generator, AHEAD batches ahead. The consumer's thread does the rest: it requests rows and
    starts the copy to a GPU, from pinned memory and without waiting. An error in reading is raised where the consumer requests that batch.
    The thread ends with this generator: at its end, after an error, or when it is closed.
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
    """Copy the chosen rows (B, H, W, C) into memory that a GPU can read from; runs on the reading thread."""
    rows = torch.empty((len(chosen), *images.shape[1:]), dtype=torch.uint8, pin_memory=pin)
    np.take(images, chosen.numpy(), axis=0, out=rows.numpy(), mode="clip")  # mode="raise" would make a second copy
    release(images)
    return rows


def fits_on_device(images: ImageSet, device: torch.device) -> bool:
    """Whether all images fit on the device: on a GPU into half of the free memory, elsewhere unless they are a large file."""
    if device.type == "cuda":
        return bool(len(images) * images.pool[0].nbytes < torch.cuda.mem_get_info(device)[0] / 2)
    return not is_large(images.pool)
