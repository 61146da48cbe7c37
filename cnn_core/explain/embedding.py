"""Images as points in the plane: near each other where the network's last layer reads nearly the same.

In: a model (which stays as it is) and images. Out: their features, and places in two dimensions by PCA or t-SNE.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh
from torch import nn

from cnn_core.data.batches import Batches
from cnn_core.data.source import ImageSet
from cnn_core.events import Progress
from cnn_core.explain.layers import forward_plain, hookable_copy
from cnn_core.explain.tsne import run_tsne
from cnn_core.models.saving import ModelCard

BATCH = 50
TSNE_SIZE = 50  # numbers of an image that t-SNE is given, as L. van der Maaten did: the rest is noise to it, and time
PERPLEXITY = 30
LEAST = 4  # images, of which t-SNE can make anything


@dataclass(frozen=True, eq=False)
class Layout:
    """`places` (n, 2) float32. `shares`: the share of the features' variance along either axis, for PCA only."""

    places: np.ndarray
    shares: tuple[float, float] | None = None


def find_head(model: nn.Module) -> nn.Linear | None:
    """The last linear layer, which is the last layer of every family of ours; None where there is none."""
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    return linear[-1] if linear else None


def compute_features(model: nn.Module, card: ModelCard, images: ImageSet) -> Generator[Progress, None, np.ndarray]:
    """What goes into the network's last linear layer, (n, features) float32; its logits where it has none. Yields Progress.

    Of each image as it is, also where the card asks for an average with the mirrored image.
    """
    own, parts = hookable_copy(model), []
    head = find_head(own)
    if head is not None:
        head.register_forward_pre_hook(lambda _, inputs: parts.append(inputs[0].float().flatten(1).cpu()))
    batches = Batches(images, batch_size=BATCH, device=next(own.parameters()).device, mean=card.mean, std=card.std)
    for done, (some, _) in enumerate(batches):
        yield Progress("Reading features of images", min(done * BATCH, len(images)), len(images))
        with torch.inference_mode():
            logits = forward_plain(own, some)
        if head is None:
            parts.append(logits.float().cpu())
    return torch.cat(parts).numpy()


def principal_axes(features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, D) along their `count` directions of most variance, (n, count) float64, and the share of the variance of each.

    Principal component analysis (K. Pearson, 1901; H. Hotelling, 1933). A direction points to where its largest weight is positive.
    Where there are fewer directions than asked for, the rest is zero.
    """
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    size = features.shape[1]
    wanted = [max(0, size - count), size - 1]
    variances, directions = eigh(centred.T @ centred, subset_by_index=wanted)  # ascending; (D, k) with one direction a column
    variances, directions = variances[::-1].clip(min=0), directions[:, ::-1]
    strongest = np.abs(directions).argmax(0)
    directions = directions * np.sign(directions[strongest, np.arange(directions.shape[1])])
    places, shares = np.zeros((len(features), count)), np.zeros(count)
    places[:, : directions.shape[1]] = centred @ directions
    total = (centred**2).sum()
    shares[: len(variances)] = variances / total if total else 0
    return places, shares


def lay_out_by_pca(features: np.ndarray) -> Layout:
    """Features (n, D) along their two directions of most variance."""
    places, shares = principal_axes(features, 2)
    return Layout(places.astype(np.float32), (float(shares[0]), float(shares[1])))


def lay_out_by_tsne(features: np.ndarray, perplexity: float = PERPLEXITY) -> Generator[Progress, None, Layout]:
    """Features (n, D) so that near ones stay near, however far apart the rest falls. The same features give the same layout.

    `perplexity`: roughly how many neighbours count; of few images, less of it. It can be ended at any report (see `analysis.tsne`).
    Raises LayoutError.
    """
    if len(features) < LEAST:
        return Layout(lay_out_by_pca(features).places)
    reduced, _ = principal_axes(features, min(TSNE_SIZE, features.shape[1]))
    places = yield from run_tsne(reduced, _small(reduced[:, :2]), min(perplexity, (len(features) - 1) / 3))
    return Layout(places)


def nearest(features: np.ndarray, row: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Those `count` of features (n, D) that point most nearly where number `row` does, without itself: rows (k,) int64 and cosines (k,)."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.where(lengths > 0, lengths, 1)
    cosines = directions @ directions[row]
    order = np.argsort(-cosines, kind="stable")
    order = order[order != row][:count]
    return order, cosines[order]


def _small(places: np.ndarray) -> np.ndarray:
    """Places (n, 2) scaled to a deviation of 0.0001, from which t-SNE unfolds best; spread on a circle where they are all the same."""
    if places.shape[1] < 2 or not places.std(0).all():
        angles = np.linspace(0, 2 * np.pi, len(places), endpoint=False)
        places = np.stack((np.cos(angles), np.sin(angles)), 1)
    return (places / places[:, 0].std() * 1e-4).astype(np.float32)
