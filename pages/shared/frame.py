"""The frame around every page, and the dashboard's table of contents.

`app.py` names this file as its script. Pages are given by path, so that a deep link shows the frame too; a mistake of the
person's that a page lets through is shown here, in words. Where people sign in, nobody else is shown a page.
"""

import streamlit as st

from cnn_core.errors import StudioError
from pages.shared.form_link import leave_form
from pages.shared.links import PAGES
from pages.shared.server import get_worker
from pages.shared.sign_in import ask_to_sign_in, is_let_in, show_person
from pages.shared.text import plain


def page(name: str, title: str, icon: str, *, default: bool = False) -> object:
    return st.Page(
        PAGES / f"{name}.py", title=title, icon=f":material/{icon}:", url_path=None if default else name, default=default
    )


st.set_page_config(page_icon=PAGES / "shared" / "icon.png", layout="wide")
st.html(PAGES / "shared" / "frame.css")
st.logo(PAGES / "shared" / "logo.svg", size="large")
chosen = st.navigation(
    {
        "": [page("start", "Start", "home", default=True)],
        "Train": [
            page("data", "Data", "photo_library"),
            configure := page("configure", "Configure", "tune"),
            page("train", "Train", "show_chart"),
            page("runs", "Runs", "table_rows"),
            page("search", "Search", "manage_search"),
        ],
        "Understand": [page("evaluate", "Evaluate", "fact_check"), page("gallery", "Gallery", "gesture")],
        "Learn": [page("learn", "Learn", "school")],
    },
    position="sidebar" if is_let_in() else "hidden",
)
if title := getattr(chosen, "title", ""):  # none in a helper process of the server, which runs this file anew and shows nothing
    st.set_page_config(page_title=f"{title} · CNN Studio")  # which tab, window or bookmark is which
if chosen is not configure:
    leave_form()
try:
    if is_let_in():
        show_person()
        chosen.run()
    else:
        ask_to_sign_in()
except StudioError as error:
    st.error(plain(error), icon=":material/error:")
get_worker().warm_up()
