"""Comparison of the selected runs: curves on one axis, differing settings, parallel coordinates and repeated seeds."""

from collections.abc import Sequence
from itertools import combinations
from string import ascii_uppercase

import streamlit as st

from cnn_core.config.schema import title, value_text
from cnn_core.runs.comparison import SeedGroup, compare_accuracies, differing_settings, group_by_settings
from cnn_core.runs.run import Run
from cnn_core.text import format_percent
from pages.charts.components.overlay import overlay
from pages.charts.parallel_coordinates import show_runs_in_parallel
from pages.shared.stream import MOST_TOGETHER
from pages.shared.text import plain

MEASURES = ("validation accuracy", "validation loss", "training accuracy", "training loss", "step loss", "step accuracy")
AXES = ("epoch", "step", "minutes")
SMOOTHING_HELP = "Weight of the previous values in an exponential moving average. Increase it for noisy curves."
SAME_SETTINGS = "These runs have the same settings."
SINGLE_RUNS = "Single runs do not show which settings are better. Repeat at least two of them with different seeds."


def show_comparison(runs: Sequence[Run]) -> None:
    """Show the comparison of at least two runs."""
    if len(runs) > MOST_TOGETHER:
        st.info(
            f"The chart shows the first {MOST_TOGETHER} of {len(runs)} runs. Tick fewer runs to see the curves of others.",
            icon=":material/info:",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        measure = st.segmented_control("Curve", MEASURES, default="validation accuracy", required=True)
        axis = st.segmented_control("Axis", AXES, default="epoch", required=True)
        smoothing = st.slider("Smoothing", 0.0, 0.95, 0.0, 0.05, width=260, help=SMOOTHING_HELP)
    overlay(runs[:MOST_TOGETHER], measure, axis, smoothing)
    _show_differences(runs)
    show_runs_in_parallel(runs)
    _show_groups(group_by_settings(runs))


def _show_differences(runs: Sequence[Run]) -> None:
    differing = differing_settings(runs)
    st.header("Differing settings")
    if not differing:
        st.caption(SAME_SETTINGS)
        return
    table = {"Setting": [title(name) for name in differing]}
    for position, run in enumerate(runs):
        table[run.id] = [plain(value_text(name, values[position])) for name, values in differing.items()]
    st.table(table)


def _show_groups(groups: Sequence[SeedGroup]) -> None:
    """Show mean and standard deviation of repeated seeds, and a test for each two groups."""
    measured = [group for group in groups if group.accuracies]
    if not measured:
        return
    st.header("Repeated seeds")
    letters = [ascii_uppercase[number % 26] for number in range(len(measured))]
    st.table(
        {
            "Group": letters,
            "Runs": [plain(", ".join(run.name or run.id for run in group.runs)) for group in measured],
            "Validation accuracy": [_spread(group) for group in measured],
        }
    )
    repeated = [(letter, group) for letter, group in zip(letters, measured, strict=True) if len(group.accuracies) > 1]
    if len(repeated) < 2:
        st.caption(SINGLE_RUNS)
    for (one, first), (other, second) in list(combinations(repeated, 2))[:MOST_TOGETHER]:
        st.caption(compare_accuracies(first.accuracies, second.accuracies, (one, other)))


def _spread(group: SeedGroup) -> str:
    shown = format_percent(group.mean, 2)
    return f"{shown} ± {100 * group.std:.2f} points (n = {len(group.accuracies)})" if group.std is not None else shown
