"""The form and the page's address, which follow each other, and links to settings.

In: an address, which may come from anyone. Out: a filled form, and a message for each parameter that was refused. A link starts nothing.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.recommendation import with_recommended_model
from cnn_core.config.settings_link import FIRST, read_link, settings_query
from cnn_core.data.names import is_imported
from cnn_core.data.set_bin import is_in_bin
from pages.charts.components.copy import copy_button
from pages.shared.address import own_address
from pages.shared.form_values import fill_fields
from pages.shared.removed_set import offer_restore
from pages.shared.server import get_store
from pages.shared.text import plain

WRITTEN, WRITTEN_AT = "form-written", "form-written-at"  # the query that the page itself wrote last, and when
REFUSED, FILLED = "form-refused", "form-filled"  # messages about the link that filled the form; whether it has just done so
REMOVED = "form-removed-set"  # the data set of the link, where it is in the bin
LATE_SECONDS = 3


def fill_form_from_address() -> None:
    """Fill the form from the address, unless the page itself wrote it; call it before anything else on the page.

    A browser sends the address with every click, and may not yet know the one that the page wrote a moment ago: then the form is right.
    """
    query, state = st.query_params.to_dict(), st.session_state
    is_new_visit = WRITTEN not in state
    is_late = time.monotonic() - state.get(WRITTEN_AT, 0.0) < LATE_SECONDS
    if is_new_visit:
        state.pop(REFUSED, None)
    if query and (is_new_visit or (query != state.get(WRITTEN) and not is_late)):
        _fill(query)
    if refused := state.get(REFUSED):
        messages = " ".join(map(plain, refused))
        st.warning(
            f"Some settings of the link were ignored, because they are not valid. The others are in the form. {messages}",
            icon=":material/link_off:",
        )
        if removed := state.get(REMOVED):
            offer_restore(removed, lambda: _choose_restored(removed))


def _choose_restored(name: str) -> None:
    """Choose the data set of the link, which was in the bin."""
    st.session_state["data"] = name
    for key in (REFUSED, REMOVED):
        st.session_state.pop(key, None)


def leave_form() -> None:
    """Forget the form when another page is shown: the fields lose their values, only the address has them."""
    st.session_state.pop(WRITTEN, None)


def _fill(query: Mapping[str, str]) -> None:
    """Write the settings of a link into the form, and defaults into the other fields."""
    link, state = read_link(query), st.session_state
    home = get_store().home
    settings = (
        with_recommended_model(link.settings, home)[0] if is_imported(link.settings.get("data", ""), home) else link.settings
    )
    first = {name: settings[name] for name in FIRST if name in settings}
    fill_fields({**make_config(**first).model_dump(), **settings}, link.settings, is_from_link=True)
    state[WRITTEN], state[REFUSED], state[FILLED] = dict(query), link.refused, True
    data = query.get("data", "")
    state[REMOVED] = data if "data" not in link.settings and is_in_bin(data, home) else ""


def write_form_to_address(chosen: Mapping[str, Any]) -> None:
    """Write the form's values, checked or not, into the address; call it after the form is drawn."""
    query, state = settings_query(chosen), st.session_state
    if not state.pop(FILLED, False) and query != state.get(WRITTEN):
        state.pop(REFUSED, None)  # the form was changed by hand
    if query != own_address():
        st.query_params.from_dict(query)
        state[WRITTEN_AT] = time.monotonic()
    state[WRITTEN] = query


def show_link(chosen: Mapping[str, Any], label: str = "Copy link") -> None:
    """Show a button that opens and copies a link to the form with these settings."""
    with st.popover(label, icon=":material/link:", help="A link to this form with these settings."):
        address = link_to(chosen)
        copy_button(address)
        st.code(address, language=None, wrap_lines=True)
        st.caption("The link opens the form with these settings, also in another CNN Studio. It starts nothing.")


def link_to(chosen: Mapping[str, Any]) -> str:
    """Return the address of the form with these settings, below the same base as the current page."""
    base = (st.context.url or "").rstrip("/").rpartition("/")[0]
    return f"{base}{'/' if base else ''}configure?{urlencode(settings_query(chosen))}"
