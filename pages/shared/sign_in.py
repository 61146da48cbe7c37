"""The entrance of a shared server: people who have not signed in or entered the class see only this page; the sidebar shows the others their
name, their disk space and how to leave. On a server without sign-in and class code nothing of this is shown."""

from pathlib import Path

import streamlit as st

from cnn_core.text import format_bytes
from pages.shared.class_entry import offer_leave, offer_return_code, show_entrance
from pages.shared.identity import DEFAULT, is_sign_in_on, providers
from pages.shared.people import person_name, this_person
from pages.shared.server import get_store
from pages.shared.text import plain

AS_TEACHER = "{person}, teacher"
DISK_SPACE = "Disk: {used} of {quota}"
DISK_SPACE_SECONDS = 20  # the displayed disk space is at most this old


def is_admitted() -> bool:
    """Whether the person may see the dashboard."""
    return this_person().role != "stranger"


def show_sign_in() -> None:
    """Show the sign-in, or the entrance of a class, in place of every page."""
    if not is_sign_in_on():
        show_entrance()
        return
    st.title("CNN Studio")
    if who := person_name(st.user.to_dict()):
        st.warning(f"You are signed in as {plain(who)}, but this name is not on the server's list. Ask your teacher to add you.")
        _offer_sign_out()
        return
    st.write("Train image classifiers and watch them learn. Sign in to begin.")
    for provider in providers():
        label = "Sign in" if provider == DEFAULT else f"Sign in with {plain(provider.capitalize())}"
        if st.button(label, key=f"sign-in-{provider}", type="primary", icon=":material/login:"):
            st.login(provider)


def show_person() -> None:
    """Show in the sidebar who the person is, their disk space, and how to leave."""
    who, quota = this_person(), get_store().quota.limits.disk_quota
    if not who.name and quota is None:
        return
    with st.sidebar:
        if who.name:  # a caption would turn an e-mail address into a link
            st.text(AS_TEACHER.format(person=who.name) if who.role == "teacher" else who.name)
        if quota is not None:
            used = _used(get_store().home.root, who.id)
            st.caption(
                DISK_SPACE.format(used=format_bytes(used), quota=format_bytes(quota)),
                help="Disk space of your runs, including those in the bin, and of your images.",
            )
            st.progress(min(1.0, used / quota))
        if who.name and is_sign_in_on():
            _offer_sign_out()
        elif who.name:
            offer_return_code(who)
            offer_leave(who.name)


def _offer_sign_out() -> None:
    if st.button("Sign out", key="sign-out", icon=":material/logout:", type="tertiary"):
        st.logout()


@st.cache_data(ttl=DISK_SPACE_SECONDS, show_spinner=False)
def _used(root: Path, who: str) -> int:
    return get_store().quota.used_bytes(who)
