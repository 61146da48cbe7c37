"""The entrance of a class: a nickname and the class code, asked for once in every browser; and leaving, on a computer that others use next."""

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.people.directory import MAX_NAME_LENGTH
from pages.charts.components.remember import remember
from pages.shared.class_token import TICKET, browser_token, keep_token
from pages.shared.server import get_classroom
from pages.shared.text import plain

WELCOME = "Train image classifiers and watch them learn. Your teacher tells you the class code."
NEW_CODE = "Welcome back, {name}. The class has a new code. Type it to continue."
NICKNAME_HELP = "Others see it beside your runs. You need not use your real name."
LEAVE_HELP = "On a computer that others use after you."
LEAVE_WARNING = "This browser forgets you. Your runs stay, but you cannot come back as {name}."


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
        is_sent = st.form_submit_button("Enter", key="class-enter", type="primary", icon=":material/login:")
    if not is_sent:
        return
    try:
        token = classroom.enter(name, code, token=browser_token(), address=st.context.ip_address or "")
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    keep_token(token)
    st.rerun()


def offer_leave(name: str) -> None:
    """Show Leave, with a warning."""
    with st.popover("Leave", icon=":material/logout:", type="tertiary", help=LEAVE_HELP):
        st.write(LEAVE_WARNING.format(name=plain(name)))
        st.button("Leave the class", key="class-leave", on_click=keep_token, args=("",))


def remember_token() -> None:
    """Let the browser fetch the cookie of a person who has just entered, or delete that of one who has left."""
    if ticket := st.session_state.get(TICKET):
        remember(ticket)
