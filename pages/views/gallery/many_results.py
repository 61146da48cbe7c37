"""What came of many pictures: counts, which classes they were taken for, the least sure and the first ones, and the table."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from cnn_core.inference.confidence import Calibration
from pages.charts.images import GRID_STYLE, data_url
from pages.shared.text import plain, size_in_words

if TYPE_CHECKING:
    from cnn_core.inference.predictions import ImagePrediction, Tally

PAGE = 24
BARS = 20
FOLDERS_HELP = (
    "Only of the pictures in a folder that is named like one of the network’s classes (the nearest such folder above the picture), which is taken for "
    "their true class. “I don’t know” counts as the class that it would have said."
)


def show_results(title: str, tally: "Tally", calibration: Calibration, table: Path) -> None:
    """All of it, with the CSV file `table` to download."""
    st.subheader(f"Answers for {plain(title)}", anchor=False)
    _show_counts(tally, calibration)
    st.download_button(
        f"Download the table ({size_in_words(table.stat().st_size)})",
        table.read_bytes,
        file_name="answers.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="A CSV file with a row for every file: what it was taken for, the probabilities, whether the network is sure, and why it has no answer.",
    )
    if tally.problems:
        _show_problems(tally)
    if tally.answered:
        st.markdown("**Taken for**")
        st.plotly_chart(
            predicted_bars(tally.classes, tally.predicted),
            config={"displayModeBar": False},
            alt="Pictures by the class that they were taken for",
        )
        _show_pictures(title, tally)


def _show_counts(tally: "Tally", calibration: Calibration) -> None:
    with st.container(horizontal=True):
        st.metric("Pictures answered", f"{tally.answered:,}", border=True)
        if calibration.threshold:
            least = f"Answers with a probability below {100 * calibration.threshold:g}%, the threshold of this run (see Evaluate, Trust)."
            st.metric("“I don’t know”", f"{tally.unsure:,}", border=True, help=least)
        st.metric("Files without an answer", f"{tally.unread:,}", border=True)
        if tally.accuracy is not None:
            told = f"Accuracy on {tally.in_folders:,} in class folders"
            st.metric(told, f"{tally.accuracy:.1%}", border=True, help=FOLDERS_HELP)


def _show_problems(tally: "Tally") -> None:
    with st.expander(f"Files without an answer ({tally.unread:,})", icon=":material/report:"):
        if tally.unread > len(tally.problems):
            st.caption(f"The first {len(tally.problems):,}; the table has all of them.")
        st.dataframe(
            {"File": [one.file for one in tally.problems], "Why": [one.problem for one in tally.problems]},
            hide_index=True,
        )


def predicted_bars(classes: Sequence[str], counts: np.ndarray) -> go.Figure:
    """How many pictures were taken for each class, counts (classes,): the BARS most frequent ones, in order."""
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
            hovertemplate="%{y}: %{x:,} pictures<extra></extra>",
        )
    )
    figure.update_layout(margin={"l": 10, "r": 80, "t": 10, "b": 10}, height=60 + 28 * len(shown), bargap=0.25)
    figure.update_xaxes(title="pictures", tickformat=",", rangemode="tozero")
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure


@st.fragment
def _show_pictures(title: str, tally: "Tally") -> None:
    """The pictures that are remembered, as the network received them, page by page."""
    orders = {"Least sure": tally.least_sure, "First": tally.first}
    order = st.segmented_control("Pictures", list(orders), default="Least sure", required=True, key="many-order")
    answers = orders[order]
    st.caption(f"{order} {len(answers):,} of {tally.answered:,}, as the network received them.")
    pages = -(-len(answers) // PAGE)
    page = st.pagination(pages, key=f"many-page-{title}-{order}") if pages > 1 else 1
    cards = (_card(one, tally.classes) for one in answers[(page - 1) * PAGE : page * PAGE])
    st.html(GRID_STYLE + f'<div class="shots">{"".join(cards)}</div>')


def _card(one: "ImagePrediction", classes: Sequence[str]) -> str:
    said, file = html.escape(classes[one.predicted]), html.escape(one.file)
    unsure = "I don’t know<br>" if one.is_sure is False else ""
    caption = f"{unsure}<b>{said}</b> {one.probability:.0%}<br><small>{file}</small>"
    return f'<figure><img src="{data_url(one.pixels)}" alt="{file}: taken for {said}"><figcaption>{caption}</figcaption></figure>'
