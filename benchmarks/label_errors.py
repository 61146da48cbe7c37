"""Measure recall and precision of the label-error list with 5% of the training labels changed. `python -m benchmarks.label_errors FOLDER [IMAGES] [FOLDS]`

FOLDER is CIFAR-10 as class folders. The labels are changed at random, with a seed, to one of the other classes; the networks of the
cross-validation are trained on the changed labels. IMAGES: the size of a random sample of the training images (default: all).
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
    noisy = change_labels(images)
    is_changed = noisy.labels != images.labels
    recipe = quick_recipe(make_config(data=folder, flip="random"), source.info.image_size, len(images))
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        predictions = finish(cross_validate(noisy, source.info, recipe, Path(scratch), folds or FOLDS))
        training_seconds = time.perf_counter() - start
        evaluation = predictions.evaluate(noisy)
        start = time.perf_counter()
        errors = find_label_errors(evaluation)
        search_seconds = time.perf_counter() - start
    hits = is_changed[errors.indices]
    is_corrected = errors.suggested[hits] == images.labels[errors.indices[hits]]
    print_table(
        f"{is_changed.sum():,} of {len(images):,} labels changed; {folds or FOLDS} networks of {recipe.epochs} epochs, n = 1 seed",
        [
            ("recall of the label-error list", "≥ 60%", f"{hits.sum() / is_changed.sum():.1%}"),
            ("precision of the list", "≥ 50%", f"{hits.mean():.1%} of {len(hits):,} images"),
            ("changed labels in the list for which the right class is proposed", "", f"{is_corrected.mean():.1%}"),
            (
                "estimated fraction of label errors",
                "",
                f"{errors.estimated_count / len(images):.1%} (true: {is_changed.mean():.1%})",
            ),
            ("out-of-fold accuracy of the networks", "", f"{(evaluation.predicted == images.labels).mean():.1%}"),
            ("time of the cross-validation", "", f"{training_seconds:,.0f} s"),
            ("time of making the list", "", f"{search_seconds:.2f} s"),
        ],
    )


def change_labels(images: ImageSet) -> ImageSet:
    """Return the images with a fraction NOISE of their labels (N,) changed to another class, all equally probable."""
    rng, labels = np.random.default_rng(SEED), images.labels.copy()
    chosen = rng.choice(len(labels), round(NOISE * len(labels)), replace=False)
    classes = int(labels.max()) + 1
    labels[chosen] = (labels[chosen] + rng.integers(1, classes, len(chosen))) % classes
    return ImageSet(images.pool, labels, rows=images.rows)


if __name__ == "__main__":
    main()
