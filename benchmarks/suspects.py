"""Label errors that are known, looked for: 5 % of the training labels are flipped. `python -m benchmarks.suspects FOLDER [IMAGES] [FOLDS]`

FOLDER is CIFAR-10 as class folders. Labels are flipped, seeded, to a class drawn evenly from the others; the networks of the cross-validation
learn from the flipped labels, as they would from a person's. IMAGES: a seeded sample instead of all training images.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import print_table
from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.metrics.label_errors import find_label_errors
from cnn_core.training.cross_validation import FOLDS, cross_validate, quick_recipe

NOISE, SEED = 0.05, 0


def main() -> None:
    folder, *numbers = sys.argv[1:]
    source = open_source(folder)
    images = finish(source.load("train"))
    count, folds = (int(number) if number else None for number in (numbers + ["", ""])[:2])
    if count and count < len(images):
        images = images.take(np.sort(np.random.default_rng(SEED).choice(len(images), count, replace=False)))
    noisy = flip(images)
    is_flipped = noisy.labels != images.labels
    recipe = quick_recipe(make_config(data=folder, flip="random"), source.info.image_size, len(images))
    with tempfile.TemporaryDirectory() as scratch:
        begun = time.perf_counter()
        found = finish(cross_validate(noisy, source.info, recipe, Path(scratch), folds or FOLDS))
        trained = time.perf_counter() - begun
        evaluation = found.of(noisy)
        begun = time.perf_counter()
        errors = find_label_errors(evaluation)
        sought = time.perf_counter() - begun
    hits = is_flipped[errors.indices]
    named = errors.suggested[hits] == images.labels[errors.indices[hits]]
    print_table(
        f"{is_flipped.sum():,} of {len(images):,} labels flipped; {folds or FOLDS} networks of {recipe.epochs} epochs, n = 1 seed",
        [
            ("share of flipped labels among the suspects", "≥ 60 %", f"{hits.sum() / is_flipped.sum():.1%}"),
            ("precision of the list", "≥ 50 %", f"{hits.mean():.1%} of {len(hits):,} suspects"),
            ("of those found, given their right class", "", f"{named.mean():.1%}"),
            ("wrong labels, estimated", "", f"{errors.estimated / len(images):.1%} (truth: {is_flipped.mean():.1%})"),
            ("accuracy of networks on what they never saw", "", f"{(evaluation.predicted == images.labels).mean():.1%}"),
            ("seconds of training and classifying", "", f"{trained:,.0f} s"),
            ("seconds of looking for suspects", "", f"{sought:.2f} s"),
        ],
    )


def flip(images: ImageSet) -> ImageSet:
    """The images with NOISE of their labels (N,) changed to another class, each equally probable."""
    rng, labels = np.random.default_rng(SEED), images.labels.copy()
    chosen = rng.choice(len(labels), round(NOISE * len(labels)), replace=False)
    classes = int(labels.max()) + 1
    labels[chosen] = (labels[chosen] + rng.integers(1, classes, len(chosen))) % classes
    return ImageSet(images.pool, labels, rows=images.rows)


if __name__ == "__main__":
    main()
