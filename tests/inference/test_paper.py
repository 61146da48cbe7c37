"""Light strokes on dark paper are recognised, and photographs, dark strokes and dark pictures are not."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cnn_core.inference.paper import is_light_on_dark

RNG = np.random.default_rng(0)
DIGITS = np.pad((load_digits().images[:40] * 15.9).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))[..., None]
SETS = {
    "digits": (DIGITS, True),
    "digits in colour": (DIGITS.repeat(3, 3), True),
    "dark digits on light paper": (255 - DIGITS, False),
    "photographs": (RNG.integers(0, 256, (40, 12, 12, 3)).astype(np.uint8), False),
    "photographs at night": (RNG.integers(0, 60, (40, 12, 12, 3)).astype(np.uint8), False),
    "half of them": (np.concatenate([DIGITS[:20], 255 - DIGITS[:20]]), False),
    "none": (DIGITS[:0], False),
}


@pytest.mark.parametrize("kind", SETS)
def test_a_set_of_light_strokes_on_dark_paper_is_recognised(kind: str):
    images, is_light = SETS[kind]
    assert is_light_on_dark(images) is is_light
