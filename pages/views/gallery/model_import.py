"""Bringing a model back: its weights and its card are chosen, checked, and become a run, also in a studio where nothing was trained yet."""

import streamlit as st

from cnn_core.errors import StudioError
from pages.shared.links import page_file
from pages.shared.people import person
from pages.shared.progress import watch
from pages.shared.server import get_store
from pages.shared.text import plain

LARGEST = 200  # MB
BROUGHT, TURN = "brought-back", "bring-back-turn"
WHY = (
    "Choose the two files that “Take it along” gives: the weights (.safetensors) and the card (.json). A card inside of the weights is used "
    "where none is chosen. Files of PyTorch (.pth, .pt, .bin, .pkl) are not taken: they are pickles, and reading a pickle can run code of "
    "whoever wrote it. Weights from others are numbers only, and are checked against the network that the card describes."
)


def show_model_import() -> None:
    """The expander, with what was chosen and the button that brings it back; that it was brought back is told once."""
    if run := st.session_state.pop(BROUGHT, None):
        st.toast(f"The model was brought back as run {plain(run)}.", icon=":material/check_circle:")
    with st.expander("Bring a model back", icon=":material/move_to_inbox:"):
        st.caption(WHY)
        # No types are asked for: a pickle that is chosen is told why it is not taken.
        files = st.file_uploader(
            f"Weights and card (.safetensors and .json, up to {LARGEST} MB)",
            accept_multiple_files=True,
            max_upload_size=LARGEST,
            key=f"bring-back-{st.session_state.get(TURN, 0)}",
        )
        if files and st.button("Bring it back", type="primary", icon=":material/move_to_inbox:"):
            try:
                run = _bring({file.name: file.getvalue() for file in files})
            except StudioError as error:
                st.error(f"Nothing was brought back. {plain(error)}", icon=":material/error:")
                return
            st.session_state[BROUGHT] = run
            st.session_state[TURN] = st.session_state.get(TURN, 0) + 1  # an empty box, so that nothing is brought back twice
            st.switch_page(page_file("gallery"), query_params={"run": run})


def _bring(files: dict[str, bytes]) -> str:
    """The run that `files` (content by name) become. Raises StudioError."""
    with st.spinner("Opening the file…"):
        from cnn_core.export.model_import import choose_files, import_model

    return watch(import_model(get_store(), *choose_files(files), owner=person()))
