"""The door of a server that many share: whoever has not signed in sees this page and no other; whoever has sees who they are, the disk
space that is theirs, and Sign out. Where nobody signs in there is no door, and nothing of this is shown."""

from pathlib import Path

import streamlit as st

from cnn_core.runs.limits import space_in_words
from pages.shared.identity import DEFAULT, is_sign_in_on, providers
from pages.shared.people import is_teacher, person
from pages.shared.server import get_store
from pages.shared.text import plain

COUNTED_SECONDS = 20  # for so long a person's disk space is not counted again for this display


def is_let_in() -> bool:
    """Whether the person may see the dashboard."""
    return not is_sign_in_on() or (person() != "" and get_store().quota.limits.may_come_in(person()))


def ask_to_sign_in() -> None:
    """What is shown in place of every page."""
    st.title("CNN Studio")
    if who := person():
        st.warning(f"You have signed in as {plain(who)}, who is not on this server's list. Ask its teacher to add you.")
        _offer_sign_out()
        return
    st.write("Train image classifiers and watch them learn, together with the others on this server. Sign in to begin.")
    for provider in providers():
        label = "Sign in" if provider == DEFAULT else f"Sign in with {plain(provider.capitalize())}"
        if st.button(label, type="primary", icon=":material/login:"):
            st.login(provider)


def show_person() -> None:
    """In the sidebar: who has signed in, the disk space that is theirs, and Sign out."""
    who, quota = person(), get_store().quota.limits.disk_quota
    if not who and quota is None:
        return
    with st.sidebar:
        if who:
            st.text(f"{who}{', teacher' if is_teacher() else ''}")  # a caption would make a link of an address
        if quota is not None:
            used = _used(get_store().home.root, who)
            st.caption(
                f"Disk: {space_in_words(used)} of {space_in_words(quota)}",
                help="Space that your runs, those in the bin among them, and your images take.",
            )
            st.progress(min(1.0, used / quota))
        if who:
            _offer_sign_out()


def _offer_sign_out() -> None:
    if st.button("Sign out", icon=":material/logout:", type="tertiary"):
        st.logout()


@st.cache_data(ttl=COUNTED_SECONDS, show_spinner=False)
def _used(root: Path, who: str) -> int:
    return get_store().quota.used_bytes(who)
