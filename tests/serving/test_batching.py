"""Images that wait are classified together, and what goes wrong belongs to those who asked."""

import asyncio

import numpy as np

from cnn_core.inference.classifier import Classifier
from cnn_core.serving.batching import Batcher
from tests.conftest import Trained


def test_images_of_different_sizes_are_refused_together_and_the_next_one_is_answered(colours_run: Trained):
    classifier = Classifier(colours_run.folder)
    side = classifier.card.image_size
    right, wrong = (np.full((size, size, 3), 90, np.uint8) for size in (side, side + 1))

    async def ask() -> tuple[list[object], np.ndarray]:
        batcher = Batcher(classifier)
        together = await asyncio.gather(batcher.probabilities(right), batcher.probabilities(wrong), return_exceptions=True)
        alone = await batcher.probabilities(right)
        batcher.close()
        return together, alone

    together, alone = asyncio.run(asyncio.wait_for(ask(), 60))
    assert all(isinstance(answer, ValueError) for answer in together)
    np.testing.assert_allclose(alone, classifier.probabilities(right[None])[0], rtol=1e-5)
