"""Notices that appear for a moment, as toasts.

A callback does not show them itself: in a fragment, Streamlit would draw what a callback shows in a wrong place, and warns of it. It leaves them
in the session, and the page or the fragment that is run next shows them.
"""

import streamlit as st

NOTICES = "notices"  # in the session: texts and icons to show


def notify(text: str, icon: str | None = None) -> None:
    """Let the next run show a notice. To be called in a callback."""
    st.session_state.setdefault(NOTICES, []).append((text, icon))


def show_notices() -> None:
    """Show the notices that callbacks left. To be called by the frame, and by every fragment whose callbacks leave some."""
    for text, icon in st.session_state.pop(NOTICES, ()):
        st.toast(text, icon=icon)
