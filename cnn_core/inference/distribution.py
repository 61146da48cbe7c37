"""The distribution of a model's features over its training images, and how far an image is from it: out-of-distribution detection.

In: features of a model for training and validation images, then for an image. Out: a TrainingDistribution, and the image's distance.

Method: the Mahalanobis distance to the nearest class mean, with one covariance for all classes (K. Lee, K. Lee, H. Lee and J. Shin: A Simple
Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks, 2018, equation 2), of the spatial means of two
convolutions, at two thirds of the depth and the last one, and of the input of the last linear layer. The covariance is shrunk (O. Ledoit and
M. Wolf: A well-conditioned estimator for large-dimensional covariance matrices, 2004). A distance is divided by the one below which
QUANTILE of the validation images lie, and of the training images; the distance of an image is the largest of its layers. An outlier among
the training images, and an image like it, may be far from every class mean, so the distance to the nearest training image, divided by the
one that QUANTILE of the training images have to their nearest other one, counts where it is smaller. `benchmarks/unlike.py` compares the
methods.
"""

import contextlib
import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cnn_core.files import write_atomically
from cnn_core.home import CARD, EVALUATIONS
from cnn_core.inference.confidence import model_key
from cnn_core.models.hooks import conv_layers, find_last_linear, forward_plain, hookable_copy

QUANTILE = 0.99  # of the training images, and of the validation images, are nearer than distance 1
MAX_CHANNELS = 512  # of a layer; of more, as many are taken, evenly spaced
DEPTH = 2 / 3  # of the convolutions: where the first of the two layers is
MIN_SPREAD = 0.1  # least standard deviation of a channel, in medians of all channels: one that is constant would decide alone
RIDGE = 1e-6  # added to the variances of standardised channels
THUMBNAIL, SAME = (
    8,
    8.0,
)  # side in pixels; largest difference in levels (0..255) of the same image, decoded or resized differently
PREFIX, VERSION = "distribution-", 2


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
    `limit`: the distance that counts as 1. `neighbours` (n, D) float16: features of training images, multiplied by it; `spacing`: the
    distance between them that counts as 1.
    """

    whitening: np.ndarray
    means: np.ndarray
    neighbours: np.ndarray
    limit: float = 1.0
    spacing: float = 1.0

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the distance (N,) float64 of features (N, D) to the nearest class mean, divided by `limit`."""
        return _nearest(features.astype(np.float64) @ self.whitening, self.means) / self.limit

    def neighbour_distances(self, features: np.ndarray) -> np.ndarray:
        """Return the distance (N,) float64 of features (N, D) to the nearest of the neighbours, divided by `spacing`."""
        return _nearest(features.astype(np.float64) @ self.whitening, self.neighbours.astype(np.float64)) / self.spacing


@dataclass(frozen=True, eq=False)
class TrainingDistribution:
    """The distributions of all compared layers. An image whose distance is above 1 is farther than QUANTILE of the training images, and of the
    validation images. `thumbnails` (n, t, t) float32: of all training images, where not all of them are neighbours."""

    layers: tuple[LayerDistribution, ...]
    thumbnails: np.ndarray | None = None

    def distances(self, features: Sequence[np.ndarray], pixels: np.ndarray | None = None) -> np.ndarray:
        """Return the distance (N,) float64 of N images with the layers' features, each (N, D): of the class means or of the nearest training
        image, the smaller; each the largest of the layers. `pixels` (N, S, S, C) uint8: an image that equals a training image is within 1."""
        layers = list(zip(self.layers, features, strict=True))
        to_means = np.max([layer.distances(values) for layer, values in layers], axis=0)
        found = np.minimum(to_means, np.max([layer.neighbour_distances(values) for layer, values in layers], axis=0))
        if pixels is None or self.thumbnails is None or not (found > 1).any():
            return np.asarray(found)
        for index in np.flatnonzero(found > 1):
            differences = np.abs(self.thumbnails - make_thumbnails(pixels[index][None])).max((1, 2))
            found[index] = min(found[index], 1.0) if differences.min() <= SAME else found[index]
        return np.asarray(found)


