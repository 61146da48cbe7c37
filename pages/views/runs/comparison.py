"""Chosen runs beside each other: their curves on one axis, the settings in which they differ, and what repeated seeds say."""

from collections.abc import Sequence
from itertools import combinations
from string import ascii_uppercase
from typing import Any

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.runs.comparison import Group, differences, group_by_settings, verdict
from cnn_core.runs.run import Run
from pages.charts.components.overlay import overlay
from pages.charts.parallel_coordinates import show_parallel
from pages.shared.stream import MOST_TOGETHER
from pages.shared.text import plain

MEASURES = ("validation accuracy", "validation loss", "training accuracy", "training loss", "step loss", "step accuracy")
AXES = ("epoch", "step", "minutes")


def compare(runs: Sequence[Run]) -> None:
    """Curves, differences and verdicts of at least two runs."""
    if len(runs) > MOST_TOGETHER:
        st.info(f"The curves of the first {MOST_TOGETHER} of {len(runs)} runs are drawn.", icon=":material/info:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        measure = st.segmented_control("Curve", MEASURES, default="validation accuracy", required=True)
        axis = st.segmented_control("Against", AXES, default="epoch", required=True)
        smoothing = st.slider("Smoothing (share of the curve before)", 0.0, 0.95, 0.0, 0.05, width=260)
    overlay(runs[:MOST_TOGETHER], measure, axis, smoothing)
    _show_differences(runs)
    show_parallel(runs)
    _show_groups(group_by_settings(runs))


def _show_differences(runs: Sequence[Run]) -> None:
    differing = differences(runs)
    st.subheader("What differs")
    if not differing:
        st.caption("These runs have the same settings.")
        return
    table = {"Setting": [TrainConfig.model_fields[name].title for name in differing]}
    for position, run in enumerate(runs):
        table[run.id] = [_in_short(values[position]) for values in differing.values()]
    st.table(table)


def _in_short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else plain(value)


def _show_groups(groups: Sequence[Group]) -> None:
    """Mean and deviation of repeated seeds, and for each two groups what may be said."""
    measured = [group for group in groups if group.accuracies]
    if not measured:
        return
    st.subheader("Repeated seeds")
    letters = [ascii_uppercase[number % 26] for number in range(len(measured))]
    st.table(
        {
            "Group": letters,
            "Runs": [plain(", ".join(run.name or run.id for run in group.runs)) for group in measured],
            "Test accuracy": [_spread(group) for group in measured],
        }
    )
    repeated = [(letter, group) for letter, group in zip(letters, measured, strict=True) if len(group.accuracies) > 1]
    if len(repeated) < 2:
        st.caption("Which settings are better cannot be said from single runs. Repeat at least two of them with other seeds.")
    for (one, first), (other, second) in list(combinations(repeated, 2))[:MOST_TOGETHER]:
        st.caption(verdict(first.accuracies, second.accuracies, (one, other)))


def _spread(group: Group) -> str:
    shown = f"{group.mean:.2%}"
    return f"{shown} ± {100 * group.deviation:.2f} points (n = {len(group.accuracies)})" if group.deviation is not None else shown
