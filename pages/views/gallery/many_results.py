"""The results for many images: counts, predicted classes, the images with the lowest probability and the first ones, and a table."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from cnn_core.inference.confidence import Calibration
from cnn_core.inference.verdict import UNLIKE, UNSURE
from cnn_core.text import format_bytes, format_count
from pages.charts.images import GRID_STYLE, image_tag
from pages.shared.chart import show_chart
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.inference.predictions import ImagePrediction, PredictionSummary

PAGE = 24
BARS = 20
FOLDERS_HELP = (
    "For images in a folder that has the name of a class: this class is taken as the true class (that of the nearest such folder). “Not sure” "
    "counts as the most probable class."
)
CLASSIFIED, FAILED = "Classified images", "Files without a prediction"
UNSURE_LABEL, UNLIKE_LABEL = UNSURE.capitalize(), UNLIKE.capitalize()
UNLIKE_HELP = "Images that are farther from the training images than 99% of the training and of the validation images. Do not rely on their predictions."
ORDER_LABEL, LOWEST, FIRST = "Images", "Lowest probability", "First files"


def show_results(title: str, summary: "PredictionSummary", calibration: Calibration, table: Path) -> None:
    """Show the results and offer the CSV file `table`."""
    st.subheader(f"Predictions for {plain(title)}", anchor=False)
    _show_counts(summary, calibration)
    st.download_button(
        f"Download table ({format_bytes(table.stat().st_size)})",
        table.read_bytes,
        file_name="predictions.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="A CSV file with a row for every file: predicted class, probabilities, the verdict, and the reason if there is no prediction.",
    )
    if summary.problems:
        _show_problems(summary)
    if summary.answered:
        st.markdown("**Predicted classes**")
        show_chart(predicted_bars(summary.classes, summary.predicted), alt="Number of images by predicted class")
        _show_images(title, summary)


def _show_counts(summary: "PredictionSummary", calibration: Calibration) -> None:
    with st.container(horizontal=True):
        st.metric(CLASSIFIED, f"{summary.answered:,}", border=True)
        if calibration.threshold:
            about = f"Predictions with a probability below {100 * calibration.threshold:g}%, the threshold of this run. It is set on the Evaluate page under Calibration."
            st.metric(UNSURE_LABEL, format_count(summary.unsure), border=True, help=about)
        if summary.unlike is not None:
            st.metric(UNLIKE_LABEL, format_count(summary.unlike), border=True, help=UNLIKE_HELP)
        st.metric(FAILED, f"{summary.unread:,}", border=True)
        if summary.accuracy is not None:
            st.metric(f"Accuracy ({summary.in_folders:,} images)", f"{summary.accuracy:.1%}", border=True, help=FOLDERS_HELP)


def _show_problems(summary: "PredictionSummary") -> None:
    with st.expander(f"{FAILED} ({summary.unread:,})", icon=":material/report:"):
        if summary.unread > len(summary.problems):
            st.caption(f"The first {len(summary.problems):,}. The table lists all of them.")
        st.dataframe(
            {"File": [one.file for one in summary.problems], "Reason": [one.problem for one in summary.problems]},
            hide_index=True,
        )


def predicted_bars(classes: Sequence[str], counts: np.ndarray) -> go.Figure:
    """Return bars of the number of images by predicted class, counts (classes,): the BARS most frequent classes in order."""
    order = np.argsort(-counts, kind="stable")[:BARS]
    shown = [label for label in order if counts[label] or len(classes) <= BARS]
    total = counts.sum()
    figure = go.Figure(
        go.Bar(
            x=counts[shown],
            y=[html.escape(classes[label]) for label in shown],
            orientation="h",
            text=[f"{counts[label]:,} ({counts[label] / total:.1%})" for label in shown],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:,} images<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 10, "r": 80, "t": 10, "b": 10}, height=60 + 28 * len(shown), bargap=0.25)
    figure.update_xaxes(title="images", tickformat=",", rangemode="tozero")
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure


@st.fragment
def _show_images(title: str, summary: "PredictionSummary") -> None:
    """Show the images of the summary as the model received them, page by page."""
    orders = {LOWEST: summary.least_sure, FIRST: summary.first}
    order = st.segmented_control(ORDER_LABEL, list(orders), default=LOWEST, required=True, key="many-order") or LOWEST
    predictions = orders[order]
    st.caption(f"{order}: {len(predictions):,} of {summary.answered:,} images, as the model received them.")
    pages = -(-len(predictions) // PAGE)
    page = st.pagination(pages, key=f"many-page-{title}-{order}") if pages > 1 else 1
    cards = (_card(one, summary.classes) for one in predictions[(page - 1) * PAGE : page * PAGE])
    st.html(GRID_STYLE + f'<div class="shots">{"".join(cards)}</div>')


def _card(one: "ImagePrediction", classes: Sequence[str]) -> str:
    label, file = html.escape(classes[one.predicted]), html.escape(one.file)
    verdict = f"{one.verdict.word.capitalize()}<br>" if one.verdict.word in (UNSURE, UNLIKE) else ""
    caption = f"{verdict}<b>{label}</b> {one.probability:.0%}<br><small>{file}</small>"
    image = image_tag(one.pixels, f"{one.file}: predicted {classes[one.predicted]}")
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
