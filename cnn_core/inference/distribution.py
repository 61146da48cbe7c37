"""The distribution of a model's features over its training images, and how far an image is from it: out-of-distribution detection.

In: features of a model for training and validation images, then for an image. Out: a TrainingDistribution, and the image's distance.

Method: the Mahalanobis distance to the nearest class mean, with one covariance for all classes (K. Lee, K. Lee, H. Lee and J. Shin: A Simple
Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks, 2018, equation 2), of the spatial means of two
convolutions, at two thirds of the depth and the last one, and of the input of the last linear layer. The covariance is shrunk (O. Ledoit and
M. Wolf: A well-conditioned estimator for large-dimensional covariance matrices, 2004). A distance is divided by the one below which
QUANTILE of the validation images lie; the distance of an image is the largest of its layers. `benchmarks/unlike.py` compares the methods.
"""

import contextlib
import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cnn_core.files import write_atomically
from cnn_core.home import CARD, EVALUATIONS
from cnn_core.inference.confidence import model_key
from cnn_core.models.hooks import conv_layers, find_last_linear, forward_plain, hookable_copy

QUANTILE = 0.99  # of the validation images are nearer than distance 1
MAX_CHANNELS = 512  # of a layer; of more, as many are taken, evenly spaced
DEPTH = 2 / 3  # of the convolutions: where the first of the two layers is
MIN_SPREAD = 0.1  # least standard deviation of a channel, in medians of all channels: one that is constant would decide alone
RIDGE = 1e-6  # added to the variances of standardised channels
PREFIX, VERSION = "distribution-", 1


class FeatureExtractor:
    """Computes the compared features of a model, which is not changed. It may be used by several threads."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._lock = hookable_copy(model), threading.Lock()
        self._features: list[torch.Tensor] = []
        convolutions = list(conv_layers(self._model).values())
        chosen = {round(DEPTH * len(convolutions)) - 1, len(convolutions) - 1} - {-1}
        for index in sorted(chosen):
            convolutions[index].register_forward_hook(lambda _, __, output: self._keep(output.float().mean((2, 3))))
        if head := find_last_linear(self._model):
            head.register_forward_pre_hook(lambda _, inputs: self._keep(inputs[0].float().flatten(1)))

    @torch.inference_mode()
    def extract(self, images: torch.Tensor) -> list[np.ndarray]:
        """Return the features (N, D) float32 of every compared layer for normalised images (N, C, H, W)."""
        with self._lock:
            self._features = []
            forward_plain(self._model, images)
            return [features.cpu().numpy() for features in self._features]

    def _keep(self, features: torch.Tensor) -> None:
        count = features.shape[1]
        indices = np.linspace(0, count - 1, MAX_CHANNELS).round() if count > MAX_CHANNELS else np.arange(count)
        self._features.append(features[:, indices.astype(np.int64)])


@dataclass(frozen=True, eq=False)
class LayerDistribution:
    """Class means of a layer's features and their common covariance.

    `whitening` (D, D): multiplied by it, features have the covariance 1; `means` (classes, D): the class means, multiplied by it.
    `limit`: the distance that counts as 1.
    """

    whitening: np.ndarray
    means: np.ndarray
    limit: float = 1.0

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the distance (N,) float64 of features (N, D) to the nearest class mean, divided by `limit`."""
        points = features.astype(np.float64) @ self.whitening
        squared = (points**2).sum(1)[:, None] + (self.means**2).sum(1) - 2 * points @ self.means.T
        return np.asarray(np.sqrt(squared.min(1).clip(min=0)) / self.limit)


