"""Controls that follow the page's address, and that the address follows: so a link, a reload and the browser's way back lead to the same place.

A control whose default followed the address would be another control after every choice, and forget the next one: so its state is set.
"""

from collections.abc import Sequence

import streamlit as st


def follow_address(parameter: str, key: str, options: Sequence[str]) -> None:
    """Before the control `key` is drawn: put it to what the address names, unless that is what the page itself wrote there."""
    state, asked = st.session_state, st.query_params.get(parameter)
    if state.get(key) not in options or asked != state.get(f"{key}-told"):
        state[key] = asked if asked in options else state[key] if state.get(key) in options else options[0]


def tell_address(parameter: str, key: str, chosen: str) -> None:
    """After it is drawn: name what is `chosen` in the address."""
    st.query_params[parameter] = st.session_state[f"{key}-told"] = chosen
