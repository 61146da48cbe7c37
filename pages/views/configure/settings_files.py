"""Buttons that save the form's settings as a file, load such a file, and open the Search page with the settings."""

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.recommendation import with_recommended_model
from cnn_core.config.schema import TrainConfig
from cnn_core.config.settings_file import parse_settings, write_yaml
from cnn_core.errors import StudioError
from pages.shared.form_values import fill_form
from pages.shared.links import page_file
from pages.shared.server import get_store
from pages.shared.text import plain

UPLOAD = "settings-file"
REFUSED = "settings-refused"  # the message about the file that was refused
UNCHANGED = "The file was not loaded and the form is unchanged."
COMMAND = "python -m cnn_core train --config settings.{}"


def upload_settings() -> None:
    """Show the upload of a settings file, which fills the form."""
    with st.expander("Load settings", icon=":material/upload_file:"):
        st.file_uploader(
            "Settings file",
            type=["json", "yaml", "yml"],
            key=UPLOAD,
            on_change=_load_file,
            help="A JSON or YAML file: one that was saved here, the config.json of a run, or your own with lines like “epochs: 20”.",
        )
        if refused := st.session_state.get(REFUSED):
            st.error(f"{UNCHANGED} {plain(refused)}", icon=":material/error:")


def save_buttons(config: TrainConfig) -> None:
    """Show buttons that download the settings for this form and the command line."""
    for kind, content, mime, label in (
        ("json", config.model_dump_json(indent=2), "application/json", "Save settings"),
        ("yaml", write_yaml(config.model_dump()), "application/yaml", "Save as YAML"),
    ):
        st.download_button(
            label,
            content,
            file_name=f"settings.{kind}",
            mime=mime,
            icon=":material/download:",
            on_click="ignore",
            help=f"Load the file into this form, or train in a terminal: `{COMMAND.format(kind)}`",
        )


def search_button(config: TrainConfig) -> None:
    """Show a button that opens the Search page with these settings."""
    if st.button(
        "Tune these settings",
        key="tune-settings",
        icon=":material/manage_search:",
        on_click=fill_form,
        args=(config,),
        help="Opens the Search page with these settings. There you choose which settings to vary. Nothing is started.",
    ):
        st.switch_page(page_file("search"), query_params={"search": ""})


def _load_file() -> None:
    """Fill the form from the uploaded file; a refused file changes nothing."""
    st.session_state[REFUSED] = ""
    upload = st.session_state.get(UPLOAD)
    if upload is None:
        return
    try:
        settings = parse_settings(upload.getvalue(), upload.name)
        fill_form(make_config(**with_recommended_model(settings, get_store().home)[0]), settings)
    except StudioError as error:
        st.session_state[REFUSED] = str(error)
