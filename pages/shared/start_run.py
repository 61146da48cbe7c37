"""Starting a run or a branch of one, and resuming one: settings and images are checked and the run joins the queue. A second click on the same
button starts no second run."""

import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.schema import TrainConfig
from cnn_core.data.catalog import CATALOG
from cnn_core.data.names import is_imported
from cnn_core.data.path_source import set_name
from cnn_core.data.set_bin import is_in_bin
from cnn_core.errors import DataError, StudioError
from cnn_core.home import SET_NAME
from cnn_core.runs.continuation import check_continuation
from cnn_core.runs.run import Run
from pages.shared.links import page_file
from pages.shared.people import check_paths, person
from pages.shared.refusal import NOTHING_STARTED, show_refusal
from pages.shared.removed_set import show_data_error
from pages.shared.server import get_store

SUBMISSION = "submission-key"
OPEN_DATA = "Open the data set"


def start_run(
    config: TrainConfig, given: Collection[str] = (), places: Mapping[str, DeltaGenerator] = MappingProxyType({})
) -> None:
    """Add a run to the queue and open the Train page; where it is refused, show why and start nothing.

    given: see `submit`. places: see `show_refusal`.
    """
    with st.spinner("Checking the settings…"):
        try:
            from cnn_core.runs.submit import submit

            check_paths(config)
            run = submit(config, get_store(), given, submission=submission_key(), owner=person())
        except StudioError as error:
            show_refusal(error, places, is_start=True)
            return
    st.switch_page(page_file("train"), query_params={"run": run})


def start_branch(run: str, epoch: int, changes: dict[str, Any]) -> None:
    """Start a branch of `run` after `epoch` and open the Train page; where it is refused, show why and what helps, and start nothing."""
    try:
        with st.spinner("Copying the state…"):
            from cnn_core.runs.branch import branch_run

            child = branch_run(get_store(), run, epoch, changes, submission=submission_key(), owner=person())
    except StudioError as error:
        _refuse_continuation(get_store().run(run), error)
        return
    st.switch_page(page_file("train"), query_params={"run": child})


def resume_run(run: Run) -> None:
    """Put a run back into the queue; where it is refused, show why and what helps, and start nothing."""
    try:
        with st.spinner("Checking the images…"):
            check_continuation(get_store(), run)
        get_store().queue.resume(run.id)
    except StudioError as error:
        _refuse_continuation(run, error)
        return
    st.rerun()


def _refuse_continuation(run: Run, error: StudioError) -> None:
    """Show why the run is not continued; where its images are the reason, also a link to them, and what restores them from the bin."""
    show_data_error(error, NOTHING_STARTED)
    if isinstance(error, DataError):
        st.page_link(
            page_file("data"), label=OPEN_DATA, icon=":material/photo_library:", query_params=data_query(run.config.data)
        )


def data_query(data: str) -> dict[str, str]:
    """Return the query of the Data page's address that shows the data set that a run recorded as `data`: its images, or the bin if it is there."""
    home, name = get_store().home, data if SET_NAME.fullmatch(data) else set_name(Path(data))
    if data in CATALOG or is_imported(name, home):
        return {"set": name}
    return {"mode": "Storage"} if is_in_bin(name, home) else {}


def submission_key() -> str:
    """Return a key for this submission: the same for a second click that comes before the run is shown."""
    return cast(str, st.session_state.setdefault(SUBMISSION, secrets.token_hex(16)))


def clear_submission_key() -> None:
    """Forget the key once the run is shown: the next click starts another run."""
    st.session_state.pop(SUBMISSION, None)
