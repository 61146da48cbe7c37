"""Controls of a run: stop, pause, resume, save, change settings, branch. The page adds requests; the process that trains carries them out."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnn_core.config.changes import BRANCHABLE, CHANGEABLE, change_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.suggestions import epochs_after
from cnn_core.errors import DataError, StudioError
from cnn_core.home import saved_epochs
from cnn_core.runs.continuation import check_continuation
from cnn_core.runs.requests import RequestKind
from cnn_core.runs.run import TRAINING, Run
from cnn_core.runs.sharing import is_used_by_others
from pages.shared.form_values import fill_form
from pages.shared.forms import changed_inputs
from pages.shared.links import page_file
from pages.shared.notices import notify
from pages.shared.people import is_teacher, may_change, show_owner
from pages.shared.run_selection import SOME_EPOCHS
from pages.shared.server import get_store
from pages.shared.start_run import OPEN_DATA, data_query, resume_run, start_branch
from pages.shared.text import plain

MAIN_SETTINGS = ("learning_rate", "epochs", "weight_decay")  # what is changed most often
USED_BY_OTHERS = "Exercises of other people use this run too, so only a teacher can stop or change it."
PARENT, CHILD = "Branched from {parent} after epoch {epoch}", "{child} branched after epoch {epoch}"
STOP_HELP = "Stops after the current step. The best model so far is saved. Resume continues the run later."
REMOVE_HELP = "Removes the run from the queue. Resume puts it back later."
SAVE_HELP = "Saves a checkpoint now. Otherwise one is saved every 20 seconds."
APPLIED = "Change applied; it is marked on the chart."
SAVING = "A checkpoint is saved after the current step."
STOPPING, REMOVED = "The run stops after the current step.", "The run was removed from the queue."
AGAIN_HELP = "Opens the form with the settings of this run. Nothing is started."
NO_EPOCHS = "This run has no saved epochs, so it cannot be branched"


def show_controls(run: Run, *, has_primary: bool) -> None:
    """Show the controls for the run's status. Resume is the page's primary action unless it has another one (`has_primary`)."""
    store = get_store()
    is_mine = may_change(run.owner)
    is_shared_run = run.is_active and is_mine and not is_teacher() and is_used_by_others(store.database, run.id)
    problem = _find_data_problem(run) if is_mine and run.status == "failed" else None
    if problem:
        _show_data_button(run, problem, is_primary=not has_primary)
    elif is_mine and run.can_resume:
        _show_resume_button(run, is_primary=not has_primary)
    if run.status == "failed" and not has_primary:  # resumed with the same settings, it may fail again
        _show_form_button(run)
    if is_mine and not is_shared_run:
        _show_request_buttons(run)
    if epochs := saved_epochs(store.home.run_folder(run.id)):
        with st.popover("Branch", icon=":material/alt_route:", help="Starts a new run from the saved state after an epoch."):
            _show_branch_form(run, epochs)
    if run.status in TRAINING:
        if (may_save := is_mine and not is_shared_run) or store.has_model(run.id):
            with st.popover("More", icon=":material/more_horiz:", help="Save now, Evaluate and Gallery."):
                _show_more(run, may_save=may_save)
    elif run.status != "finished":
        _link_model_pages(run)
    if not is_mine:
        show_owner(run.owner)
    elif is_shared_run:
        st.caption(USED_BY_OTHERS)


def _show_more(run: Run, *, may_save: bool) -> None:
    """Show what is needed seldom while a run trains: Save now, and the pages that use the best model so far."""
    if may_save:
        st.button("Save now", icon=":material/save:", help=SAVE_HELP, key=f"save-{run.id}", on_click=_save, args=(run,))
    _link_model_pages(run)


def _link_model_pages(run: Run) -> None:
    """Link the pages that use the best model so far, if there is one. A completed run has them in its result."""
    if get_store().has_model(run.id):
        st.page_link(page_file("evaluate"), label="Evaluate", icon=":material/fact_check:", query_params={"run": run.id})
        st.page_link(page_file("gallery"), label="Open in Gallery", icon=":material/gesture:", query_params={"run": run.id})


def _show_resume_button(run: Run, *, is_primary: bool) -> None:
    if st.button(
        "Resume",
        key=f"resume-{run.id}",
        type="primary" if is_primary else "secondary",
        icon=":material/resume:",
        help="Continues from the last checkpoint with the same settings and images.",
    ):
        resume_run(run)


def _find_data_problem(run: Run) -> DataError | None:
    """Return why the run cannot be continued with its data set as it is now; None where it can."""
    try:
        check_continuation(get_store(), run)
    except DataError as problem:
        return problem
    return None


def _show_data_button(run: Run, problem: DataError, *, is_primary: bool) -> None:
    """Show the button that opens the data set, in place of Resume, which would fail again."""
    if st.button(
        OPEN_DATA,
        key=f"data-{run.id}",
        type="primary" if is_primary else "secondary",
        icon=":material/photo_library:",
        help=plain(problem),
    ):
        st.switch_page(page_file("data"), query_params=data_query(run.config.data))


def _show_form_button(run: Run) -> None:
    if st.button("Configure again", key=f"configure-{run.id}", icon=":material/tune:", help=AGAIN_HELP):
        fill_form(get_store().config_in_force(run.id))
        st.switch_page(page_file("configure"))


def _show_request_buttons(run: Run) -> None:
    """Show the buttons for a run that waits or trains; while it is being stopped, that it is."""
    if run.is_active and get_store().requests.should_stop(run.id):
        st.caption(STOPPING)
        return
    if run.status == "running":
        _request_button(run, "pause", "Pause", "pause", "pause", "Pauses before the next step.")
    if run.status == "paused":
        _request_button(run, "pause", "Continue", "play_arrow", "continue", "Continues with the next step.")
    if run.is_active:
        st.button(
            "Stop",
            key=f"stop-{run.id}",
            icon=":material/stop:",
            help=REMOVE_HELP if run.status == "queued" else STOP_HELP,
            on_click=_stop,
            args=(run,),
        )
    if run.status in TRAINING:
        with st.popover(
            "Change settings", icon=":material/tune:", help="Changes settings while the run trains, from the next step on."
        ):
            _change_settings(run)


def _save(run: Run) -> None:
    get_store().requests.add(run.id, "save")
    notify(SAVING, icon=":material/save:")


def _request_button(run: Run, key: str, label: str, icon: str, kind: RequestKind, help: str) -> None:
    """Show a button that adds a request. A callback runs before the page does, so that the request is kept if the tab is closed at once."""
    st.button(
        label, icon=f":material/{icon}:", help=help, key=f"{key}-{run.id}", on_click=get_store().requests.add, args=(run.id, kind)
    )


def _stop(run: Run) -> None:
    get_store().requests.stop(run.id)
    if get_store().run(run.id).status == "stopped":  # it waited; of a run that trains, the page says that it stops until it has
        notify(REMOVED, icon=":material/stop_circle:")


def _change_settings(run: Run) -> None:
    """Show fields for the settings that may change, and send the changes as one request."""
    config, key = get_store().config_in_force(run.id), f"applied-{run.id}"
    changes, in_force = _changed_settings(config, CHANGEABLE, f"steer-{run.id}"), config.model_dump_json()
    if st.session_state.get(key, {}).get("in_force") != in_force:  # the run has carried out what was applied
        st.session_state.pop(key, None)
    is_applied = st.session_state.get(key, {}).get("changes") == changes
    if st.button("Apply", key=f"apply-{run.id}", type="primary", disabled=not changes or is_applied):
        try:
            change_config(config, changes)
        except StudioError as error:
            st.error(f"Nothing was changed. {plain(error)}", icon=":material/error:")
            return
        get_store().requests.add(run.id, "change", **changes)
        st.session_state[key] = {"in_force": in_force, "changes": changes}
        notify(APPLIED, icon=":material/tune:")
        st.rerun()  # so that the button rests until another value is chosen


def _changed_settings(config: TrainConfig, names: Sequence[str], key: str) -> dict[str, Any]:
    """Draw fields for MAIN_SETTINGS, and for the others of `names` behind More settings; return the values that were changed."""
    changes = changed_inputs(config, MAIN_SETTINGS, key)
    with st.expander("More settings"):
        return changes | changed_inputs(config, [name for name in names if name not in MAIN_SETTINGS], key)


@st.dialog("Branch from an epoch")
def branch_dialog(run: Run, epoch: int) -> None:
    """Show the form of a new run that continues from the state after `epoch`, which was clicked in the chart."""
    epochs = saved_epochs(get_store().home.run_folder(run.id))
    if epoch in epochs:
        st.write(f"The new run starts with the state of {plain(run.id)} after epoch {epoch}.")
        _show_branch_form(run, [epoch], key="clicked")
    else:
        nearest = (
            f"Choose epoch {min(epochs, key=lambda other: abs(other - epoch))}, the nearest saved one" if epochs else NO_EPOCHS
        )
        st.info(f"The state after epoch {epoch} is not saved. {SOME_EPOCHS} {nearest}.", icon=":material/info:")


def _show_branch_form(run: Run, epochs: list[int], key: str = "branch") -> None:
    """Show a choice of saved epochs, settings, and a button that starts the new run."""
    epoch = st.selectbox("Epoch", epochs, index=len(epochs) - 1, key=f"{key}-{run.id}", help=SOME_EPOCHS)
    config = get_store().config_in_force(run.id, epoch)
    # After the last epoch there is nothing left to train.
    longer = {"epochs": epochs_after(epoch)} if config.epochs <= epoch else {}
    config = config.model_copy(update=longer)
    changes = longer | _changed_settings(config, BRANCHABLE, f"{key}-{run.id}-{epoch}")
    if st.button(f"Continue from epoch {epoch}", type="primary", key=f"{key}-start-{run.id}"):
        start_branch(run.id, epoch, changes)


def show_branches(run: Run) -> None:
    """Show links to the run that this one branched from, and to its own branches."""
    children = get_store().children(run.id)
    with st.container(horizontal=True):
        if run.parent:
            _link(run.parent, PARENT.format(parent=run.parent, epoch=run.parent_epoch), "alt_route")
        for child in children:
            _link(child.id, CHILD.format(child=child.id, epoch=child.parent_epoch), "subdirectory_arrow_right")


def _link(run: str, label: str, icon: str) -> None:
    st.page_link(page_file("train"), label=label, icon=f":material/{icon}:", query_params={"run": run})
