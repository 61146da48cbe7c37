"""The entrance of a class: a nickname and the class code, asked for once in every browser; the return code, with which a person comes back in
another one; and leaving, on a computer that others use next."""

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.people.directory import MAX_NAME_LENGTH
from cnn_core.people.person import Person
from pages.charts.components.remember import remember
from pages.shared.class_token import TICKET, browser_token, keep_token
from pages.shared.server import get_classroom
from pages.shared.text import plain

WELCOME = "Train image classifiers and watch them learn. Your teacher tells you the class code."
NEW_CODE = "Welcome back, {name}. The class has a new code. Type it to continue."
NICKNAME_HELP = "Others see it beside your runs. You need not use your real name."
LEAVE_HELP = "On a computer that others use after you."
LEAVE_WARNING = "This browser forgets you. Your runs stay. To come back as {name}, you need your return code or your teacher."
RETURN_HELP = "Your return code, if you were here before and this browser does not know you."
RETURN_CODE_HELP = "To come back in another browser, or when this one has lost its cookies."
RETURN_CODE = "With a return code you come back as {name} in another browser. A new code replaces the one you have."
CREATED = "Write this code down: it is shown only now. Type it at the entrance beside your nickname and the class code."
OWN_CODE = "class-return-code"  # in the session: the code that was just created


def show_entrance() -> None:
    """Show the form in place of every page."""
    classroom = get_classroom()
    assert classroom is not None  # only a class has an entrance
    st.title("CNN Studio")
    known = classroom.find(browser_token())
    st.write(NEW_CODE.format(name=plain(known.name)) if known else WELCOME)
    with st.form("class-entry", width=420):
        name = known.name if known else st.text_input("Nickname", max_chars=MAX_NAME_LENGTH, key="nickname", help=NICKNAME_HELP)
        code = st.text_input("Class code", type="password", key="class-code", autocomplete="off")
        return_code = (
            ""
            if known
            else st.text_input(
                "Return code",
                key="return-code",
                autocomplete="off",
                help=RETURN_HELP,
                placeholder="only to come back",
                max_chars=40,
            )
        )
        is_sent = st.form_submit_button("Enter", key="class-enter", type="primary", icon=":material/login:")
    if not is_sent:
        return
    try:
        token = classroom.enter(name, code, token=browser_token(), address=st.context.ip_address or "", return_code=return_code)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    keep_token(token)
    st.rerun()


def offer_return_code(person: Person) -> None:
    """Show the button that creates the person's return code, and the code once it is created."""
    with st.popover("Return code", icon=":material/key:", type="tertiary", help=RETURN_CODE_HELP):
        st.write(RETURN_CODE.format(name=plain(person.name)))
        st.button("Create return code", key="class-create-return-code", on_click=_create_return_code, args=(person.id,))
        owner, code = st.session_state.get(OWN_CODE, ("", ""))
        if owner == person.id:
            st.write(CREATED)
            st.code(code, language=None)


def _create_return_code(id: str) -> None:
    classroom = get_classroom()
    assert classroom is not None  # only a class has return codes
    try:
        st.session_state[OWN_CODE] = id, classroom.create_return_code(id)
    except StudioError as error:
        st.toast(plain(error), icon=":material/error:")


def offer_leave(name: str) -> None:
    """Show Leave, with a warning."""
    with st.popover("Leave", icon=":material/logout:", type="tertiary", help=LEAVE_HELP):
        st.write(LEAVE_WARNING.format(name=plain(name)))
        st.button("Leave the class", key="class-leave", on_click=keep_token, args=("",))


def remember_token() -> None:
    """Let the browser fetch the cookie of a person who has just entered, or delete that of one who has left."""
    if ticket := st.session_state.get(TICKET):
        remember(ticket)
