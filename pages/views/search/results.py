"""Results of a search so far: the best trial, charts over all trials, and the table.

Charts that change only when a trial ends are drawn from ended trials alone, so that the browser does not redraw them.
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnn_core.config.schema import title, value_text
from cnn_core.search.plan import SearchPlan
from cnn_core.search.search_store import Search
from cnn_core.search.space import Range
from cnn_core.search.trials import MIN_TRIALS, Trial, best_trial
from cnn_core.text import counted
from pages.charts.parallel_coordinates import MIN_RUNS, show_parallel_coordinates
from pages.charts.search import best_so_far, importance_bars
from pages.shared.form_values import fill_form
from pages.shared.links import page_file
from pages.shared.searches import importance_for
from pages.shared.text import SELECT_BY_KEYBOARD, plain

RELIABLE_TRIALS = 20  # with fewer trials, each new one changes the importance much
STATES = {"running": "training", "complete": "completed", "pruned": "stopped early", "failed": "failed"}
BEST = "the best is {accuracy:.2%}"
TRIAL = "**Trial {number}**"
IMPORTANCE = "Hyperparameter importance"
NO_RESULTS = "The first trial has not ended yet. Results are shown here afterwards."
PLAIN = {"displayModeBar": False}


def show_best(search: Search, trials: Sequence[Trial]) -> None:
    """Show the progress of the search and its best trial; a note before the first trial has ended."""
    if not any(trial.state != "running" for trial in trials):
        st.info(NO_RESULTS, icon=":material/hourglass_empty:")
        return
    left, right = st.columns([3, 2])
    with left:
        st.subheader("Progress")
        best = best_trial(trials)
        summary = BEST.format(accuracy=best.value) if best else "every trial has failed"
        st.plotly_chart(
            best_so_far(trials, search.plan.total_trials),
            config=PLAIN,
            key="search-course",
            alt=f"Validation accuracy of every trial; {summary}",
        )
    with right:
        st.subheader("Best trial")
        if best:
            st.metric(
                "Validation accuracy",
                f"{best.value:.2%}",
                help="After the best epoch, on images that the model is not trained on.",
            )
            show_trial(search.plan, best, "best", is_primary=search.status != "searching")
        else:
            st.warning(
                "Every trial has failed so far. Tick a trial in the table below to see its error.",
                icon=":material/error:",
            )


def show_trial(plan: SearchPlan, trial: Trial, key: str, *, is_primary: bool = False) -> None:
    """Show a trial's settings, and buttons to open its run or use its settings."""
    st.table(
        {
            "Setting": [title(name) for name in trial.settings],
            "Value": [plain(value_text(*item)) for item in trial.settings.items()],
        }
    )
    if trial.error:
        st.error(plain(trial.error), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if trial.run:
            st.page_link(page_file("train"), label="Open run", icon=":material/show_chart:", query_params={"run": trial.run})
        if st.button(
            "Use these settings",
            icon=":material/tune:",
            key=f"use-{key}",
            type="primary" if is_primary else "secondary",
            help="Opens the Configure page with these and the shared settings. Nothing is started.",
        ):
            fill_form(plan.trial_config(trial.settings))
            st.switch_page(page_file("configure"))


def show_parallel_chart(search: Search, trials: Sequence[Trial]) -> None:
    """Show settings and accuracy as parallel coordinates."""
    ended, names = _measured(trials), [dimension.name for dimension in search.plan.space]
    if len(ended) < MIN_RUNS:
        return
    st.subheader("Settings and accuracy")
    columns = {name: [trial.settings.get(name) for trial in ended] for name in names}
    logs = [dimension.name for dimension in search.plan.space if isinstance(dimension, Range) and dimension.log]
    show_parallel_coordinates(columns, [trial.value for trial in ended if trial.value is not None], "trial", logs=logs)


def show_importance(search: Search, trials: Sequence[Trial]) -> None:
    """Show the importance of the settings; nothing where only one is varied or no trial has ended."""
    ended = len(_measured(trials))
    if len(search.plan.space) < 2 or not ended:
        return
    st.subheader(
        IMPORTANCE,
        help="fANOVA (Hutter, Hoos and Leyton-Brown, 2014): a random forest predicts the accuracy from the settings, and its variance is split among them.",
    )
    if ended < MIN_TRIALS:
        st.caption(f"Available after {counted(MIN_TRIALS, 'trial')}. Ended so far: {ended}.")
        return
    with st.spinner("Computing importance…"):
        importance = importance_for(search, ended)
    if not importance:
        st.caption("The importance is undefined, because all trials reached the same accuracy.")
    else:
        alt = ", ".join(f"{title(name)} {value:.0%}" for name, value in importance.items())
        st.plotly_chart(
            importance_bars(importance), config=PLAIN, key="search-importance", alt=f"Hyperparameter importance: {alt}"
        )
        left_out = [title(dimension.name) for dimension in search.plan.space if dimension.name not in importance]
        some = f" Settings that only some trials have are not included: {', '.join(left_out)}." if left_out else ""
        few = f" With only {ended} trials this is a rough estimate." if ended < RELIABLE_TRIALS else ""
        st.caption(
            "The fraction of the variance in accuracy that each setting explains within its range."
            f" It does not show which value is good, and the importance of a setting with a narrow range is low.{few}{some}"
        )


def _measured(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that have ended with an accuracy."""
    return [trial for trial in trials if trial.state in ("complete", "pruned") and trial.value is not None]


def show_table(search: Search, trials: Sequence[Trial]) -> None:
    """Show every trial as a row, and the ticked one below with its buttons."""
    st.subheader("Trials")
    names = [dimension.name for dimension in search.plan.space]
    event = st.dataframe(
        {
            "Trial": list(range(1, len(trials) + 1)),
            "Status": [STATES[trial.state] for trial in trials],
            "Validation": [None if trial.value is None else 100 * trial.value for trial in trials],
            **{title(name): [_cell(name, trial.settings.get(name)) for trial in trials] for name in names},
            "Seconds": [trial.seconds for trial in trials],
            "Run": [trial.run for trial in trials],
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "Validation": st.column_config.NumberColumn(
                format="%.2f%%", help="Accuracy on the validation images after the best epoch so far."
            ),
            **{title(name): st.column_config.NumberColumn(format="%g") for name in names if _has_numbers(name, trials)},
            "Seconds": st.column_config.NumberColumn(format="%.1f", help="Training time in seconds, without validation."),
        },
        placeholder="–",
        key=f"trials-{search.token}",
        alt="All trials with their settings and accuracies",
    )
    rows = [row for row in event.selection.rows if row < len(trials)]
    if not rows:
        st.caption(f"Tick a trial to open its run or to use its settings. {SELECT_BY_KEYBOARD}")
    for row in rows:
        st.markdown(TRIAL.format(number=row + 1))
        show_trial(search.plan, trials[row], f"row-{trials[row].number}")


def _has_numbers(name: str, trials: Sequence[Trial]) -> bool:
    values = [trial.settings.get(name) for trial in trials]
    return all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values)


def _cell(name: str, value: Any) -> Any:
    """Return a value of setting `name` as a table cell: numbers stay numbers, for sorting; None is shown as "–"."""
    return plain(value_text(name, value)) if isinstance(value, (bool, str)) else value
