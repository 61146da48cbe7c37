"""Dynamic batching: images that arrive while the network is busy are classified together in its next pass.

In: preprocessed images, from coroutines of one event loop. Out: their predictions. The network runs in one thread of its own.
"""

import asyncio
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from cnn_core.inference.classifier import Classifier, Prediction

LARGEST_BATCH = 64  # images


class Batcher:
    """Classifies images in batches. Its methods are called in one event loop; only the classifier runs in another thread.

    images, batches: how many images were classified, in how many passes of the network.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.images = self.batches = 0
        self._classifier = classifier
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[Prediction]]] = deque()
        self._thread = ThreadPoolExecutor(1, "network", initializer=_share_cores)
        self._task: asyncio.Task[None] | None = None

    async def classify(self, pixels: np.ndarray) -> Prediction:
        """Return the prediction for one preprocessed image, uint8 (S, S, C)."""
        result: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, result))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await result

    async def _run(self) -> None:
        """Classify until no image waits."""
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_BATCH))]
                await self._classify(batch)
        finally:
            self._task = None

    async def _classify(self, batch: list[tuple[np.ndarray, asyncio.Future[Prediction]]]) -> None:
        """Set the result of every image in `batch`, or the exception."""
        loop = asyncio.get_running_loop()
        try:
            pixels = np.stack([image for image, _ in batch])
            predictions = await loop.run_in_executor(self._thread, self._classifier.classify_pixels, pixels)
        except Exception as error:  # raised in the callers; the next batch is still classified
            for _, result in batch:
                if not result.done():
                    result.set_exception(error)
            return
        self.batches += 1
        self.images += len(batch)
        for (_, result), prediction in zip(batch, predictions, strict=True):
            if not result.done():  # the client may have disconnected
                result.set_result(prediction)

    def close(self) -> None:
        """End the thread when its batch is done."""
        self._thread.shutdown(wait=False)


def _share_cores() -> None:
    """Leave half of the cores to decoding and connections. torch counts threads per calling thread, so this runs in the network's."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
