"""The preview: the first images that the training uses."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.home import Home
from cnn_core.training.preview import preview_batch
from cnn_core.training.recipe import make_trainer, split_validation
from tests.helpers import tiny_config

CPU = torch.device("cpu")
AUGMENTED = {"rotation": 20, "crop": 0.2, "flip": "alternating", "brightness": 0.2, "contrast": 0.2, "cutout": 0.4}


@pytest.mark.parametrize(
    "chosen", [{}, AUGMENTED, {"mixup": 1.0}, {"cutmix": 1.0}, {"seed": 5, "batch_size": 5, "optimizer": "muon"}]
)
def test_it_shows_the_first_batch_of_the_run_itself(home: Home, image_folder: Path, chosen: dict[str, Any]):
    config = tiny_config(image_folder, **chosen)
    source = open_source(str(image_folder), home)
    trainer, card = make_trainer(config, source.info, finish(source.load("train")), CPU)
    images, targets = next(iter(trainer.batches))
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (card.mean, card.std))
    expected = np.clip(np.rint((images.numpy() * std + mean) * 255), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    preview = finish(preview_batch(config, home))
    assert preview.pixels.dtype == np.uint8 and np.array_equal(preview.pixels, expected)
    assert len(preview.labels) == len(targets) == config.batch_size
    if targets.ndim == 1:
        assert preview.labels == tuple(card.classes[label] for label in targets)


def test_without_augmentation_it_shows_training_images_as_they_are_and_none_that_is_saved_for_validation(
    home: Home, image_folder: Path
):
    config = tiny_config(image_folder, crop=0, flip="off", batch_size=14)
    training, _ = split_validation(finish(open_source(str(image_folder), home).load("train")), config)
    known = {image.tobytes(): label for image, label in zip(training.images, training.labels, strict=True)}
    preview = finish(preview_batch(config, home))
    shown = [known[pixels.tobytes()] for pixels in preview.pixels]
    assert tuple(("blue", "green", "red")[label] for label in shown) == preview.labels
    assert len({pixels.tobytes() for pixels in preview.pixels}) == 14


def test_mixed_images_are_named_by_their_weights(home: Home, image_folder: Path):
    labels = finish(preview_batch(tiny_config(image_folder, mixup=1.0, batch_size=20), home)).labels
    mixed = [label for label in labels if "," in label]
    assert mixed and all(label in ("blue", "green", "red") for label in labels if "," not in label)
    for label in mixed:
        shares = [int(share) for share in re.findall(r"(\d+)% (?:blue|green|red)", label)]
        assert len(shares) == 2 and shares == sorted(shares, reverse=True) and 99 <= sum(shares) <= 101


def test_it_is_cut_to_its_limit(home: Home, image_folder: Path):
    config = tiny_config(image_folder, batch_size=20)
    whole, part = finish(preview_batch(config, home)), finish(preview_batch(config, home, limit=6))
    assert np.array_equal(part.pixels, whole.pixels[:6]) and part.labels == whole.labels[:6]
