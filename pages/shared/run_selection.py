"""Choosing a run: the select box of runs, a run's status, and the empty state of pages without a run."""

from contextlib import suppress
from typing import Literal

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.errors import RunError, UnreadableRunError
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.run import STATUS_WORDS, Run
from cnn_core.text import format_percent
from pages.shared.address import read_address, write_address
from pages.shared.links import page_file
from pages.shared.mine import own_first
from pages.shared.people import is_shared, may_change, owner_name
from pages.shared.run_origin import describe_origin, listed_runs, show_all_toggle
from pages.shared.server import get_store
from pages.shared.start_run import start_run
from pages.shared.text import plain

Colour = Literal["gray", "blue", "violet", "green", "orange", "red"]
STATUS: dict[str, tuple[str, Colour, str]] = {  # icon, colour and label
    "queued": (":material/hourglass_empty:", "gray", STATUS_WORDS["queued"]),
    "running": (":material/play_circle:", "blue", STATUS_WORDS["running"]),
    "paused": (":material/pause_circle:", "violet", "paused"),
    "finished": (":material/check_circle:", "green", STATUS_WORDS["finished"]),
    "stopped": (":material/stop_circle:", "orange", "stopped"),
    "failed": (":material/error:", "red", "failed"),
    "interrupted": (":material/power_off:", "orange", "interrupted"),
}

SOME_EPOCHS = "To save disk space, only some epochs of a run are saved: the best, the last, and a few others. Raise the setting Saved epochs to keep more."
NO_RUN = "There is no run {purpose} yet. Train one on handwritten digits with one click; it takes about half a minute."
NO_SUCH_RUN = "There is no run “{run}”, so another run is shown. Choose one from the list."
IS_IN_BIN = "Run {run} is in the bin. Restore it to open it."
IN_BIN_OTHER_SHOWN = "Run {run} is in the bin, so another run is shown. Restore it to open it."
NO_SAVED_MODEL = "Run {run} has no saved model yet, so another run is shown. Its model is saved after the first epoch."
ENDED_WITHOUT_MODEL = "Run {run} ended before its first epoch and has no model, so another run is shown."


def choose_run(runs: list[Run], label: str = "Run") -> Run:
    """Return the run that the address names (`?run=`), else the first of `runs`; a box chooses another. `runs` is not empty."""
    runs = own_first(runs)
    by_id = {run.id: run for run in runs}
    requested = st.query_params.get("run", "")
    if requested and requested not in by_id:
        _explain_missing(requested)
    key = f"run-{label}"
    shown = listed_runs(runs, (requested, st.session_state.get(key, "")))
    names = [run.id for run in shown]
    read_address("run", key, names)
    chosen = st.selectbox(label, names, key=key, format_func=lambda run: _describe(by_id[run]))
    write_address("run", key, chosen)
    show_all_toggle(runs, shown)
    return by_id[chosen]


def _explain_missing(requested: str) -> None:
    """Say why the requested run is not among those to choose from; one in the bin can be restored."""
    try:
        other = get_store().run(requested)
    except UnreadableRunError as error:
        st.warning(plain(error))
    except RunError:
        st.warning(NO_SUCH_RUN.format(run=plain(requested[:80])))
    else:
        if other.removed is None:
            st.warning((NO_SAVED_MODEL if other.is_active else ENDED_WITHOUT_MODEL).format(run=other.id))
        else:
            _offer_restore(other, IN_BIN_OTHER_SHOWN)


def _offer_restore(run: Run, text: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(text.format(run=run.id), icon=":material/delete:")
        if may_change(run.owner):
            st.button("Restore", key=f"restore-{run.id}", icon=":material/undo:", on_click=_restore, args=(run.id,))


def _restore(run: str) -> None:
    RunOrganizer(get_store()).restore(run)
    st.query_params["run"] = run


def choose_trained_run(purpose: str) -> Run | None:
    """Return one of the runs that have a saved model; if there is none, show how to train one. purpose: "to evaluate"."""
    store = get_store()
    runs = [run for run in store.runs() if store.has_model(run.id)]
    if not runs:
        no_runs_yet(purpose)
        return None
    return choose_run(sorted(runs, key=lambda run: bool(run.origin)))  # those that a person started first


def no_runs_yet(purpose: str) -> None:
    """Show the empty state of a page that needs a trained run."""
    with suppress(RunError):  # no such run, or one of another version
        requested = get_store().run(st.query_params.get("run", ""))
        if requested.removed is not None:
            _offer_restore(requested, IS_IN_BIN)
    st.info(
        NO_RUN.format(purpose=purpose),
        icon=":material/info:",
    )
    if st.button("Train on digits", key="train-digits", type="primary", icon=":material/play_arrow:"):
        start_run(make_config())
    st.page_link(page_file("configure"), label="Choose other settings", icon=":material/tune:")


def linked_name(run: Run) -> str:
    """Return the label of a link to the run: its name, which several runs may have, and its id."""
    return f"**{plain(run.title)}** ({run.id})"


def status_badge(run: Run) -> None:
    """Show the run's status as a coloured badge."""
    icon, colour, label = STATUS[run.status]
    st.badge(label, icon=icon, color=colour)


def _describe(run: Run) -> str:
    accuracy = run.summary.get("best_val_accuracy")
    origin = f" · {describe_origin(run)}" if run.origin else ""
    owner = f" · {owner_name(run.owner) or 'class'}" if is_shared() else ""
    result = f" · {format_percent(accuracy)} validation" if accuracy is not None else ""
    return f"{run.id}{result}{owner}{origin} · {run.title} · {STATUS[run.status][2]}"  # a phone shows the first 40 characters
