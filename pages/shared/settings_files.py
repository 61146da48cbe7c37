"""Settings as a file, in and out of the form: a run's settings can be kept, handed out, and taken up again."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.config.settings_file import parse_settings, write_yaml
from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import imported_sets, is_path_set
from cnn_core.errors import StudioError
from pages.shared.data_and_model import FOLDER, NAMED_BY_LINK
from pages.shared.forms import field_key
from pages.shared.links import page_file
from pages.shared.server import get_store
from pages.shared.text import plain

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


def save_buttons(config: TrainConfig) -> None:
    """Buttons that keep the settings as a file for the form and the command line."""
    for kind, content, mime, label in (
        ("json", config.model_dump_json(indent=2), "application/json", "Save settings"),
        ("yaml", write_yaml(config.model_dump()), "application/yaml", "As YAML"),
    ):
        st.download_button(
            label,
            content,
            file_name=f"settings.{kind}",
            mime=mime,
            icon=":material/download:",
            on_click="ignore",
            help=f"For this form, or for a terminal: `python -m cnn_core train --config settings.{kind}`",
        )


def search_button(config: TrainConfig) -> None:
    """A button that takes the settings to the Search page, where some of them can be varied."""
    if st.button(
        "Search around these",
        icon=":material/manage_search:",
        on_click=fill_form,
        args=(config,),
        help="Opens the Search page with these settings: choose there which of them are to be varied. Nothing is started.",
    ):
        st.switch_page(page_file("search"), query_params={"search": ""})


def fill_form(config: TrainConfig) -> None:
    """Put the settings into the form's fields; to be called before the form is shown."""
    put_settings(config.model_dump())


def put_settings(chosen: Mapping[str, Any], *, is_from_link: bool = False) -> None:
    """Put `chosen`, a value for every setting, into the form's fields. A folder that only a link names is not opened before a person says so."""
    home, data = get_store().home, chosen["data"]
    has_name = data in CATALOG or (data in imported_sets(home) and not is_path_set(data))
    st.session_state["data"], st.session_state["model"] = data if has_name else FOLDER, chosen["model"]
    if not has_name:
        st.session_state["folder"] = data
    st.session_state[NAMED_BY_LINK] = data if is_from_link and not has_name else ""
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
