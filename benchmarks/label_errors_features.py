"""Measure the label-error list from a pretrained network's features, to compare with `label_errors`. `python -m benchmarks.label_errors_features FOLDER [IMAGES]`

FOLDER is CIFAR-10 as class folders. The same labels of the same images are changed as in `benchmarks.label_errors`. The images are enlarged to SIDE pixels, their
features are computed once by EfficientNet-Lite0 with its ImageNet weights, and FOLDS logistic regressions predict the images that they were not trained on.
"""

import sys
import time

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from benchmarks.label_errors import SEED, change_labels
from benchmarks.machine import print_table
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.device import Arithmetic, choose_device
from cnn_core.features.frozen_layers import FrozenLayers
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.label_errors import find_label_errors
from cnn_core.models.pretrained_input import expected_statistics
from cnn_core.models.registry import build_model, find_family
from cnn_core.training.cross_validation import stratified_folds

SIDE, FOLDS, FAMILY = 128, 5, "efficientnet-lite0"
STRENGTHS = (0.0006, 0.002)  # inverse regularisation of the logistic regression on standardised features


def main() -> None:
    folder, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    source = open_source(folder)
    images = finish(source.load("train"))
    if count < len(images):
        images = images.take(np.sort(np.random.default_rng(SEED).choice(len(images), count, replace=False)))
    noisy = change_labels(images)
    start = time.perf_counter()
    features = features_of(images, len(source.info.classes))
    seconds = time.perf_counter() - start
    features = (features - features.mean(0)) / (features.std(0) + 1e-3)
    fold_of = stratified_folds(noisy.labels, FOLDS, SEED)
    rows = [(f"computing the features at {SIDE} pixels", "", f"{seconds:,.0f} s ({len(images) / seconds:,.0f} images/s)")]
    for strength in STRENGTHS:
        start = time.perf_counter()
        logits = np.empty((len(images), len(source.info.classes)), np.float32)
        for fold in range(FOLDS):
            model = LogisticRegression(C=strength, max_iter=50)
            model.fit(features[fold_of != fold], noisy.labels[fold_of != fold])
            logits[fold_of == fold] = model.decision_function(features[fold_of == fold])
        evaluation = Evaluation(source.info.classes, logits, noisy.labels)
        errors = find_label_errors(evaluation)
        hits = (noisy.labels != images.labels)[errors.indices]
        recall = hits.sum() / (noisy.labels != images.labels).sum()
        found = f"recall {recall:.1%}, precision {hits.mean():.1%} of {len(hits):,} images"
        accuracy = (evaluation.predicted == images.labels).mean()
        rows.append(
            (f"list at C = {strength:g}", "≥ 63%, 53%", f"{found}; accuracy {accuracy:.1%}; {time.perf_counter() - start:.0f} s")
        )
    print_table(f"{(noisy.labels != images.labels).sum():,} of {len(images):,} labels changed, {FOLDS} folds, n = 1 seed", rows)


def features_of(images: ImageSet, classes: int) -> np.ndarray:
    """Return the features (N, D) float32 of images enlarged to SIDE pixels."""
    pixels = torch.from_numpy(images[:]).permute(0, 3, 1, 2)
    large = nn.functional.interpolate(pixels, (SIDE, SIDE), mode="bicubic", antialias=True)
    device, family = choose_device("auto"), find_family(FAMILY)
    model = build_model(FAMILY, channels=3, image_size=SIDE, classes=classes, weights="pretrained")
    arithmetic = Arithmetic(device)
    mean, std = expected_statistics(FAMILY, "", "pretrained", 3) or ((), ())
    layers = FrozenLayers(arithmetic.place(model), family.head, arithmetic, mean, std)
    return np.asarray(finish(layers.features(ImageSet(large.permute(0, 2, 3, 1).numpy(), images.labels))).cpu())


if __name__ == "__main__":
    main()
