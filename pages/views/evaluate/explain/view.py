"""See inside: where the network looked in an image, what its layers make of it, and what its parts are good for."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.images import image_html
from pages.charts.predictions import probability_bars
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.text import plain
from pages.views.evaluate.explain.grad_cam import show_grad_cam
from pages.views.evaluate.explain.image_choice import Seen, choose_image
from pages.views.evaluate.explain.layers import show_dead, show_filters, show_maps
from pages.views.evaluate.explain.surgery import show_surgery

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

RANKED = 5  # classes whose probabilities are drawn
DIVERGED = "The network diverged: its {} are no numbers, so there is nothing to see in it. Choose another epoch or run."


def show_explain(subject: EvaluationSubject) -> None:
    """The view."""
    from cnn_core.explain.layers import conv_layers
    from cnn_core.explain.single_image import is_finite

    evaluation = subject.evaluation()
    model, _ = subject.network()
    if not len(evaluation):
        st.info(f"This data has no {PARTS[subject.part]} images. Choose another part above.", icon=":material/search:")
    elif not is_finite(model):
        st.warning(DIVERGED.format("weights"), icon=":material/warning:")
    elif not conv_layers(model):
        st.info("This network has no convolution, so there are no maps to look at. Choose another run.", icon=":material/info:")
    else:
        _show_one_image(subject, evaluation)
        show_filters(subject)
        show_dead(subject, evaluation)


def _show_one_image(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    """Everything about one image."""
    seen = choose_image(subject, evaluation)
    if seen and not np.isfinite(seen.shares).all():
        st.warning(DIVERGED.format("probabilities"), icon=":material/warning:")
        seen = None
    if seen:
        _show_answer(evaluation.classes, seen)
        show_grad_cam(subject, evaluation.classes, seen)
        show_maps(subject, seen)
    show_surgery(subject, evaluation, seen)


def _show_answer(classes: tuple[str, ...], seen: Seen) -> None:
    """The image, what it is, and what the network says of it."""
    ranked = [(classes[label], float(seen.shares[label])) for label in np.argsort(-seen.shares, kind="stable")]
    name = f"{seen.name[0].upper()}{seen.name[1:]}" + (f", true class {classes[seen.label]}" if seen.label is not None else "")
    left, right = st.columns([1, 2])
    with left:
        st.html(image_html(seen.pixels, name, width=220))
        st.caption(plain(name))
    with right:
        verdict = "" if seen.label is None else ": :green[✓ right]" if seen.said == seen.label else ": :red[✗ wrong]"
        st.markdown(f"It says **{plain(ranked[0][0])}** with a probability of {ranked[0][1]:.1%}{verdict}")
        st.plotly_chart(
            probability_bars(ranked, RANKED), config={"displayModeBar": False}, alt="The most probable classes of this image"
        )
