"""Test-time augmentation: the mean of the logits over shifted and mirrored copies of one image.

In: a preprocessed image, and whether mirrored images keep their class. Out: the copies, and a prediction from the mean of their logits.
Source: A. Krizhevsky, I. Sutskever, G. Hinton: ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 4.1.

A photograph is shifted by a sixteenth of its side to each corner; empty pixels are filled by reflection. A digit, which preprocessing
has centred, is shifted by one pixel up, down, left and right on black, and never mirrored.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnn_core.data.decoder import DecodedImage
from cnn_core.inference.classifier import Classifier, Prediction
from cnn_core.inference.preprocessing import preprocess
from cnn_core.models.saving import ModelCard

SHIFT_DIVISOR = 16  # a photograph is shifted by its side divided by this
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass(frozen=True)
class AveragedPrediction:
    """`prediction`: from the mean over all copies, with the `pixels` of the image itself. `copies`: how many were averaged."""

    prediction: Prediction
    copies: int


def classify_averaged(classifier: Classifier, image: DecodedImage | Image.Image, *, may_mirror: bool) -> AveragedPrediction:
    """Classify one RGB image (see `average_predictions`). Raises ImageError when a drawing is blank."""
    return average_predictions(classifier, preprocess(image, classifier.card), may_mirror=may_mirror)


def average_predictions(classifier: Classifier, pixels: np.ndarray, *, may_mirror: bool) -> AveragedPrediction:
    """Classify a preprocessed image, uint8 (S, S, C), by the mean of the logits over its copies.

    may_mirror: whether a mirrored image has the same class.
    """
    images = make_augmented_images(pixels, classifier.card, may_mirror=may_mirror)
    logits = classifier.logits(images).mean(0, keepdims=True)
    distance = classifier.distances(pixels[None])[0]
    copies = len(images) * (2 if classifier.card.mirror else 1)
    return AveragedPrediction(classifier.rank(pixels, classifier.to_probabilities(logits)[0], distance), copies)


def make_augmented_images(pixels: np.ndarray, card: ModelCard, *, may_mirror: bool) -> np.ndarray:
    """Return copies (n, S, S, C) uint8 of an image (S, S, C): itself, shifted, and all of these mirrored left to right.

    A model with `card.mirror` mirrors every image on its own, so there are no mirrored copies here.
    """
    images = [pixels, *(_shift(pixels, down, right, is_ink=bool(card.ink)) for down, right in _shifts(card))]
    if may_mirror and not card.ink and not card.mirror:
        images += [image[:, ::-1] for image in images]
    return np.stack(images)


def shift_pixels(card: ModelCard) -> int:
    """Return by how many pixels copies are shifted along each axis."""
    return 1 if card.ink else max(1, round(card.image_size / SHIFT_DIVISOR))


def _shifts(card: ModelCard) -> list[tuple[int, int]]:
    """Return by how many pixels down and right each copy is shifted."""
    if card.ink:
        return list(NEIGHBOURS)
    distance = shift_pixels(card)
    return [(distance * down, distance * right) for down, right in CORNERS]


def _shift(pixels: np.ndarray, down: int, right: int, *, is_ink: bool) -> np.ndarray:
    """Return the image (S, S, C) shifted by so many pixels; empty ones are black (ink) or filled by reflection."""
    side, frame = len(pixels), max(abs(down), abs(right))
    framed = np.pad(pixels, ((frame, frame), (frame, frame), (0, 0)), mode="constant" if is_ink else "symmetric")
    return framed[frame - down : frame - down + side, frame - right : frame - right + side]
