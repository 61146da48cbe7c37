"""Controls that follow the page's address and change it: a link, a reload and the browser's Back button then show the same thing.

The state of a control is set from the address. If only its default were, a new default would make a new control, which forgets its value.

While a page is drawn, parameters are written by `set_parameter` alone. When a person goes to another page, the new page's script begins before
the old one's has ended, and both share `st.query_params`: what the old one wrote late would stand in the new page's address.
"""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

MORE = "More"  # the choice that shows the views of a page that are needed less often


def own_address() -> dict[str, str]:
    """Return the parameters of the address that this script began with or wrote itself, whatever another script of the session does meanwhile."""
    context = get_script_run_ctx()
    return dict(parse_qsl(context.query_string, keep_blank_values=True)) if context else {}


def set_parameter(parameter: str, value: str) -> None:
    """Write `value` into the page's address where it differs: a page that was opened at its full address writes nothing."""
    if own_address().get(parameter) != value:
        st.query_params[parameter] = value


def show_parameter(parameter: str, value: str) -> None:
    """Write `value` into the page's address also where it is in it: a link to the page that is shown sets the address of the script, and Streamlit
    does not tell the browser. Nothing is written once another page's script has begun."""
    if own_address() == st.query_params.to_dict():
        st.query_params[parameter] = value


def read_address(parameter: str, key: str, options: Sequence[str]) -> None:
    """Set the control `key` to the address's value of `parameter`; call it before the control is drawn.

    A value that `write_address` itself wrote changes nothing; an unknown value gives the first of `options`. The state is set in any case: a
    control of the same key on another page would forget it, and the browser would go on showing the label that it was given first.
    """
    state, value = st.session_state, st.query_params.get(parameter)
    is_forgotten = state.get(key) not in options  # another page was shown meanwhile
    if value in options and (is_forgotten or value != state.get(f"{key}-written")):
        state[key] = value
    else:
        state[key] = options[0] if is_forgotten else state[key]


def write_address(parameter: str, key: str, value: str) -> None:
    """Write the control's `value` into the address; call it after the control is drawn."""
    before = st.session_state.get(f"{key}-written", value)
    st.session_state[f"{key}-written"] = value
    if before != value and own_address().get(parameter) == value:
        show_parameter(parameter, value)
    else:
        set_parameter(parameter, value)


def choose_view(page: str, names: Sequence[str], describe: Callable[[str], str] = str) -> str:
    """Show the control that chooses a view of `page`, and return the chosen one of `names`; the address names it (`?view=`).

    describe: the text on a view's button.
    """
    key = f"{page}-view"
    read_address("view", key, names)
    view = (
        st.segmented_control("View", names, key=key, required=True, label_visibility="collapsed", format_func=describe)
        or names[0]
    )
    write_address("view", key, view)
    return view


def choose_view_with_more(page: str, names: Sequence[str], more: Sequence[str]) -> str:
    """Show the control that chooses one of the views `names` or MORE, which shows a control for the others; return the chosen view.

    The address names the view (`?view=`), whichever control it belongs to.
    """
    state, key, more_key = st.session_state, f"{page}-view", f"{page}-more-view"
    requested = st.query_params.get("view")
    if requested != state.get(f"{key}-written") and requested in more:
        state[key], state[more_key], state[f"{key}-written"] = MORE, requested, requested
    elif state.get(key) != MORE or requested != state.get(f"{key}-written"):
        read_address("view", key, names)
    view = st.segmented_control("View", [*names, MORE], key=key, required=True, label_visibility="collapsed") or names[0]
    if view == MORE:
        if state.get(more_key) not in more:
            state[more_key] = more[0]
        view = st.segmented_control("More views", more, key=more_key, required=True, label_visibility="collapsed") or more[0]
    write_address("view", key, view)
    return view
