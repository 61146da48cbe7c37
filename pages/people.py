"""The People page of a server that several people share, for teachers: who is where, who finished what, the queue, disk space, and return codes."""

import streamlit as st

from pages.shared.people import is_teacher
from pages.views.people.outcomes import show_outcomes
from pages.views.people.queue import show_active_runs
from pages.views.people.return_code import show_return_codes
from pages.views.people.visits import show_people

ONLY_FOR_TEACHERS = "Only teachers can open this page."

st.title("People")
if is_teacher():
    show_people()
    show_outcomes()
    show_active_runs()
    show_return_codes()
else:
    st.info(ONLY_FOR_TEACHERS, icon=":material/info:")
