"""What networks say of one picture: what each received, its answer, and how sure it is. What takes longer is computed when asked for."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.decoder import DecodedImage
from cnn_core.errors import ImageError, StudioError
from cnn_core.inference.confidence import Calibration
from cnn_core.runs.run import Run
from pages.charts.figures import probability_bars
from pages.charts.images import image_html
from pages.charts.predictions import compare_predictions_chart
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.gallery.classification import ClassificationRequest, classify_own_image
from pages.views.gallery.nearest_images import show_nearest

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Prediction

UNSURE = "I don’t know"
MOST = 4  # runs that are asked together
WIDTH, NARROW = 128, 150  # CSS pixels: of what the network received, and of one network among several
DIVERGED = "Run {} diverged: its probabilities are no numbers, so it has no answer. Choose another run."
AVERAGE_HELP = (
    "Test-time augmentation: the network looks at the picture several times, each time a little moved, and photographs also mirrored "
    "where it was trained with mirrored ones. The answer is that of the mean of its scores, which is a little more often right."
)
HEAT_HELP = (
    "Grad-CAM (Selvaraju and others, 2017) of the last convolution, over what the network received. Yellow: what speaks most for the "
    "class that it says. Grey: nothing there speaks for it."
)
NEAREST_HELP = (
    "The training images that this network reads most like your picture. Its training images are read once, which takes a while."
)


def show_answer(run: Run, picture: DecodedImage) -> None:
    """What the best model of `run`, and of others beside it, make of the picture; a sentence where there is nothing to recognise."""
    is_averaged, has_heat, has_nearest = _choose_extras()
    answers = _ask_all([run, *_choose_others(run)], picture, is_averaged=is_averaged, has_heat=has_heat)
    if len(answers) == 1 and answers[0].run.id == run.id:
        _show_one(answers[0])
    elif answers:
        _show_together(answers)
    if has_nearest and answers and answers[0].run.id == run.id:
        show_nearest(answers[0])


def how_sure(calibration: Calibration, prediction: "Prediction") -> str:
    """What stands below the answer."""
    name, probability = prediction.ranked[0]
    said = f"with a probability of {probability:.1%}"
    if not prediction.is_sure:
        said = f"{plain(name)} is the most probable, {said}: less than the {100 * calibration.threshold:g}% that an answer needs"
    return f"{said} {calibrated_in_words(calibration)}".rstrip()


def calibrated_in_words(calibration: Calibration) -> str:
    return f"(calibrated, temperature {calibration.temperature:.2f})" if calibration.is_fitted else ""


def _choose_extras() -> tuple[bool, bool, bool]:
    """Whether to average over views, to show where the network looked, and which training images are nearest."""
    with st.container(horizontal=True):
        return (
            st.toggle("Average over views", key="answer-average", help=AVERAGE_HELP, persist_state="session"),
            st.toggle("Where it looked", key="answer-heat", help=HEAT_HELP, persist_state="session"),
            st.toggle("Nearest training images", key="answer-nearest", help=NEAREST_HELP, persist_state="session"),
        )


def _choose_others(run: Run) -> list[Run]:
    """Trained runs that are asked too, up to MOST with `run`."""
    store, key = get_store(), f"answer-others-{run.id}"
    others = {other.id: other for other in store.runs() if other.id != run.id and store.has_model(other.id)}
    if not others:
        return []
    st.session_state[key] = [name for name in st.session_state.get(key, ()) if name in others]  # a run may have been deleted
    chosen = st.multiselect(
        "Ask other runs too",
        list(others),
        format_func=lambda name: others[name].name or name,
        key=key,
        max_selections=MOST - 1,
        placeholder=f"Up to {MOST - 1} more trained runs",
        help="The same picture, for each network made ready as that one needs it.",
        persist_state="session",
    )
    return [others[name] for name in chosen]


def _ask_all(runs: list[Run], picture: DecodedImage, *, is_averaged: bool, has_heat: bool) -> list[ClassificationRequest]:
    """The answers of those that have one; a sentence for each of the others."""
    answers = []
    for run in runs:
        try:
            answer = classify_own_image(run, picture.image, is_averaged=is_averaged, has_heat=has_heat)
        except ImageError as error:
            st.warning(plain(error), icon=":material/gesture:")
            continue
        except StudioError as error:
            st.error(plain(error), icon=":material/error:")
            continue
        if np.isfinite(answer.prediction.ranked[0][1]):
            answers.append(answer)
        else:
            st.warning(DIVERGED.format(plain(run.id)), icon=":material/warning:")
    return answers


def _show_one(answer: ClassificationRequest) -> None:
    seen, said = st.columns([1, 2])
    with seen:
        _show_received(answer)
    with said:
        st.metric("It says", _said(answer), border=True)
        st.caption(how_sure(answer.calibration, answer.prediction))
        _tell_views(answer)
    _show_bars(answer)


def _show_together(answers: list[ClassificationRequest]) -> None:
    """A card for every network, and their probabilities in one chart where they know the same classes."""
    with st.container(horizontal=True):
        for answer in answers:
            with st.container(border=True, width=NARROW + 34):
                st.markdown(f"**{plain(answer.name)}**")
                _show_received(answer)
                st.metric("It says", _said(answer))
                st.caption(how_sure(answer.calibration, answer.prediction))
                _tell_views(answer)
    names = [answer.name for answer in answers]
    tables = {
        answer.name if names.count(answer.name) == 1 else f"{answer.name} ({answer.run.id})": dict(answer.prediction.ranked)
        for answer in answers
    }
    if len({frozenset(table) for table in tables.values()}) == 1:
        chart = compare_predictions_chart(tables)
        st.plotly_chart(chart, config={"displayModeBar": False}, alt="The most probable classes of each run, side by side")
        return
    st.caption("These runs do not know the same classes, so each has a chart of its own.")
    for answer in answers:
        st.markdown(f"**{plain(answer.name)}**")
        _show_bars(answer)


def _said(answer: ClassificationRequest) -> str:
    """The answer for a figure's place, which Streamlit reads as Markdown."""
    return plain(answer.prediction.ranked[0][0]) if answer.prediction.is_sure else UNSURE


def _show_bars(answer: ClassificationRequest) -> None:
    bars = probability_bars(answer.prediction.ranked)
    alt = f"Classes ranked by probability, {answer.name}"
    st.plotly_chart(bars, config={"displayModeBar": False}, alt=alt, key=f"answer-bars-{answer.run.id}")


def _show_received(answer: ClassificationRequest) -> None:
    """What the network received, with the heat over it where that was asked for."""
    pixels = answer.prediction.pixels
    size, colour = len(pixels), "grey" if pixels.shape[2] == 1 else "colour"
    said = plain(answer.prediction.ranked[0][0])
    if answer.heat is None:
        st.html(image_html(pixels, "What the network received", width=WIDTH))
    else:
        st.html(image_html(answer.heat, f"Heat over what the network received: what speaks for {said}", width=WIDTH))
    st.caption(f"What the network received: {size}×{size} {colour}")
    if answer.heat_note:
        st.caption(answer.heat_note)


def _tell_views(answer: ClassificationRequest) -> None:
    if answer.views > 1:
        st.caption(answer.views_note)
