"""Classify one image with the model of one run, optionally with test-time augmentation and Grad-CAM. Results are cached."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.decoder import DecodedImage
from cnn_core.inference.confidence import Calibration, model_key
from cnn_core.runs.run import Run
from cnn_core.text import counted
from pages.charts.heatmaps import overlay_heatmap
from pages.shared import cache
from pages.shared.run_models import get_classifier
from pages.shared.server import get_store
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier, Prediction
    from cnn_core.inference.tta import AveragedPrediction

OPACITY = 0.7  # of the heatmap
TOO_COARSE = 4  # positions; a map with so few hardly locates anything
VIEWS = "Mean of {views} views: the image, and the image shifted by {shift} {directions}{flipped}."
INK_DIRECTIONS, CORNERS = "up, down, left and right", "to each corner"
ALSO_FLIPPED = ", each also flipped"
HEATMAP_NOTE = "Yellow: strongest support for {name}. Resolution: {height}×{width} positions{coarse}."
NO_CONVOLUTION = "This model has no convolution, so Grad-CAM cannot be computed. Choose another run."


@dataclass(frozen=True, eq=False)
class ImageClassification:
    """The prediction of run `run`.

    weights_key: changes with the weights. views: over how many augmented views the prediction is averaged, with a note. heatmap: Grad-CAM over
    the model's input, pixels (S, S, 3) uint8, None where it was not requested or there is none, with a note.
    """

    run: Run
    weights_key: str
    calibration: Calibration
    prediction: "Prediction"
    views: int = 1
    views_note: str = ""
    heatmap: np.ndarray | None = None
    heatmap_note: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The model's classes in their order."""
        return get_classifier(self.run).card.classes

    @property
    def name(self) -> str:
        """The run's name, else its id."""
        return self.run.name or self.run.id


def classify_own_image(run: Run, image: DecodedImage, *, is_averaged: bool, has_heatmap: bool) -> ImageClassification:
    """Classify an RGB image with the best model of `run`. Raises ImageError for a blank image, and RunError without a model."""
    from cnn_core.inference.preprocessing import preprocess

    classifier = get_classifier(run)
    weights_key = model_key(get_store().home.run_folder(run.id))
    pixels, may_mirror = preprocess(image, classifier.card), run.config.flip != "off"
    result = _classify(
        weights_key,
        repr(classifier.card),
        repr(classifier.calibration),
        classifier.distribution is not None,
        pixels,
        is_averaged,
        may_mirror,
        classifier,
    )
    heatmap, note = _heatmap(weights_key, pixels, result.prediction.ranked[0][0], classifier) if has_heatmap else (None, "")
    views_note = _describe_views(classifier, result.copies) if is_averaged else ""
    return ImageClassification(
        run, weights_key, classifier.calibration, result.prediction, result.copies, views_note, heatmap, note
    )


@st.cache_data(max_entries=cache.PREDICTIONS.max_entries, show_spinner=False)
def _classify(
    weights_key: str,
    card: str,
    calibration: str,
    is_compared: bool,
    pixels: np.ndarray,
    is_averaged: bool,
    may_mirror: bool,
    _classifier: "Classifier",
) -> "AveragedPrediction":
    from cnn_core.inference.tta import AveragedPrediction, average_predictions

    if is_averaged:
        return average_predictions(_classifier, pixels, may_mirror=may_mirror)
    return AveragedPrediction(_classifier.classify_pixels(pixels[None])[0], 1)


def _describe_views(classifier: "Classifier", views: int) -> str:
    from cnn_core.inference.tta import shift_pixels

    card, shift = classifier.card, shift_pixels(classifier.card)
    directions = INK_DIRECTIONS if card.ink else CORNERS
    flipped = "" if views == 5 else ALSO_FLIPPED
    return VIEWS.format(views=views, shift=counted(shift, "pixel"), directions=directions, flipped=flipped)


@st.cache_data(max_entries=cache.PREDICTIONS.max_entries, show_spinner="Computing Grad-CAM…")
def _heatmap(weights_key: str, pixels: np.ndarray, name: str, _classifier: "Classifier") -> tuple[np.ndarray | None, str]:
    """Return Grad-CAM of the last convolution for class `name` over pixels (S, S, C) uint8, and a note about it."""
    from cnn_core.explain.grad_cam import raw_grad_cam, to_heatmap
    from cnn_core.explain.single_image import to_model_input
    from cnn_core.models.hooks import conv_layers

    layers = list(conv_layers(_classifier.model))
    if not layers:
        return None, NO_CONVOLUTION
    card = _classifier.card
    target = np.array([card.classes.index(name)])
    raw = raw_grad_cam(_classifier.model, layers[-1], to_model_input(pixels, card), target, is_activated=True)
    heat = to_heatmap(raw, pixels.shape[:2])[0]
    if not heat.any():
        return None, f"Grad-CAM is zero everywhere: no position of the last convolution supports {plain(name)}."
    height, width = raw.shape[1:]
    coarse = ", too few for a precise location" if height * width <= TOO_COARSE else ""
    return overlay_heatmap(pixels, heat, OPACITY), HEATMAP_NOTE.format(
        name=plain(name), height=height, width=width, coarse=coarse
    )
