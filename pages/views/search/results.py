"""What a search has found so far: the best trial, the charts over all of them, and the table.

What changes only when a trial ends is drawn from ended trials alone: a chart that is given the same again stays as it is.
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.config.setting import value_in_words
from cnn_core.search.plan import Plan
from cnn_core.search.space import Range
from cnn_core.search.studies import Search
from cnn_core.search.trials import FEWEST, Trial, best_of
from pages.charts.parallel_coordinates import LEAST, draw_parallel
from pages.charts.search import best_so_far, importance_bars
from pages.shared.form_values import fill_form
from pages.shared.links import page_file
from pages.shared.searches import importance_of
from pages.shared.text import plain

SURE = 20  # trials, below which the shares still change with every one
WORDS = {"running": "training", "complete": "trained to its end", "pruned": "ended early", "failed": "failed"}
PLAIN = {"displayModeBar": False}


def show_best(search: Search, trials: Sequence[Trial]) -> None:
    """The course of the search beside its best trial; nothing before the first has ended."""
    if not any(trial.state != "running" for trial in trials):
        st.info(
            "The first trial has not ended yet. What was found is shown here from then on.", icon=":material/hourglass_empty:"
        )
        return
    left, right = st.columns([3, 2])
    with left:
        st.subheader("Best so far")
        best = best_of(trials)
        said = f"the best is {best.value:.2%}" if best else "none has an accuracy"
        st.plotly_chart(best_so_far(trials), config=PLAIN, key="search-course", alt=f"Validation accuracy of every trial; {said}")
    with right:
        st.subheader("Best trial")
        if best:
            st.metric("Validation accuracy", f"{best.value:.2%}", help="Of the best epoch, on images that it did not learn from.")
            show_trial(search.plan, best, "best")
        else:
            st.warning(
                "Every trial has failed so far. The table below says why; open one of their runs for more.",
                icon=":material/error:",
            )


def show_trial(plan: Plan, trial: Trial, key: str) -> None:
    """A trial's settings, and the ways on from it."""
    st.table({"Setting": [_title(name) for name in trial.settings], "Value": [in_short(v) for v in trial.settings.values()]})
    if trial.error:
        st.error(plain(trial.error), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if trial.run:
            st.page_link(page_file("train"), label="Open run", icon=":material/show_chart:", query_params={"run": trial.run})
        if st.button(
            "Use these settings",
            icon=":material/tune:",
            key=f"use-{key}",
            help="Opens the form with them, and with what all trials share. Nothing is started.",
        ):
            fill_form(plan.config(trial.settings))
            st.switch_page(page_file("configure"))


def show_relations(search: Search, trials: Sequence[Trial]) -> None:
    """How the settings go together with the accuracy, as parallel coordinates."""
    ended, names = _measured(trials), [part.name for part in search.plan.space]
    if len(ended) < LEAST:
        return
    st.subheader("Settings and accuracy")
    columns = {name: [trial.settings.get(name) for trial in ended] for name in names}
    logs = [part.name for part in search.plan.space if isinstance(part, Range) and part.log]
    draw_parallel(columns, [trial.value for trial in ended], "trial", logs=logs)


def show_importance(search: Search, trials: Sequence[Trial]) -> None:
    """Which of the settings matters; nothing where one alone is searched, or no trial has ended."""
    ended = len(_measured(trials))
    if len(search.plan.space) < 2 or not ended:
        return
    st.subheader(
        "Which setting matters",
        help="fANOVA (Hutter, Hoos and Leyton-Brown, 2014): a forest of trees learns the accuracy from the settings, and its variance is shared out among them.",
    )
    if ended < FEWEST:
        st.caption(f"This can be said from {FEWEST} trials on; {ended} {'has' if ended == 1 else 'have'} ended.")
        return
    with st.spinner("Growing the trees…"):
        shares = importance_of(search, ended)
    if not shares:
        st.caption("All trials reached the same accuracy, so nothing can be said.")
    else:
        alt = ", ".join(f"{_title(name)} {share:.0%}" for name, share in shares.items())
        st.plotly_chart(importance_bars(shares), config=PLAIN, key="search-importance", alt=f"Share of the differences: {alt}")
        left_out = [_title(part.name) for part in search.plan.space if part.name not in shares]
        some = f" Left out, because only some trials have it: {', '.join(left_out)}." if left_out else ""
        few = f" From {ended} trials it is a rough hint that still changes with every one." if ended < SURE else ""
        st.caption(
            "How much of the differences in accuracy each setting explains within the range that was searched."
            f" It does not say which value is good, and a setting with a narrow range looks unimportant.{few}{some}"
        )


def _measured(trials: Sequence[Trial]) -> list[Trial]:
    """Those that have ended with an accuracy."""
    return [trial for trial in trials if trial.state in ("complete", "pruned") and trial.value is not None]


def show_table(search: Search, trials: Sequence[Trial]) -> None:
    """Every trial as a row; the ticked one is shown below, with the ways on from it."""
    st.subheader("Trials")
    names = [part.name for part in search.plan.space]
    event = st.dataframe(
        {
            "Trial": list(range(1, len(trials) + 1)),
            "State": [WORDS[trial.state] for trial in trials],
            "Validation": [None if trial.value is None else 100 * trial.value for trial in trials],
            **{_title(name): [_cell(trial.settings.get(name)) for trial in trials] for name in names},
            "Seconds": [trial.seconds for trial in trials],
            "Run": [trial.run for trial in trials],
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "Validation": st.column_config.NumberColumn(
                format="%.2f %%", help="Accuracy of the best epoch on validation images; while it trains, so far."
            ),
            "Seconds": st.column_config.NumberColumn(format="%.1f", help="In training alone."),
        },
        placeholder="–",
        key=f"trials-{search.token}",
        alt="All trials with their settings and accuracies",
    )
    rows = [row for row in event.selection.rows if row < len(trials)]
    if not rows:
        st.caption("Tick a trial to open its run or to use its settings.")
    for row in rows:
        st.markdown(f"**Trial {row + 1}**")
        show_trial(search.plan, trials[row], f"row-{trials[row].number}")


def in_short(value: Any) -> str:
    """A setting's value in a table: six digits, "on" and "off"."""
    return f"{value:.6g}" if isinstance(value, float) else plain(value_in_words(value))


def _cell(value: Any) -> Any:
    """Numbers stay numbers, so that the table can be sorted by them; "–" where the setting has no effect."""
    return in_short(value) if isinstance(value, (bool, str)) else value


def _title(name: str) -> str:
    return TrainConfig.model_fields[name].title