def fit_layers(training: Sequence[np.ndarray], labels: np.ndarray, validation: Sequence[np.ndarray]) -> TrainingDistribution:
    """Return the distribution of training features, each (N, D) with labels (N,), with limits also from validation features, each (M, D)."""
    layers = [fit_layer(features, labels) for features in training]
    held_out = [layer.distances(features) for layer, features in zip(layers, validation, strict=True)]
    limits = np.array([_limit(distances) for distances in held_out])
    known = [layer.distances(features) for layer, features in zip(layers, training, strict=True)]
    common = max(
        _limit(np.max([a / limit for a, limit in zip(split, limits, strict=True)], axis=0)) for split in (held_out, known)
    )
    return TrainingDistribution(
        tuple(replace(layer, limit=float(limit)) for layer, limit in zip(layers, limits * common, strict=True))
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
    neighbours = (values @ whitening).astype(np.float16)
    return LayerDistribution(whitening, _rounded(means @ whitening), neighbours, spacing=_spacing(neighbours))


def _nearest(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance (N,) of points (N, D) to the nearest of targets (M, D)."""
    squared = (points**2).sum(1)[:, None] + (targets**2).sum(1) - 2 * points @ targets.T
    return np.asarray(np.sqrt(squared.min(1).clip(min=0)))


def _spacing(neighbours: np.ndarray) -> float:
    """Return the distance below which QUANTILE of the neighbours (n, D) have another one; at least as far as float16 tells them apart."""
    points = neighbours.astype(np.float64)
    squared = (points**2).sum(1)[:, None] + (points**2).sum(1) - 2 * points @ points.T
    np.fill_diagonal(squared, np.inf)
    rounding = float(np.finfo(np.float16).eps * np.linalg.norm(points, axis=1).max()) or 1.0
    return max(_limit(np.sqrt(squared.min(1).clip(min=0))), rounding) if len(points) > 1 else rounding


def make_thumbnails(pixels: np.ndarray) -> np.ndarray:
    """Return images (N, S, S, C) as means over THUMBNAIL×THUMBNAIL areas of grey values, float32 (N, t, t), 0..255; smaller images as they are."""
    grey = pixels.mean(3, dtype=np.float32)
    side = grey.shape[1]
    edges = np.linspace(0, side, min(THUMBNAIL, side) + 1).round().astype(np.int64)
    sums = np.add.reduceat(np.add.reduceat(grey, edges[:-1], axis=1), edges[:-1], axis=2)
    return np.asarray(sums / np.outer(np.diff(edges), np.diff(edges)), np.float32)


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
        for name in ("whitening", "means", "neighbours")
    }
    if distribution.thumbnails is not None:
        arrays["thumbnails"] = distribution.thumbnails
    limits = np.array([(layer.limit, layer.spacing) for layer in distribution.layers])
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.glob(f"{PREFIX}*.npz"):
            if old != path:
                old.unlink(missing_ok=True)
        small = {name: value.astype(np.float16 if name[0] in "nt" else np.float32) for name, value in arrays.items()}
        write_atomically(path, lambda file: np.savez(file, limits=limits, **small))


def load_distribution(folder: Path) -> TrainingDistribution | None:
    """Return the cached distribution of the model in `folder`; None if it is missing or damaged. Raises RunError without a model."""
    path = _path(folder)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            layers = [
                LayerDistribution(
                    np.asarray(arrays[f"whitening{number}"], np.float64),
                    np.asarray(arrays[f"means{number}"], np.float64),
                    np.asarray(arrays[f"neighbours{number}"], np.float16),
                    float(limit),
                    float(spacing),
                )
                for number, (limit, spacing) in enumerate(arrays["limits"])
            ]
            thumbnails = np.asarray(arrays["thumbnails"], np.float32) if "thumbnails" in arrays else None
    except Exception:  # missing or damaged in any way: it can be computed again
        return None
    return TrainingDistribution(tuple(layers), thumbnails) if layers and all(_is_whole(layer) for layer in layers) else None


def _is_whole(layer: LayerDistribution) -> bool:
    size = layer.whitening.shape[0]
    has_shape = layer.whitening.shape == (size, size) and layer.means.ndim == 2 and layer.means.shape[1] == size
    has_shape = has_shape and layer.neighbours.ndim == 2 and layer.neighbours.shape[1] == size
    is_finite = all(np.isfinite(values).all() for values in (layer.whitening, layer.means, layer.neighbours))
    return bool(has_shape and is_finite and layer.limit > 0 and layer.spacing > 0)


def _limit(distances: np.ndarray) -> float:
    """Return the QUANTILE of distances (M,): an observed one, with fewer than 100 images the largest."""
    return float(np.quantile(distances, QUANTILE, method="higher")) or 1.0


def _path(folder: Path) -> Path:
    facts = (model_key(folder), (folder / CARD).read_bytes(), VERSION)
    return folder / EVALUATIONS / f"{PREFIX}{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.npz"
