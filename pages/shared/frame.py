"""The frame around every page, with the navigation.

`app.py` names this file as its script. Pages are given by path, so that a link to a page also shows the frame. Errors that a page does
not handle are shown here as messages. Where people sign in or enter a class, nobody else sees a page.
"""

import streamlit as st

from cnn_core.errors import StudioError
from pages.charts.components.history import keep_history
from pages.charts.components.navigation import follow_page
from pages.shared.class_entry import remember_token
from pages.shared.form_link import leave_form
from pages.shared.links import PAGES
from pages.shared.notices import show_notices
from pages.shared.people import is_shared, is_teacher, this_person
from pages.shared.removed_set import show_data_error
from pages.shared.server import get_directory, get_worker
from pages.shared.sign_in import is_admitted, show_person, show_sign_in


def page(name: str, title: str, icon: str, *, default: bool = False) -> st.Page:
    """Return the page in `pages/{name}.py`."""
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
        **({"Teach": [page("people", "People", "groups")]} if is_shared() and is_teacher() else {}),
    },
    position="sidebar" if is_admitted() else "hidden",
)
# A helper process of the server also runs this file; there is no title and nothing is shown.
if title := getattr(chosen, "title", ""):
    st.set_page_config(page_title=f"{title} · CNN Studio")  # so that tabs, windows and bookmarks differ
if chosen is not configure:
    leave_form()
keep_history(is_form=chosen is configure)
show_notices()
try:
    if is_admitted():
        show_person()
        if is_shared():
            get_directory().note_visit(this_person().id, this_person().name, title)
        chosen.run()
    else:
        show_sign_in()
except StudioError as error:
    show_data_error(error)
remember_token()
follow_page(title)
get_worker().warm_up()
