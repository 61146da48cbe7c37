"""Writing settings into the form's fields: from a settings file, a link, a run, or a trial of a search."""

from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.config.settings_link import settings_without_defaults
from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import imported_sets, is_path_set
from pages.shared.data_and_model import FOLDER, FOLDER_FROM_LINK, RECOMMENDED_FOR
from pages.shared.forms import field_key, forget_typed
from pages.shared.server import get_store

GIVEN = "form-given"  # values by field that a link or a settings file gave, which may equal the defaults


def fill_form(config: TrainConfig, given: Collection[str] = ()) -> None:
    """Write the settings into the form's fields; call it before the form is drawn. given: as for `fill_fields`."""
    fill_fields(config.model_dump(), given)


def fill_fields(values: Mapping[str, Any], given: Collection[str] = (), *, is_from_link: bool = False) -> None:
    """Write a value for every setting into the form's fields. A folder that only a link names is not opened until a person allows it.

    given: names of the settings that a link or a file gave; the others are defaults.
    """
    forget_typed()
    st.session_state.pop(RECOMMENDED_FOR, None)  # the model is chosen, also where it is the recommended one
    home, data = get_store().home, values["data"]
    has_name = data in CATALOG or (data in imported_sets(home) and not is_path_set(data))
    st.session_state["data"], st.session_state["model"] = data if has_name else FOLDER, values["model"]
    if not has_name:
        st.session_state["folder"] = data
    st.session_state[FOLDER_FROM_LINK] = data if is_from_link and not has_name else ""
    for name in values.keys() - {"data", "model"}:
        st.session_state[field_key(name, values)] = values[name]
    st.session_state[GIVEN] = {field_key(name, values): values[name] for name in given if name in values}


def given_settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return data set and model, and those of the form's `chosen` settings that differ from their defaults or that a link or a file gave."""
    given = st.session_state.get(GIVEN, {})
    kept = {name: value for name, value in chosen.items() if given.get(field_key(name, chosen)) == value}
    return kept | settings_without_defaults(chosen)
