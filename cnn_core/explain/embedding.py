"""Features of images and their embedding in two dimensions by PCA or t-SNE.

In: a model (not changed) and images. Out: the inputs of the model's last linear layer, and 2-D coordinates in which similar features are close.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh
from torch import nn

from cnn_core.data.source import ImageSet
from cnn_core.events import Progress
from cnn_core.explain.tsne import run_tsne
from cnn_core.features.kept_layers import read_for_model
from cnn_core.features.store import FeatureStore
from cnn_core.models.hooks import find_last_linear, forward_plain, hookable_copy
from cnn_core.models.saving import ModelCard

BATCH = 50
FEATURES_STAGE = "Computing features of images"
TSNE_FEATURES = 50  # principal components that t-SNE gets, as L. van der Maaten did: it is faster and less noisy
PERPLEXITY = 30
MIN_IMAGES = 4  # for t-SNE


@dataclass(frozen=True, eq=False)
class EmbeddingLayout:
    """`coordinates` (n, 2) float32. `explained_variance`: the fraction of the features' variance along each axis, for PCA only."""

    coordinates: np.ndarray
    explained_variance: tuple[float, float] | None = None


def compute_features(
    model: nn.Module, card: ModelCard, images: ImageSet, store: FeatureStore | None = None
) -> Generator[Progress, None, np.ndarray]:
    """Compute the input of the model's last linear layer, (n, features) float32; the logits if it has none. Yields Progress.

    The images are not flipped, even if the model averages predictions over horizontal flips. store: where features of the images may be kept
    (see `read_for_model`).
    """
    features: list[torch.Tensor] = []
    copy = hookable_copy(model)
    last = find_last_linear(copy)
    if last is not None:
        last.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].float().flatten(1).cpu()))
    device = next(copy.parameters()).device
    reading = yield from read_for_model(copy, card, images, device, store, batch_size=BATCH)
    features.clear()  # of images that were computed with the whole model, to keep what its other layers make of them
    for done, (batch, _) in enumerate(reading.batches):
        yield Progress(FEATURES_STAGE, min(done * BATCH, len(images)), len(images))
        with torch.inference_mode():
            logits = forward_plain(reading.module, batch)
        if last is None:
            features.append(logits.float().cpu())
    return torch.cat(features).numpy()


def principal_components(features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `count` principal components of features (n, D), (n, count) float64, and the fraction of the variance of each.

    Principal component analysis (K. Pearson, 1901; H. Hotelling, 1933). The largest weight of a direction is positive. If D < count, the
    remaining components are zero.
    """
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    size = features.shape[1]
    largest = [max(0, size - count), size - 1]
    variances, directions = eigh(centred.T @ centred, subset_by_index=largest)  # ascending; (D, k) with one direction a column
    variances, directions = variances[::-1].clip(min=0), directions[:, ::-1]
    strongest = np.abs(directions).argmax(0)
    directions = directions * np.sign(directions[strongest, np.arange(directions.shape[1])])
    components, fractions = np.zeros((len(features), count)), np.zeros(count)
    components[:, : directions.shape[1]] = centred @ directions
    total = (centred**2).sum()
    fractions[: len(variances)] = variances / total if total else 0
    return components, fractions


def project_by_pca(features: np.ndarray) -> EmbeddingLayout:
    """Return the first two principal components of features (n, D)."""
    components, fractions = principal_components(features, 2)
    return EmbeddingLayout(components.astype(np.float32), (float(fractions[0]), float(fractions[1])))


def largest_perplexity(count: int) -> float:
    """Return the largest perplexity of t-SNE for `count` images: each point is compared with its three times as many nearest ones."""
    return (count - 1) / 3


def project_by_tsne(features: np.ndarray, perplexity: float = PERPLEXITY) -> Generator[Progress, None, EmbeddingLayout]:
    """Return the t-SNE embedding of features (n, D). The same features give the same coordinates.

    `perplexity`: roughly the number of neighbours that matter; it is reduced for few images. The computation ends if the iteration stops (see
    `tsne`). Yields Progress. Raises LayoutError.
    """
    if len(features) < MIN_IMAGES:
        return EmbeddingLayout(project_by_pca(features).coordinates)
    reduced, _ = principal_components(features, min(TSNE_FEATURES, features.shape[1]))
    coordinates = yield from run_tsne(reduced, _start(reduced[:, :2]), min(perplexity, largest_perplexity(len(features))))
    return EmbeddingLayout(coordinates)


def nearest(features: np.ndarray, row: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `count` rows of features (n, D) with the largest cosine similarity to row `row`, without itself: (k,) int64, and cosines (k,)."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.where(lengths > 0, lengths, 1)
    cosines = directions @ directions[row]
    order = np.argsort(-cosines, kind="stable")
    order = order[order != row][:count]
    return order, cosines[order]


def _start(components: np.ndarray) -> np.ndarray:
    """Return the start (n, 2) of t-SNE: components scaled to a standard deviation of 0.0001, or points on a circle if all are the same."""
    if components.shape[1] < 2 or not components.std(0).all():
        angles = np.linspace(0, 2 * np.pi, len(components), endpoint=False)
        components = np.stack((np.cos(angles), np.sin(angles)), 1)
    return np.asarray(components / components[:, 0].std() * 1e-4, np.float32)
