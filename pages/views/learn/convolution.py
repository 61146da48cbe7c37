"""The convolution view: the forward pass of one image through a trained model, layer by layer, with the computation of a chosen pixel.

The picture stands at the top, the choice of run and image and the explanation below it. Without a trained run, the picture shows a digit and
kernels with known effects.
"""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.decoder import DecodedImage
from cnn_core.errors import ImageError
from cnn_core.inference.confidence import model_key
from cnn_core.runs.run import Run
from pages.charts.components.convolution import TracedModel, show_steps
from pages.shared.data_set_image import choose_data_set_image
from pages.shared.image_input import choose_own_image
from pages.shared.links import term_link
from pages.shared.run_models import get_classifier
from pages.shared.run_selection import choose_trained_run
from pages.shared.server import get_store
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.explain.forward_trace import TraceStep
    from cnn_core.inference.classifier import Classifier

KEY, FROM_DATA_SET = "convolution", "Data set"
CACHED_TRACES = 2  # of all sessions; a trace takes 1 MB for SimpleCNN, 8 MB for ResNet-18 on 32×32 images, 400 MB on 224×224
CHOOSE_IMAGE = "Choose an image to see how the model processes it."
EXAMPLE = "convolution-example"
EXAMPLE_CAPTION = "A handwritten digit and three kernels: for edges above bright strokes (channel 0), for edges to their left (1), and for a blur (2)."
DIVERGED = "The weights of this model are not finite numbers, because its training diverged. Choose another run."
HOW = "How a convolution works"
INSTRUCTION = (
    "The picture shows all steps of this prediction. Choose a step and one of its channels, then move the pointer over its output. The window "
    "of the pixel is marked in the input, and its computation is shown."
)
EXPLANATION = f"""
A convolution moves a small window over its input. At every position it multiplies the values in the window by the values of a
{term_link("kernel", "kernel")} and adds up the products. It then adds a bias and writes the sum to the output. The output is large where the
input is similar to the kernel.

- A colour image has three {term_link("channel", "channels")}. Every output channel has one kernel for each input channel and adds up their results.
- The {term_link("stride", "stride")} is the number of pixels by which the window moves. With stride 2, the output has half the side length.
- {term_link("padding", "Padding")} is a border of zeros, so that the window fits at the edge of the image.
"""


def show_convolution() -> None:
    """Show the view."""
    picture = st.container()
    run = choose_trained_run("to inspect")
    if run is None:
        with picture:
            _show_example()
        _explain()
        return
    classifier = get_classifier(run)
    left, right = st.columns([2, 3], gap="medium")  # the four inputs fit in one row from 1280 px
    with left:
        image = choose_own_image(classifier.card, KEY, first={FROM_DATA_SET: lambda: choose_data_set_image(run)})
    with picture:
        pixels = _preprocess(image, classifier)
        if pixels is not None:
            _show_layers(run, classifier, pixels)
    with right:
        if pixels is not None:
            _show_prediction(classifier, pixels)
        _explain()


def _explain() -> None:
    st.header(HOW)
    st.markdown(EXPLANATION)


def _preprocess(image: DecodedImage | None, classifier: "Classifier") -> np.ndarray | None:
    """Return the pixels that the model receives, (S, S, C) uint8; show a message and return None if there are none."""
    from cnn_core.explain.single_image import has_finite_weights
    from cnn_core.inference.preprocessing import preprocess

    if not has_finite_weights(classifier.model):
        st.warning(DIVERGED, icon=":material/warning:")
    elif image is None:
        st.info(CHOOSE_IMAGE, icon=":material/gesture:")
    else:
        try:
            return preprocess(image, classifier.card)
        except ImageError as error:
            st.warning(plain(error), icon=":material/gesture:")
    return None


def _show_prediction(classifier: "Classifier", pixels: np.ndarray) -> None:
    prediction = classifier.rank(pixels, classifier.probabilities(pixels[None])[0])
    name, probability = prediction.ranked[0]
    st.markdown(f"{prediction_text(name)}, probability {probability:.1%}. {INSTRUCTION}")


def prediction_text(name: str) -> str:
    """Return the predicted class as Markdown."""
    return f"Prediction: **{plain(name)}**"


@st.fragment
def _show_layers(run: Run, classifier: "Classifier", pixels: np.ndarray) -> None:
    """Show the steps. The selected step and channel stay selected when the image changes."""
    card, network = classifier.card, model_key(get_store().home.run_folder(run.id))
    steps = _trace(network, pixels, classifier)
    key = f"{KEY}-{run.id}"
    step, channel = st.session_state.setdefault(key, _first_convolution(steps))
    if step >= len(steps) or channel >= len(steps[step].output):  # the run was trained again in the meantime
        step, channel = _first_convolution(steps)

    def choose(step: int, channel: int) -> None:
        st.session_state[key] = (step, channel)

    name = f"{network}-{hash(pixels.tobytes())}"
    show_steps(f"{key}-steps", TracedModel(name, steps, pixels, card.mean, card.std, card.classes), (step, channel), choose)


@st.fragment
def _show_example() -> None:
    """Show the steps of a digit through kernels with known effects."""
    traced = _trace_example()
    place = st.session_state.setdefault(EXAMPLE, (1, 0))

    def choose(step: int, channel: int) -> None:
        st.session_state[EXAMPLE] = (step, channel)

    show_steps(f"{EXAMPLE}-steps", traced, place, choose)
    st.caption(EXAMPLE_CAPTION)


@st.cache_resource(max_entries=1, show_spinner="Computing all layers…")
def _trace_example() -> TracedModel:
    from cnn_core.explain.example import trace_example

    pixels, steps = trace_example(get_store().home)
    return TracedModel(EXAMPLE, steps, pixels, mean=(0.0,), std=(1.0,), classes=())


@st.cache_resource(max_entries=CACHED_TRACES, show_spinner="Computing all layers…")
def _trace(network: str, pixels: np.ndarray, _classifier: "Classifier") -> "list[TraceStep]":
    """Return the steps of the model for one image; one list for all sessions."""
    from cnn_core.explain.forward_trace import trace_forward
    from cnn_core.explain.single_image import to_model_input

    return trace_forward(_classifier.model, to_model_input(pixels, _classifier.card))


def _first_convolution(steps: "list[TraceStep]") -> tuple[int, int]:
    """Return the first convolution and its channel with the largest value; the image itself if there is no convolution."""
    number = next((number for number, step in enumerate(steps) if step.kind == "convolution"), 0)
    return number, int(steps[number].output.max((1, 2)).argmax())