@dataclass(frozen=True, eq=False)
class TrainingDistribution:
    """The distributions of all compared layers. An image whose distance is above 1 is farther than QUANTILE of the validation images."""

    layers: tuple[LayerDistribution, ...]

    def distances(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the distance (N,) float64 of N images: the largest of their layers' features, each (N, D)."""
        return np.asarray(np.max([layer.distances(values) for layer, values in zip(self.layers, features, strict=True)], axis=0))


def fit_layers(training: Sequence[np.ndarray], labels: np.ndarray, validation: Sequence[np.ndarray]) -> TrainingDistribution:
    """Return the distribution of training features, each (N, D) with labels (N,), with limits from validation features, each (M, D)."""
    layers = [fit_layer(features, labels) for features in training]
    ratios = [layer.distances(features) for layer, features in zip(layers, validation, strict=True)]
    limits = np.array([_limit(ratio) for ratio in ratios])
    common = _limit(np.max([ratio / limit for ratio, limit in zip(ratios, limits, strict=True)], axis=0))
    return TrainingDistribution(
        tuple(
            LayerDistribution(layer.whitening, layer.means, float(limit))
            for layer, limit in zip(layers, limits * common, strict=True)
        )
    )


def fit_layer(features: np.ndarray, labels: np.ndarray) -> LayerDistribution:
    """Return class means and common covariance of features (N, D) with labels (N,)."""
    values = features.astype(np.float64)
    classes, index = np.unique(labels, return_inverse=True)
    means = np.stack([values[labels == label].mean(0) for label in classes])
    centred = values - means[index]
    measured = centred.std(0)
    spread = np.maximum(measured, MIN_SPREAD * np.median(measured) or 1.0)
    covariance = shrunk_covariance(centred / spread) + np.diag(1 - (measured / spread) ** 2 + RIDGE)
    whitening = _rounded(np.linalg.cholesky(np.linalg.inv(covariance)) / spread[:, None])
    return LayerDistribution(whitening, _rounded(means @ whitening))


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return values as they are read from the cache later."""
    return np.asarray(values.astype(np.float32), np.float64)


def shrunk_covariance(centred: np.ndarray) -> np.ndarray:
    """Return the covariance (D, D) of centred values (N, D), shrunk towards a multiple of the identity by Ledoit and Wolf (2004)."""
    count, size = centred.shape
    covariance = centred.T @ centred / count
    level = np.trace(covariance) / size
    target = level * np.eye(size)
    distance = ((covariance - target) ** 2).sum()
    error = ((centred**2).T @ (centred**2) / count - covariance**2).sum() / count
    shrinkage = min(1.0, error / distance) if distance else 0.0
    return np.asarray(shrinkage * target + (1 - shrinkage) * covariance)


def save_distribution(folder: Path, distribution: TrainingDistribution) -> None:
    """Cache the distribution of the model in `folder` and delete those of other weights. Without write access nothing is cached."""
    path = _path(folder)
    arrays = {
        f"{name}{number}": getattr(layer, name)
        for number, layer in enumerate(distribution.layers)
        for name in ("whitening", "means")
    }
    limits = np.array([layer.limit for layer in distribution.layers])
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.glob(f"{PREFIX}*.npz"):
            if old != path:
                old.unlink(missing_ok=True)
        write_atomically(
            path, lambda file: np.savez(file, limits=limits, **{name: value.astype(np.float32) for name, value in arrays.items()})
        )


def load_distribution(folder: Path) -> TrainingDistribution | None:
    """Return the cached distribution of the model in `folder`; None if it is missing or damaged. Raises RunError without a model."""
    path = _path(folder)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            layers = [
                LayerDistribution(
                    np.asarray(arrays[f"whitening{number}"], np.float64),
                    np.asarray(arrays[f"means{number}"], np.float64),
                    float(limit),
                )
                for number, limit in enumerate(arrays["limits"])
            ]
    except Exception:  # missing or damaged in any way: it can be computed again
        return None
    return TrainingDistribution(tuple(layers)) if layers and all(_is_whole(layer) for layer in layers) else None


def _is_whole(layer: LayerDistribution) -> bool:
    size = layer.whitening.shape[0]
    has_shape = layer.whitening.shape == (size, size) and layer.means.ndim == 2 and layer.means.shape[1] == size
    return bool(has_shape and layer.limit > 0 and np.isfinite(layer.whitening).all() and np.isfinite(layer.means).all())


def _limit(distances: np.ndarray) -> float:
    """Return the QUANTILE of distances (M,): an observed one, with fewer than 100 images the largest."""
    return float(np.quantile(distances, QUANTILE, method="higher")) or 1.0


def _path(folder: Path) -> Path:
    facts = (model_key(folder), (folder / CARD).read_bytes(), VERSION)
    return folder / EVALUATIONS / f"{PREFIX}{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.npz"
