"""Import of a model: uploaded weights and their model card are checked and become a run. Shown even if there is no run."""

import streamlit as st

from cnn_core.errors import StudioError
from pages.shared.links import page_file
from pages.shared.people import person
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.shared.text import plain

MAX_MB = 200
IMPORTED, UPLOADER_NUMBER = "imported-model", "model-import-number"
REFUSED = "Nothing was imported."
ABOUT = (
    "Choose the two files from the Export view: the weights (.safetensors) and the model card (.json). If you choose no card, the one inside the "
    "weights file is used. PyTorch files (.pth, .pt, .bin, .pkl) are refused, because they are pickles, and reading a pickle can run harmful code. "
    "A safetensors file contains only numbers. It is checked against the network that the card describes."
)


def uploader_key() -> str:
    """Return the key of the uploader: a new one after every import."""
    return f"model-import-{st.session_state.get(UPLOADER_NUMBER, 0)}"


def show_model_import() -> None:
    """Show the expander with the uploader and the Import button; after an import, show a message once."""
    if run := st.session_state.pop(IMPORTED, None):
        st.toast(f"The model was imported as run {plain(run)}.", icon=":material/check_circle:")
    with st.expander("Import a model", icon=":material/move_to_inbox:"):
        st.caption(ABOUT)
        # Any type of file can be chosen, so that a pickle is refused with a message.
        files = st.file_uploader(
            "Weights and model card",
            accept_multiple_files=True,
            max_upload_size=MAX_MB,
            key=uploader_key(),
            help=f"Files .safetensors and .json, up to {MAX_MB} MB.",
        )
        if files and st.button("Import", type="primary", icon=":material/move_to_inbox:", key="import-model"):
            try:
                run = _import({file.name: file.getvalue() for file in files})
            except StudioError as error:
                st.error(f"{REFUSED} {plain(error)}", icon=":material/error:")
                return
            st.session_state[IMPORTED] = run
            # A new uploader is empty, so that nothing is imported twice.
            st.session_state[UPLOADER_NUMBER] = st.session_state.get(UPLOADER_NUMBER, 0) + 1
            st.switch_page(page_file("gallery"), query_params={"run": run})


def _import(files: dict[str, bytes]) -> str:
    """Create a run from `files` (content by name) and return its id. Raises StudioError."""
    with st.spinner("Opening the file…"):
        from cnn_core.export.model_import import choose_files, import_model

    return run_with_progress(import_model(get_store(), *choose_files(files), owner=person()))
