"""See a convolution: one image through a trained network, step by step, with the arithmetic of the pixel that is pointed at."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.decoder import DecodedImage
from cnn_core.errors import ImageError
from cnn_core.inference.confidence import network_key
from cnn_core.runs.run import Run
from pages.charts.components.convolution import TracedModel, show_steps
from pages.shared.data_set_image import choose_from_set
from pages.shared.links import term_link
from pages.shared.own_image import choose_own_image
from pages.shared.run_selection import choose_trained_run, get_classifier
from pages.shared.server import get_store
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.explain.forward_trace import TraceStep
    from cnn_core.inference.classifier import Classifier

KEY, FROM_SET = "convolution", "Data set"
KEPT = 2  # passages of all sessions: 1 MB for SimpleCNN, 8 MB for ResNet-18 on 32×32 images, 400 MB on 224×224
WORDS = f"""
A convolution slides a small window over its input. At every place it multiplies the numbers in the window by those of a
{term_link("kernel", "kernel")}, number by number, and adds them up. It adds one more number, the bias, and writes the sum into
its output, which is large where the input looks like the kernel.

- A colour picture has three {term_link("channel", "channels")}. Every output channel has a kernel for each input channel, and adds up what they all give.
- The {term_link("stride", "stride")} is how far the window moves at a time: with 2, the output has half the side.
- {term_link("padding", "Padding")} is a border of zeros, so that the window fits there too. It is grey below, and striped in the window.
"""


def show_convolution() -> None:
    """The view."""
    run = choose_trained_run("to look into")
    if run is None:
        st.markdown(WORDS)
        return
    classifier = get_classifier(run)
    left, right = st.columns([2, 3], gap="medium")  # the four ways to an image fit beside each other from 1280 px on
    with left:
        picture = choose_own_image(classifier.card, KEY, first={FROM_SET: lambda: choose_from_set(run)})
    with right:
        st.markdown(WORDS)
        pixels = _make_ready(picture, classifier)
        if pixels is not None:
            _show_answer(classifier, pixels)
    if pixels is not None:
        _show_passage(run, classifier, pixels)


def _make_ready(picture: DecodedImage | None, classifier: "Classifier") -> np.ndarray | None:
    """What the network receives, (S, S, C) uint8; a sentence where there is nothing yet, or nothing to use."""
    from cnn_core.explain.single_image import has_finite_weights
    from cnn_core.inference.preprocessing import received

    if not has_finite_weights(classifier.model):
        st.warning("The network diverged: its weights are no numbers. Choose another run.", icon=":material/warning:")
    elif picture is None:
        st.info("Choose an image: its way through the network appears below.", icon=":material/gesture:")
    else:
        try:
            return received(picture.image, classifier.card)
        except ImageError as error:
            st.warning(plain(error), icon=":material/gesture:")
    return None


def _show_answer(classifier: "Classifier", pixels: np.ndarray) -> None:
    """What the network makes of it in the end."""
    prediction = classifier.rank(pixels, classifier.probabilities(pixels[None])[0])
    name, share = prediction.ranked[0]
    st.markdown(
        f"The network says **{plain(name)}**, with a probability of {share:.1%}. Below are all steps to that answer. Choose a step and a "
        "channel of it, and move over its output map: the window of that pixel is marked in the input, and the arithmetic is written out."
    )


@st.fragment
def _show_passage(run: Run, classifier: "Classifier", pixels: np.ndarray) -> None:
    """The steps; the chosen one stays chosen for another image."""
    card, network = classifier.card, network_key(get_store().home.run_folder(run.id))
    steps = _follow(network, pixels, classifier)
    key = f"{KEY}-{run.id}"
    step, channel = st.session_state.setdefault(key, _first(steps))
    if step >= len(steps) or channel >= len(steps[step].output):  # the run was trained anew meanwhile
        step, channel = _first(steps)

    def choose(step: int, channel: int) -> None:
        st.session_state[key] = (step, channel)

    name = f"{network}-{hash(pixels.tobytes())}"
    show_steps(f"{key}-steps", TracedModel(name, steps, pixels, card.mean, card.std, card.classes), (step, channel), choose)


@st.cache_resource(max_entries=KEPT, show_spinner="Following the image…")
def _follow(network: str, pixels: np.ndarray, _classifier: "Classifier") -> "list[TraceStep]":
    from cnn_core.explain.forward_trace import trace_forward
    from cnn_core.explain.single_image import to_model_input

    return trace_forward(_classifier.model, to_model_input(pixels, _classifier.card))


def _first(steps: "list[TraceStep]") -> tuple[int, int]:
    """The first convolution's channel with the largest number; the image's first where there is no convolution."""
    number = next((number for number, step in enumerate(steps) if step.kind == "convolution"), 0)
    return number, int(steps[number].output.max((1, 2)).argmax())
