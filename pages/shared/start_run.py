"""Starting a run or a branch of one: the settings are checked and the run joins the queue; a second click on the same button starts no second run."""

import secrets
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import StudioError
from pages.shared.links import page_file
from pages.shared.people import check_paths, person
from pages.shared.refusal import NOTHING_STARTED, show_refusal
from pages.shared.server import get_store
from pages.shared.text import plain

SUBMISSION = "submission-key"


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
    """Start a branch of `run` after `epoch` and open the Train page; where it is refused, show why and start nothing."""
    try:
        with st.spinner("Copying the state…"):
            from cnn_core.runs.branch import branch_run

            child = branch_run(get_store(), run, epoch, changes, submission=submission_key(), owner=person())
    except StudioError as error:
        st.error(f"{NOTHING_STARTED} {plain(error)}", icon=":material/error:")
        return
    st.switch_page(page_file("train"), query_params={"run": child})


def submission_key() -> str:
    """Return a key for this submission: the same for a second click that comes before the run is shown."""
    return cast(str, st.session_state.setdefault(SUBMISSION, secrets.token_hex(16)))


def clear_submission_key() -> None:
    """Forget the key once the run is shown: the next click starts another run."""
    st.session_state.pop(SUBMISSION, None)
