"""The modes of the Data page: data sets, the import form and storage. The address names the mode (`?mode=`), without one it is data sets."""

import streamlit as st

MODE, VIEW_SETS, IMPORT_IMAGES, STORAGE = "data-mode", "Data sets", "Import images", "Storage"
MODES = (VIEW_SETS, IMPORT_IMAGES, STORAGE)
WRITTEN = f"{MODE}-written"  # in the session: the mode that the page itself wrote into the address last
OF_A_SET = ("set", "view")  # the parameters of the address that say which data set is shown


def choose_mode() -> str:
    """Show the control that chooses the mode, and return the chosen one of MODES."""
    state, query = st.session_state, st.query_params
    requested = query.get("mode", VIEW_SETS)
    if state.get(MODE) not in MODES or requested != state.get(WRITTEN, VIEW_SETS):
        state[MODE] = requested if requested in MODES else VIEW_SETS
    mode = st.segmented_control("Mode", MODES, required=True, label_visibility="collapsed", key=MODE) or VIEW_SETS
    for parameter in ("mode",) if mode == VIEW_SETS else OF_A_SET:
        if parameter in query:
            del query[parameter]
    if mode != VIEW_SETS:
        query["mode"] = mode
    state[WRITTEN] = mode
    return mode


def open_set(name: str) -> None:
    """Show a data set in the next run of the page, which may be at another mode."""
    st.session_state[MODE] = VIEW_SETS
    st.query_params["set"] = name
