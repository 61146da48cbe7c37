"""An attempt at an exercise: the curves of its runs, their status, and the result."""

import streamlit as st

from cnn_core.config.settings_link import settings_query
from cnn_core.lessons.attempts import (
    AttemptRuns,
    measure_during_training,
    measure_effect,
    read_runs,
    run_label,
    stop_attempt,
    validation_count,
)
from cnn_core.lessons.effect import describe_effect, describe_resolution, describe_verdict
from cnn_core.lessons.epoch_effects import describe_agreement
from cnn_core.lessons.exercises import VARIANTS, Exercise
from cnn_core.runs.run import Run
from cnn_core.text import counted, format_duration
from pages.charts.components.announcer import announce
from pages.charts.components.overlay import overlay_groups
from pages.shared.links import page_file
from pages.shared.run_origin import LESSONS
from pages.shared.run_selection import STATUS
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.learn.prediction import show_prediction, show_verdict

ON_DEVICE = ("running", "paused")  # statuses of a run that occupies the device
REFRESH_SECONDS = 2  # of the status; the curves are updated by the event stream
ONE_RUN = "{run}\u00a0{icon}\u00a0{status}"  # no line ends within it
TIME_LEFT = "About {duration} left."
STOP_HELP = "Stops the active runs. The results of finished pairs stay."
STOPPING = "The runs stop after the current step. The results of finished pairs stay."
RESULT, PRELIMINARY_RESULT = "**Result.**", "**Preliminary result.**"
DURING, SO_FAR = "**During training.**", "**So far.**"
NO_PAIR_FINISHED = "The runs ended before a pair was finished."
REPEAT = "Start a new attempt below."
RUNS = "Runs of this attempt"
OPEN_B = "Open B in Configure"
AVERAGED = "All values of the result are means over the last quarter of a run's epochs."
BANDS = "Lines are means over the runs; bands reach from the lowest to the highest run."
SHARED = "{runs} of this attempt answer the same question as those of another person: the settings, the data and the seed are the same, and so is the result. They are trained once for both."


def show_attempt(exercise: Exercise, attempt_runs: AttemptRuns) -> None:
    """Show the prediction, the status of the runs, the result so far, and the curves of A and B."""
    show_prediction(exercise, attempt_runs.attempt.prediction)
    announce(f"exercise-{exercise.name}", "" if attempt_runs.is_active else _describe_outcome(exercise, attempt_runs))
    with st.container(key="attempt"):  # a fragment in a container of its own, because its height changes
        st.fragment(_show_status, run_every=REFRESH_SECONDS if attempt_runs.is_active else None)(exercise, attempt_runs)
    groups = {
        f"{variant}, {exercise.variant_name(variant)}": [run for run in attempt_runs.runs if run_label(run).startswith(variant)]
        for variant in VARIANTS
    }
    overlay_groups(groups, exercise.metric.curves)
    if len(attempt_runs.runs) > len(VARIANTS):
        st.caption(BANDS)
    if not attempt_runs.is_active:
        _show_links(exercise, attempt_runs)


def _show_status(exercise: Exercise, shown: AttemptRuns) -> None:
    current = read_runs(get_store(), shown.attempt)
    if shown.is_active and not current.is_active:
        st.rerun()  # the whole page, which no longer refreshes this fragment
    if current.is_active:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_status_text(current))
            if any(get_store().requests.should_stop(run.id) for run in current.runs if run.is_active):
                st.caption(STOPPING)
            else:
                args = (get_store(), current.attempt)
                st.button("Stop", icon=":material/stop:", key="stop-attempt", help=STOP_HELP, on_click=stop_attempt, args=args)
    if others := [run for run in current.shared if run.owner != current.attempt.owner]:
        st.caption(SHARED.format(runs=counted(len(others), "run")))
    _show_result(exercise, current)


