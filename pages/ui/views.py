"""The views of a page: the address names one of them (`?view=`), and a control at the top of the page chooses another."""

from collections.abc import Sequence

import streamlit as st


def choose_view(page: str, names: Sequence[str]) -> str:
    """The view of `page` that is shown, the first of `names` at first. The address follows it."""
    key, told = f"{page}-view", f"{page}-view-told"
    asked = st.query_params.get("view")
    # A control whose default follows the address is another control after every choice, and forgets the next one: so its state is set.
    if key not in st.session_state or asked != st.session_state.get(told):
        st.session_state[key] = asked if asked in names else st.session_state.get(key, names[0])
    view = st.segmented_control("View", names, key=key, required=True, label_visibility="collapsed")
    st.query_params["view"] = st.session_state[told] = view
    return view
