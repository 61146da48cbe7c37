"""A return code for a person who has none: the teacher creates it and tells it to the person."""

import streamlit as st

from pages.shared.people import person as current_person
from pages.shared.server import get_classroom
from pages.shared.text import plain

ABOUT = (
    "A student in another browser, or whose browser has lost its cookies, comes back with a return code. Students create their own in the "
    "sidebar. For a student who has none, create one here, and tell it to nobody else. It replaces an earlier one."
)
CREATED = "This is the return code of {name}. It is shown only now. {name} types it at the entrance beside the nickname and the class code."
NOBODY, CODE = "Nobody has entered the class yet.", "people-return-code"


def show_return_codes() -> None:
    """Show the choice of a person and the button that creates a code; nothing where people sign in."""
    classroom = get_classroom()
    if classroom is None:
        return
    st.header("Return code")
    names = {id: name for id, name in classroom.directory.names().items() if id != current_person()}
    if not names:
        st.caption(NOBODY)
        return
    st.caption(ABOUT)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        person = st.selectbox(
            "Person",
            sorted(names, key=lambda id: names[id].casefold()),
            format_func=names.__getitem__,
            width=260,
            key="return-person",
        )
        if st.button("Create return code", key="people-create-return-code", icon=":material/key:"):
            st.session_state[CODE] = person, classroom.create_return_code(person)
    chosen, code = st.session_state.get(CODE, ("", ""))
    if chosen and chosen == person:
        st.write(CREATED.format(name=plain(names[chosen])))
        st.code(code, language=None, width=260)
