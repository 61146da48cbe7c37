"""The predictions of one or several models for an image: model input, class, probability. Slower explanations are computed on request."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.decoder import DecodedImage
from cnn_core.errors import ImageError, StudioError
from cnn_core.inference.confidence import Calibration
from cnn_core.inference.verdict import UNLIKE, UNSURE
from cnn_core.runs.run import Run
from pages.charts.images import image_html
from pages.charts.predictions import choose_bars, compared_probability_bars, describe_bars, probability_bars
from pages.shared.chart import show_chart
from pages.shared.data_and_model import COLOUR, GREY
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.gallery.classification import ImageClassification, classify_own_image
from pages.views.gallery.nearest_images import show_nearest_images

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Prediction

UNLIKE_TEXT = "Unlike the training images"
UNLIKE_NOTE = "Do not rely on the probability. Distance from the training images: {distance:.2f}. At least 99% of the training and of the validation images are within 1."
MAX_RUNS = 4  # that are compared
WIDTH, NARROW = 128, 150  # CSS pixels: of the model input, and of one model among several
DIVERGED = "Run {} has diverged: its probabilities are not finite numbers. Choose another run."
NO_COMMON_CLASSES = "These runs have different classes, so each has its own chart."
PROBABILITY = "Probability {probability:.1%}"
BELOW_THRESHOLD = "Most probable: {name} with {probability:.1%}, below the threshold of {threshold:g}%"
CALIBRATED = "(calibrated, temperature {temperature:.2f})"
MODEL_INPUT = "Model input: {side}×{side} {colour}"
HEATMAP_ALT = "Grad-CAM for {name} over the model input"
PREDICTION = "Prediction"
AVERAGE_HELP = (
    "Test-time augmentation: averages the logits for the image and slightly shifted copies of it, and for their mirror images if the model was "
    "trained with horizontal flips. Usually slightly more accurate."
)
HEAT_HELP = (
    "Grad-CAM (Selvaraju and others, 2017) of the last convolution, drawn over the model input. Yellow: strongest support for the predicted class. "
    "Grey: no support."
)
NEAREST_HELP = "The training images whose features are most similar to those of your image. All training images are read the first time, which takes a while."


def show_prediction(run: Run, image: DecodedImage) -> str:
    """Show the prediction of the best model of `run`, and those of other chosen runs beside it. For a blank image, show a message.

    The settings stand below, so that the prediction is where one looks while drawing. Return the prediction in one line, "" without one.
    """
    place = st.container()
    is_averaged, has_heatmap, has_nearest = _choose_extras()
    others = _choose_others(run)
    with place:
        results = _classify([run, *others], image, is_averaged=is_averaged, has_heatmap=has_heatmap)
        _show_results(run, results)
    if has_nearest and results and results[0].run.id == run.id:
        show_nearest_images(results[0])
    return summarise(results[0].prediction) if results and results[0].run.id == run.id else ""


def summarise(prediction: "Prediction") -> str:
    """Return predicted class, probability and a verdict that is not "sure", as text."""
    name, probability = prediction.ranked[0]
    word = prediction.verdict.word
    return f"{name}, {probability:.1%}" + (f" ({word})" if word in (UNSURE, UNLIKE) else "")


def _show_results(run: Run, results: list[ImageClassification]) -> None:
    if len(results) == 1 and results[0].run.id == run.id:
        _show_one(results[0])
    elif results:
        _show_several(results)


def describe_probability(calibration: Calibration, prediction: "Prediction") -> str:
    """Return the text below the predicted class."""
    name, probability = prediction.ranked[0]
    text = PROBABILITY.format(probability=probability)
    if prediction.verdict.is_sure is False:
        text = BELOW_THRESHOLD.format(name=plain(name), probability=probability, threshold=100 * calibration.threshold)
    return f"{text} {describe_calibration(calibration)}".rstrip()


def describe_calibration(calibration: Calibration) -> str:
    """Return "(calibrated, temperature 1.30)", "" if the probabilities are not calibrated."""
    return CALIBRATED.format(temperature=calibration.temperature) if calibration.is_fitted else ""


def _choose_extras() -> tuple[bool, bool, bool]:
    """Return whether to average over views, to show Grad-CAM, and to show the nearest training images."""
    with st.container(horizontal=True):
        return (
            st.toggle("Average over views", key="answer-average", help=AVERAGE_HELP, persist_state="session"),
            st.toggle("Grad-CAM", key="answer-heat", help=HEAT_HELP, persist_state="session"),
            st.toggle("Nearest training images", key="answer-nearest", help=NEAREST_HELP, persist_state="session"),
        )


def _choose_others(run: Run) -> list[Run]:
    """Return other trained runs to compare with `run`, up to MAX_RUNS in all."""
    store, key = get_store(), f"answer-others-{run.id}"
    others = {other.id: other for other in store.runs() if other.id != run.id and store.has_model(other.id)}
    if not others:
        return []
    st.session_state[key] = [name for name in st.session_state.get(key, ()) if name in others]  # a run may have been deleted
    chosen = st.multiselect(
        "Compare with other runs",
        list(others),
        format_func=lambda name: others[name].name or name,
        key=key,
        max_selections=MAX_RUNS - 1,
        placeholder=f"Up to {MAX_RUNS - 1} more trained runs",
        help="All models classify the same image, preprocessed for each model.",
        persist_state="session",
    )
    return [others[name] for name in chosen]


def _classify(runs: list[Run], image: DecodedImage, *, is_averaged: bool, has_heatmap: bool) -> list[ImageClassification]:
    """Return the results of the runs. For a run that failed, show a message."""
    results = []
    for run in runs:
        try:
            result = classify_own_image(run, image, is_averaged=is_averaged, has_heatmap=has_heatmap)
        except ImageError as error:
            st.warning(plain(error), icon=":material/gesture:")
            continue
        except StudioError as error:
            st.error(plain(error), icon=":material/error:")
            continue
        if np.isfinite(result.prediction.ranked[0][1]):
            results.append(result)
        else:
            st.warning(DIVERGED.format(plain(run.id)), icon=":material/warning:")
    return results


def _show_one(result: ImageClassification) -> None:
    left, right = st.columns([1, 2])
    with left:
        _show_input(result)
    with right:
        _show_class(result, border=True)
    _show_bars(result)


def _show_several(results: list[ImageClassification]) -> None:
    """Show a card for every model, and their probabilities in one chart where they have the same classes."""
    with st.container(horizontal=True):
        for result in results:
            with st.container(border=True, width=NARROW + 34):
                st.markdown(f"**{plain(result.name)}**")
                _show_input(result)
                _show_class(result, border=False)
    names = [result.name for result in results]
    tables = {
        result.name if names.count(result.name) == 1 else f"{result.name} ({result.run.id})": dict(result.prediction.ranked)
        for result in results
    }
    if len({frozenset(table) for table in tables.values()}) == 1:
        chart = compared_probability_bars(tables, results[0].classes)
        show_chart(chart, alt="The most probable classes of each run, side by side")
        return
    st.caption(NO_COMMON_CLASSES)
    for result in results:
        st.markdown(f"**{plain(result.name)}**")
        _show_bars(result)


def _show_class(result: ImageClassification, *, border: bool) -> None:
    """Show the predicted class, its probability, and the note on test-time augmentation."""
    verdict = result.prediction.verdict
    name = UNSURE.capitalize() if verdict.is_sure is False else plain(result.prediction.ranked[0][0])
    st.metric(PREDICTION, name, border=border)
    if verdict.is_unlike:
        st.badge(UNLIKE_TEXT, color="orange")
        st.caption(UNLIKE_NOTE.format(distance=verdict.distance))
    st.caption(describe_probability(result.calibration, result.prediction))
    if result.views > 1:
        st.caption(result.views_note)


def _show_bars(result: ImageClassification) -> None:
    shown = choose_bars(result.prediction.ranked, result.classes)
    alt, is_faint = f"{result.name}. {describe_bars(shown)}", bool(result.prediction.verdict.is_unlike)
    st.plotly_chart(
        probability_bars(shown, is_faint=is_faint), config={"displayModeBar": False}, alt=alt, key=f"answer-bars-{result.run.id}"
    )


def _show_input(result: ImageClassification) -> None:
    """Show the model input, with the Grad-CAM heatmap over it where there is one."""
    pixels = result.prediction.pixels
    colour = GREY if pixels.shape[2] == 1 else COLOUR
    if result.heatmap is None:
        st.html(image_html(pixels, "Model input", width=WIDTH))
    else:
        name = plain(result.prediction.ranked[0][0])
        st.html(image_html(result.heatmap, HEATMAP_ALT.format(name=name), width=WIDTH))
    st.caption(MODEL_INPUT.format(side=len(pixels), colour=colour))
    if result.heatmap_note:
        st.caption(result.heatmap_note)
