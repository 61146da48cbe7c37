"""A refused value: the message stands below the field that caused it, and beside the button a line says which field that is.

In: one of the project's errors, and the places below the fields of a form. Out: messages on the page.
"""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.schema import FIELDS, metadata, title
from cnn_core.errors import DataError, DeviceError, SettingError, StudioError
from pages.shared.text import plain

NOTHING_STARTED = "Nothing was started."
CORRECT_IN_TAB = "Correct “{setting}” in the tab {tab}."
CORRECT_ABOVE = "Correct “{setting}” above."


def show_refusal(error: StudioError, places: Mapping[str, DeltaGenerator], *, is_start: bool = False) -> None:
    """Show the message below its field, and where to find the field; only the message where the form does not have the field.

    places: what stands below each field, by the setting's name. is_start: whether a run was to be started.
    """
    name, prefix = refused_field(error), f"{NOTHING_STARTED} " if is_start else ""
    if name not in places:
        st.error(f"{prefix}{plain(error)}", icon=":material/error:")
        return
    places[name].error(plain(error), icon=":material/error:")
    tab = metadata(name).group
    where = CORRECT_IN_TAB.format(setting=title(name), tab=tab) if tab else CORRECT_ABOVE.format(setting=title(name))
    st.warning(f"{prefix}{where}", icon=":material/arrow_upward:")


def refused_field(error: StudioError) -> str:
    """Return the name of the setting that caused the error, "" if it is none."""
    if isinstance(error, SettingError):
        return error.field if error.field in FIELDS else ""
    return "device" if isinstance(error, DeviceError) else "data" if isinstance(error, DataError) else ""
