"""The Explain view: prediction, Grad-CAM, feature maps, filters, dead channels and channel ablation."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.images import image_html
from pages.charts.predictions import probability_bars
from pages.shared.chart import show_chart
from pages.shared.evaluation_subject import CORRECT, SPLITS, WRONG, EvaluationSubject
from pages.shared.map_layers import map_layers_of
from pages.shared.text import plain
from pages.views.evaluate.explain.ablation import show_ablation
from pages.views.evaluate.explain.grad_cam import show_grad_cam
from pages.views.evaluate.explain.image_choice import ChosenImage, choose_image
from pages.views.evaluate.explain.layers import show_dead_channels, show_feature_maps, show_filters
from pages.views.evaluate.summary import EXPLAIN

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

RANKED = 5  # classes whose probabilities are drawn
NO_MAPS = "No layer of this model gives maps, so Grad-CAM and feature maps cannot be shown. Choose another run."
PREDICTION = "Prediction: **{name}**, {probability:.1%}{verdict}"
DIVERGED = (
    "The model diverged: its {} are not finite numbers, so its predictions cannot be explained. Choose another epoch or run."
)


def show_explain(subject: EvaluationSubject) -> None:
    """Show the view."""
    from cnn_core.explain.single_image import has_finite_weights

    evaluation = subject.evaluation()
    st.markdown(EXPLAIN)
    model, card = subject.model()
    if not len(evaluation):
        st.info(f"This data set has no {SPLITS[subject.split]} images. Choose another split above.", icon=":material/search:")
    elif not has_finite_weights(model):
        st.warning(DIVERGED.format("weights"), icon=":material/warning:")
    elif not map_layers_of(model, card):
        st.info(NO_MAPS, icon=":material/info:")
    else:
        _show_one_image(subject, evaluation)
        show_filters(subject)
        show_dead_channels(subject, evaluation)


def _show_one_image(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    """Show everything about one image."""
    image = choose_image(subject, evaluation)
    if image and not np.isfinite(image.probabilities).all():
        st.warning(DIVERGED.format("probabilities"), icon=":material/warning:")
        image = None
    if image:
        _show_prediction(evaluation.classes, image)
        show_grad_cam(subject, evaluation.classes, image)
        show_feature_maps(subject, image)
    show_ablation(subject, evaluation, image)


def _show_prediction(classes: tuple[str, ...], image: ChosenImage) -> None:
    """Show the image, its true class and the prediction."""
    ranked = [(classes[label], float(image.probabilities[label])) for label in np.argsort(-image.probabilities, kind="stable")]
    name = f"{image.name[0].upper()}{image.name[1:]}" + (
        f", true class {classes[image.label]}" if image.label is not None else ""
    )
    left, right = st.columns([1, 2])
    with left:
        st.html(image_html(image.pixels, name, width=220))
        st.caption(plain(name))
    with right:
        verdict = "" if image.label is None else f": {CORRECT if image.predicted == image.label else WRONG}"
        st.markdown(PREDICTION.format(name=plain(ranked[0][0]), probability=ranked[0][1], verdict=verdict))
        show_chart(probability_bars(ranked[:RANKED]), alt="The most probable classes of this image")
