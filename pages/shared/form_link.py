"""The form and the page's address, each following the other; and links to settings, which anybody can be handed.

In: an address that anybody may have written. Out: a filled form, and a sentence for each parameter that was refused. A link starts nothing.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.config.settings_link import FIELDS, FIRST, read_link, settings_query
from pages.charts.components.copy import copy_button
from pages.shared.settings_files import put_settings
from pages.shared.text import plain

TOLD, AT = "form-told", "form-told-at"  # what the page itself wrote into the address last, and when
LAST = "form-last"  # the same of when the page was shown before
REFUSED, FILLED = "form-refused", "form-filled"  # sentences on the link that filled the form; whether it has just done so
LATE_SECONDS = 3


def follow_link() -> None:
    """First of all on the page: fill the form as the address asks, unless that is what the page itself wrote there.

    A browser sends the address with every press, and may not have heard yet of the one that the page wrote a moment ago: then the form is right.
    """
    asked, state = st.query_params.to_dict(), st.session_state
    was_away = TOLD not in state
    is_late = time.monotonic() - state.get(AT, 0.0) < LATE_SECONDS
    if was_away:
        state.pop(REFUSED, None)
        if (
            not asked.keys() & FIELDS.keys()
        ):  # on its way to a run, Streamlit leaves this page with that page's parameters in the history
            asked = asked and state.get(LAST, asked)
    if asked and (was_away or (asked != state.get(TOLD) and not is_late)):
        _fill(asked)
    if refused := state.get(REFUSED):
        said = " ".join(map(plain, refused))
        st.warning(f"Not all of the link was taken; the rest of the form is filled. {said}", icon=":material/link_off:")


def leave_form() -> None:
    """Another page is shown: the form's fields forget what they hold, and the address alone knows it."""
    if TOLD in st.session_state:
        st.session_state[LAST] = st.session_state.pop(TOLD)


def _fill(asked: Mapping[str, str]) -> None:
    """Put what a link asks for into the form, and defaults into the other fields."""
    link, state = read_link(asked), st.session_state
    first = {name: link.settings[name] for name in FIRST if name in link.settings}
    put_settings({**make_config(**first).model_dump(), **link.settings}, is_from_link=True)
    state[TOLD], state[REFUSED], state[FILLED] = dict(asked), link.refused, True


def tell_link(chosen: Mapping[str, Any]) -> None:
    """After the form is drawn: put what was `chosen` in it, checked or not, into the address."""
    query, state = settings_query(chosen), st.session_state
    if not state.pop(FILLED, False) and query != state.get(TOLD):
        state.pop(REFUSED, None)  # the form was changed by hand
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
        state[AT] = time.monotonic()
    state[TOLD] = query


def link_control(chosen: Mapping[str, Any], label: str = "Copy link") -> None:
    """A link to the form with the settings `chosen`: to copy, and to see."""
    with st.popover(label, icon=":material/link:", help="To this form with these settings."):
        address = link_to(chosen)
        copy_button(address)
        st.code(address, language=None, wrap_lines=True)
        st.caption("It opens the form with these settings, in another studio too, and starts nothing.")


def link_to(chosen: Mapping[str, Any]) -> str:
    """The address of the form with the settings `chosen`, below the same base as the page that is shown."""
    base = (st.context.url or "").rstrip("/").rpartition("/")[0]
    return f"{base}{'/' if base else ''}configure?{urlencode(settings_query(chosen))}"
