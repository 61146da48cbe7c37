"""One network asked about one picture: the answer with the extras that were wished for, each kept as long as nothing it depends on changes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from cnn_core.inference.confidence import Calibration, network_key
from cnn_core.runs.run import Run
from pages.charts.heatmaps import overlay_heatmap
from pages.shared.run_selection import get_classifier
from pages.shared.server import get_store
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier, Prediction
    from cnn_core.inference.tta import AveragedPrediction

KEPT = 64  # answers of all sessions: less than 1 MB each
OPACITY = 0.7
TOO_COARSE = 4  # positions: with so few a map says little about where


@dataclass(frozen=True, eq=False)
class ClassificationRequest:
    """What run `run` says. `views`: over how many looks its answer is the mean, with a sentence. `heat`: pixels (S, S, 3) uint8 of Grad-CAM over
    what it received, None where that was not asked for or there is none, with a sentence. `network`: another one for other weights."""

    run: Run
    network: str
    calibration: Calibration
    prediction: "Prediction"
    views: int = 1
    views_note: str = ""
    heat: np.ndarray | None = None
    heat_note: str = ""

    @property
    def name(self) -> str:
        return self.run.name or self.run.id


def classify_own_image(run: Run, image: Image.Image, *, is_averaged: bool, has_heat: bool) -> ClassificationRequest:
    """The best model of `run` on an RGB picture. Raises ImageError when there is nothing to recognise in it, and RunError without a model."""
    from cnn_core.inference.preprocessing import received

    classifier = get_classifier(run)
    network = network_key(get_store().home.run_folder(run.id))
    pixels, may_mirror = received(image, classifier.card), run.config.flip != "off"
    answer = _classify(network, repr(classifier.card), repr(classifier.calibration), pixels, is_averaged, may_mirror, classifier)
    heat, note = _heat(network, pixels, answer.prediction.ranked[0][0], classifier) if has_heat else (None, "")
    views_note = _views_in_words(classifier, answer.views) if is_averaged else ""
    return ClassificationRequest(run, network, classifier.calibration, answer.prediction, answer.views, views_note, heat, note)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _classify(
    network: str, card: str, calibration: str, pixels: np.ndarray, is_averaged: bool, may_mirror: bool, _classifier: "Classifier"
) -> "AveragedPrediction":
    from cnn_core.inference.tta import AveragedPrediction, average_views

    if is_averaged:
        return average_views(_classifier, pixels, may_mirror=may_mirror)
    return AveragedPrediction(_classifier.rank(pixels, _classifier.probabilities(pixels[None])[0]), 1)


def _views_in_words(classifier: "Classifier", views: int) -> str:
    from cnn_core.inference.tta import shift_of

    card, far = classifier.card, shift_of(classifier.card)
    ways = "up, down, left and right" if card.ink else "to each corner"
    mirrored = "" if views == 5 else ", each also mirrored"
    return f"Mean of {views} views: as it is, and moved by {far} pixel{'s' * (far > 1)} {ways}{mirrored}."


@st.cache_data(max_entries=KEPT, show_spinner="Looking for what speaks for the class…")
def _heat(network: str, pixels: np.ndarray, name: str, _classifier: "Classifier") -> tuple[np.ndarray | None, str]:
    """Grad-CAM of the last convolution for class `name` over the pixels, and a sentence about it."""
    from cnn_core.explain.grad_cam import raw_grad_cam, to_heatmap
    from cnn_core.explain.layers import conv_layers
    from cnn_core.explain.single_image import to_model_input

    layers = list(conv_layers(_classifier.model))
    if not layers:
        return None, "This network has no convolution, so there is no map of where it looked."
    card = _classifier.card
    raw = raw_grad_cam(_classifier.model, layers[-1], to_model_input(pixels, card), [card.classes.index(name)], is_activated=True)
    heat = to_heatmap(raw, pixels.shape[:2])[0]
    if not heat.any():
        return None, f"Nothing that its last convolution sees speaks for {plain(name)}."
    height, width = raw.shape[1:]
    coarse = ", too few to say where" if height * width <= TOO_COARSE else ""
    return overlay_heatmap(pixels, heat, OPACITY), f"Yellow speaks for {plain(name)}; seen as {height}×{width} positions{coarse}."
