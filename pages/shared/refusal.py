"""Refused values: each message stands below the field that caused it, and beside the button a line says which fields these are.

In: one of the project's errors, and the places below the fields of a form. Out: messages on the page.
"""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.schema import FIELDS, metadata, title
from cnn_core.errors import DataError, DeviceError, SettingError, StudioError
from pages.shared.removed_set import show_data_error

NOTHING_STARTED = "Nothing was started."
CORRECT_IN_TAB = "Correct “{setting}” in the tab {tab}."
CORRECT_ABOVE = "Correct “{setting}” above."


def show_refusal(error: StudioError, places: Mapping[str, DeltaGenerator], *, is_start: bool = False) -> None:
    """Show every message below its field, and where to find the fields; only the message where the form does not have the field.

    places: what stands below each field, by the setting's name. is_start: whether a run was to be started.
    """
    prefix, where = NOTHING_STARTED if is_start else "", list[str]()
    for one in (error, *(error.others if isinstance(error, SettingError) else ())):
        if (name := refused_field(one)) not in places:
            show_data_error(one, prefix)
            continue
        with places[name]:
            show_data_error(one)
        tab = metadata(name).group
        where.append(CORRECT_IN_TAB.format(setting=title(name), tab=tab) if tab else CORRECT_ABOVE.format(setting=title(name)))
    if where:
        st.warning(" ".join(filter(None, [prefix, *where])), icon=":material/arrow_upward:")


def refused_field(error: StudioError) -> str:
    """Return the name of the setting that caused the error, "" if it is none."""
    if isinstance(error, SettingError):
        return error.field if error.field in FIELDS else ""
    return "device" if isinstance(error, DeviceError) else "data" if isinstance(error, DataError) else ""
