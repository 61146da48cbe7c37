"""Pictures that wait are classified together: nobody waits while the network is idle, and a busy one takes all that came meanwhile.

In: pictures made ready, from coroutines of one event loop. Out: their probabilities. The network works in one thread of its own.
"""

import asyncio
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from cnn_core.inference.classifier import Classifier

LARGEST = 64  # pictures that one pass of the network takes


class Batcher:
    """Asks `classifier` for many at once. Its methods belong to one event loop; only `_compute` runs in the network's thread.

    `images`, `batches`: how many pictures were classified, in how many passes.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.images = self.batches = 0
        self._classifier = classifier
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[np.ndarray]]] = deque()
        self._thread = ThreadPoolExecutor(1, "network", initializer=_share_cores)
        self._work: asyncio.Task[None] | None = None

    async def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities (classes,) of one picture that is ready: uint8 (S, S, C)."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, answer))
        if self._work is None:
            self._work = asyncio.create_task(self._work_off())
        return await answer

    async def _work_off(self) -> None:
        """Classify what waits, and what comes to wait meanwhile."""
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST))]
                await self._classify(batch)
        finally:
            self._work = None

    async def _classify(self, batch: list[tuple[np.ndarray, asyncio.Future[np.ndarray]]]) -> None:
        """Answer every picture of `batch`, with what went wrong where something did."""
        loop = asyncio.get_running_loop()
        try:
            pixels = np.stack([picture for picture, _ in batch])
            rows = await loop.run_in_executor(self._thread, self._classifier.probabilities, pixels)
        except Exception as error:  # it belongs to those who asked, and the next batch has its own chance
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        self.batches += 1
        self.images += len(batch)
        for (_, answer), row in zip(batch, rows, strict=True):
            if not answer.done():  # whoever asked may have gone
                answer.set_result(row)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False)


def _share_cores() -> None:
    """Half of the cores are left to decoding and to the connections; called in the network's thread, whose number this is."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
