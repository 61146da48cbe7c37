"""Settings as a file, in and out of the form: a run's settings can be kept, handed out, and taken up again."""

import streamlit as st

from cnn_core.config import TrainConfig, make_config
from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import imported_sets, is_path_set
from cnn_core.errors import StudioError
from cnn_core.settings_file import parse_settings
from pages.ui.forms import field_key
from pages.ui.server import get_store
from pages.ui.text import plain

UPLOAD = "settings-file"
REFUSED = "settings-refused"


def settings_file() -> None:
    """A box that takes a file of settings and fills the form from it."""
    with st.expander("Take settings from a file", icon=":material/upload_file:"):
        st.file_uploader(
            "Settings (JSON or YAML)",
            type=["json", "yaml", "yml"],
            key=UPLOAD,
            on_change=_take_file,
            help="A file saved here, a run's config.json, or lines like “epochs: 20”.",
        )
        if refused := st.session_state.get(REFUSED):
            st.error(f"The form was left as it is. {plain(refused)}", icon=":material/error:")


def save_button(config: TrainConfig) -> None:
    """A button that keeps the settings as a file for the form and the command line."""
    st.download_button(
        "Save settings",
        config.model_dump_json(indent=2),
        file_name="settings.json",
        mime="application/json",
        icon=":material/download:",
        help="For this form, or for a terminal: python -m cnn_core train --config settings.json",
    )


def fill_form(config: TrainConfig) -> None:
    """Put the settings into the form's fields; to be called before the form is shown."""
    home = get_store().home
    has_name = config.data in CATALOG or (config.data in imported_sets(home) and not is_path_set(config.data))
    st.session_state["data"], st.session_state["model"] = config.data if has_name else "folder", config.model
    if not has_name:
        st.session_state["folder"] = config.data
    chosen = config.model_dump()
    for name in chosen.keys() - {"data", "model"}:
        st.session_state[field_key(name, chosen)] = chosen[name]


def _take_file() -> None:
    """Put the uploaded settings into the form's fields, all or none."""
    st.session_state[REFUSED] = ""
    upload = st.session_state.get(UPLOAD)
    if upload is None:
        return
    try:
        fill_form(make_config(**parse_settings(upload.getvalue(), upload.name)))
    except StudioError as error:
        st.session_state[REFUSED] = str(error)