def _status_text(current: AttemptRuns) -> str:
    """Return the status of every run, and the time left or the number of other runs ahead in the queue."""
    statuses = " · ".join(
        ONE_RUN.format(run=run_label(run), icon=STATUS[run.status][0], status=STATUS[run.status][2]) for run in current.runs
    )
    left = "" if current.seconds_left is None else TIME_LEFT.format(duration=format_duration(current.seconds_left))
    return f"{statuses}. {left or runs_ahead(_count_runs_ahead(current))}".rstrip()


def _count_runs_ahead(current: AttemptRuns) -> int:
    """Return how many other runs are ahead of the first waiting run; 0 if a run of the attempt is training."""
    if any(run.status in ON_DEVICE for run in current.runs):
        return 0
    store, own = get_store(), {run.id for run in current.runs}
    waiting_ahead = next((position for position, run in enumerate(store.queue.waiting()) if run in own), 0)
    return waiting_ahead + sum(run.status in ON_DEVICE for run in store.runs())


def runs_ahead(count: int) -> str:
    """Return a sentence with the number of runs ahead in the queue, "" for 0."""
    if not count:
        return ""
    return f"{counted(count, 'other run is', 'other runs are')} ahead in the queue."


def _show_result(exercise: Exercise, current: AttemptRuns) -> None:
    """Show whether the curves agree with the prediction, and the effect over the finished pairs; a warning if all ended without one."""
    store, prediction = get_store(), current.attempt.prediction
    agreement = describe_agreement(measure_during_training(store, current, exercise.metric), prediction)
    effect = measure_effect(store, current, exercise.metric)
    if effect is None and not current.is_active:
        reasons = " ".join(sorted({run.error for run in current.runs if run.error}))
        st.warning(f"{NO_PAIR_FINISHED} {plain(reasons)} {REPEAT}", icon=":material/warning:")
        return
    if effect is None and not agreement:
        return
    with st.container(border=True):
        if effect and not current.is_active:
            show_verdict(effect, prediction)
        if agreement:
            st.markdown(f"{SO_FAR if current.is_active else DURING} {agreement}")
        if effect:
            resolution = describe_resolution(effect, validation_count(store, current))
            st.markdown(f"{PRELIMINARY_RESULT if current.is_active else RESULT} {plain(describe_effect(effect))} {resolution}")
        if not current.is_active:
            _show_explanation(exercise, current)


def _describe_outcome(exercise: Exercise, ended: AttemptRuns) -> str:
    """Return what a screen reader says when the runs have ended."""
    effect = measure_effect(get_store(), ended, exercise.metric)
    return describe_verdict(effect, ended.attempt.prediction) if effect else NO_PAIR_FINISHED


def _show_explanation(exercise: Exercise, completed: AttemptRuns) -> None:
    """Show the effect on the other metrics, the explanation and its source."""
    for metric in exercise.other_metrics:
        if other := measure_effect(get_store(), completed, metric):
            st.markdown(f"Also: {plain(describe_effect(other))}")
    st.markdown(f"**Explanation.** {exercise.explanation}")
    st.caption(f"{AVERAGED} {exercise.source}.")


def _show_links(exercise: Exercise, attempt_runs: AttemptRuns) -> None:
    """Show links to the form with the settings of B, to every run, and to all runs of exercises."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(  # a link and not a button, so that the browser's back button returns to this exercise
            page_file("configure"),
            label=OPEN_B,
            icon=":material/tune:",
            query_params=settings_query(exercise.settings("B", attempt_runs.attempt.data).model_dump()),
            help="Fills in the form with the settings of run B. No run is started.",
        )
        query = {"made": LESSONS}
        st.page_link(page_file("runs"), label="All runs of exercises", icon=":material/table_rows:", query_params=query)
    with st.expander(RUNS, type="compact"), st.container(horizontal=True):
        for run in attempt_runs.runs:
            _show_run_link(run)


def _show_run_link(run: Run) -> None:
    label = f"Run {run_label(run)}"
    st.page_link(page_file("train"), label=label, icon=":material/show_chart:", query_params={"run": run.id})
