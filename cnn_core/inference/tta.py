"""Test-time augmentation: one picture looked at in several ways, and the mean of what the network says of them.

In: what a network received, and whether it may be mirrored. Out: the views, and the mean of their logits, which is what a card that
asks for mirroring gives too. Averaging over shifted and mirrored copies: A. Krizhevsky, I. Sutskever, G. Hinton: ImageNet Classification with Deep
Convolutional Neural Networks, 2012, section 4.1.

A photograph is moved by a sixteenth of its side to each corner, and what the edge leaves empty is the picture mirrored there. A digit, which
was centred by its own rules, moves by one pixel up, down, left and right on black, and is never mirrored.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnn_core.inference.classifier import Classifier, Prediction
from cnn_core.inference.preprocessing import received
from cnn_core.models.saving import ModelCard

SHARE = 16  # a photograph is moved by its side divided by this
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass(frozen=True)
class AveragedPrediction:
    """`prediction`: of the mean over the views, whose `pixels` are those of the picture as it is. `views`: how many were averaged."""

    prediction: Prediction
    views: int


def classify_averaged(classifier: Classifier, image: Image.Image, *, may_mirror: bool) -> AveragedPrediction:
    """The classes of one RGB picture (see `average_views`). Raises ImageError when there is nothing in it to recognise."""
    return average_views(classifier, received(image, classifier.card), may_mirror=may_mirror)


def average_views(classifier: Classifier, pixels: np.ndarray, *, may_mirror: bool) -> AveragedPrediction:
    """The classes of a picture that is ready, uint8 (S, S, C), from the mean of the logits over its views.

    may_mirror: whether a mirrored picture of a class is one of that class too.
    """
    views = make_views(pixels, classifier.card, may_mirror=may_mirror)
    logits = classifier.logits(views).mean(0, keepdims=True)
    looks = len(views) * (2 if classifier.card.mirror else 1)
    return AveragedPrediction(classifier.rank(pixels, classifier.to_probabilities(logits)[0]), looks)


def make_views(pixels: np.ndarray, card: ModelCard, *, may_mirror: bool) -> np.ndarray:
    """The views (n, S, S, C) uint8 of a picture (S, S, C), itself the first: each moved, and each also mirrored left to right.

    A network that mirrors by its card (`card.mirror`) does so to every view on its own, so there are no mirrored ones here.
    """
    moved = [pixels, *(_move(pixels, down, right, is_ink=bool(card.ink)) for down, right in _moves(card))]
    if may_mirror and not card.ink and not card.mirror:
        moved += [view[:, ::-1] for view in moved]
    return np.stack(moved)


def shift_of(card: ModelCard) -> int:
    """How far views are moved along each axis, pixels."""
    return 1 if card.ink else max(1, round(card.image_size / SHARE))


def _moves(card: ModelCard) -> list[tuple[int, int]]:
    """How far down and right every moved view goes, pixels."""
    if card.ink:
        return list(NEIGHBOURS)
    far = shift_of(card)
    return [(far * down, far * right) for down, right in CORNERS]


def _move(pixels: np.ndarray, down: int, right: int, *, is_ink: bool) -> np.ndarray:
    """A picture (S, S, C) moved by so many pixels; what the edge leaves empty is black (ink) or the picture mirrored at its edge."""
    side, frame = len(pixels), max(abs(down), abs(right))
    framed = np.pad(pixels, ((frame, frame), (frame, frame), (0, 0)), mode="constant" if is_ink else "symmetric")
    return framed[frame - down : frame - down + side, frame - right : frame - right + side]
