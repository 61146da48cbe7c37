"""Images that wait are classified together, and what goes wrong belongs to those who asked."""

import asyncio

import numpy as np
import pytest

from cnn_core.inference.classifier import Classifier, Prediction
from cnn_core.serving.batching import Batcher
from tests.conftest import Trained


def test_images_of_different_sizes_are_refused_together_and_the_next_one_is_answered(colours_run: Trained):
    classifier = Classifier(colours_run.folder)
    side = classifier.card.image_size
    right, wrong = (np.full((size, size, 3), 90, np.uint8) for size in (side, side + 1))

    async def ask() -> tuple[list[object], Prediction]:
        batcher = Batcher(classifier)
        together = await asyncio.gather(batcher.classify(right), batcher.classify(wrong), return_exceptions=True)
        alone = await batcher.classify(right)
        batcher.close()
        return together, alone

    together, alone = asyncio.run(asyncio.wait_for(ask(), 60))
    assert all(isinstance(answer, ValueError) for answer in together)
    expected = classifier.classify_pixels(right[None])[0]
    assert dict(alone.ranked) == pytest.approx(dict(expected.ranked), rel=1e-5)
