"""What can be done with a run: stop, pause, go on, save, other settings while it trains. A page only asks; the one who trains does it."""

import streamlit as st

from cnn_core.config.changes import BRANCHABLE, STEERABLE, change_config
from cnn_core.errors import StudioError
from cnn_core.home import kept_epochs
from cnn_core.runs.run import TRAINING, Run
from pages.shared.forms import changed_inputs
from pages.shared.links import page_file
from pages.shared.people import may_change, person, show_owner
from pages.shared.run_selection import status_badge
from pages.shared.server import get_store
from pages.shared.start_run import submission_key
from pages.shared.text import plain


def show_controls(run: Run) -> None:
    """Status and what can be done with the run in that state."""
    store = get_store()
    with st.container(horizontal=True, vertical_alignment="center"):
        status_badge(run)
        if is_mine := may_change(run.owner):
            _steer(run)
        if kept := kept_epochs(store.home.run_folder(run.id)):
            with st.popover("Branch", icon=":material/alt_route:", help="Train on from the state after an epoch, as a new run."):
                _branch(run, kept)
        if (
            is_mine
            and run.can_resume
            and st.button(
                "Go on", icon=":material/resume:", help="Trains on from the last checkpoint, with the same settings and images."
            )
        ):
            _go_on(run)
        if store.has_model(run.id):
            st.page_link(page_file("evaluate"), label="Evaluate", icon=":material/fact_check:", query_params={"run": run.id})
            st.page_link(
                page_file("gallery"), label="Try it in the gallery", icon=":material/gesture:", query_params={"run": run.id}
            )
    if not is_mine:
        show_owner(run.owner)


def _steer(run: Run) -> None:
    """What is asked of a run that waits or trains, by whoever may."""
    if run.status == "running":
        _ask(run, "Pause", "pause", "pause", "Waits before the next step; nothing is lost.")
    if run.status == "paused":
        _ask(run, "Continue", "play_arrow", "continue", "Trains on with the next step.")
    if run.is_active and st.button(
        "Stop", icon=":material/stop:", help="Ends training within two seconds and keeps the best model so far."
    ):
        get_store().requests.stop(run.id)
        st.toast("Stopping. What was learned is kept.", icon=":material/stop_circle:")
    if run.status in TRAINING:
        _ask(run, "Save now", "save", "save", "Writes a checkpoint at once; otherwise there is one every 20 seconds.")
        with st.popover("Change settings", icon=":material/tune:", help="While it trains, from the next step on."):
            _change_settings(run)


def _ask(run: Run, label: str, icon: str, kind: str, help: str) -> None:
    if st.button(label, icon=f":material/{icon}:", help=help):
        get_store().requests.add(run.id, kind)


def _change_settings(run: Run) -> None:
    """Fields for what may change; asked for as a whole, refused in words before anything is asked."""
    config = get_store().config_in_force(run.id)
    changes = changed_inputs(config, STEERABLE, f"steer-{run.id}")
    if st.button("Change from the next step on", type="primary", disabled=not changes):
        try:
            change_config(config, changes)
        except StudioError as error:
            st.error(f"Nothing was changed. {plain(error)}", icon=":material/error:")
            return
        get_store().requests.add(run.id, "change", **changes)
        st.toast("Asked for. The curve shows where it took effect.", icon=":material/tune:")


@st.dialog("Train on from an epoch")
def branch_from(run: Run, epoch: int) -> None:
    """The form of a new run that goes on from the state after `epoch`, which was clicked in the chart."""
    kept = kept_epochs(get_store().home.run_folder(run.id))
    if epoch in kept:
        st.write(f"The new run begins with the state of {plain(run.id)} after epoch {epoch}.")
        _branch(run, [epoch], key="clicked")
    else:
        nearest = f" The nearest one that was kept is epoch {min(kept, key=lambda other: abs(other - epoch))}." if kept else ""
        st.info(f"The state after epoch {epoch} was not kept.{nearest}", icon=":material/info:")


def _branch(run: Run, kept: list[int], key: str = "branch") -> None:
    """An epoch whose state was kept, other settings, and a button that makes the new run."""
    epoch = st.selectbox("After epoch", kept, index=len(kept) - 1, key=f"{key}-{run.id}")
    config = get_store().config_in_force(run.id, epoch)
    changes = changed_inputs(config, BRANCHABLE, f"{key}-{run.id}-{epoch}")
    if st.button(f"Train on from epoch {epoch} as a new run", type="primary", key=f"{key}-start-{run.id}"):
        try:
            with st.spinner("Copying the state…"):
                from cnn_core.runs.branch import branch

                child = branch(get_store(), run.id, epoch, changes, press=submission_key(), owner=person())
        except StudioError as error:
            st.error(f"Nothing was started. {plain(error)}", icon=":material/error:")
            return
        st.switch_page(page_file("train"), query_params={"run": child})


def show_family(run: Run) -> None:
    """Which run this one branched from, and which branched from it."""
    children = get_store().children(run.id)
    with st.container(horizontal=True):
        if run.parent:
            _link(run.parent, f"Branched from {run.parent} after epoch {run.parent_epoch}", "alt_route")
        for child in children:
            _link(child.id, f"{child.id} branched off after epoch {child.parent_epoch}", "subdirectory_arrow_right")


def _link(run: str, label: str, icon: str) -> None:
    st.page_link(page_file("train"), label=label, icon=f":material/{icon}:", query_params={"run": run})


def _go_on(run: Run) -> None:
    """Put a run that ended before it was done back into the queue."""
    try:
        get_store().queue.resume(run.id)
    except StudioError as error:
        st.toast(plain(error), icon=":material/error:")
        return
    st.rerun()
