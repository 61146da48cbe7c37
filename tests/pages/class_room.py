"""A class on one server, as the tests of the pages open it: people who entered with the class code, and their pages."""

from streamlit.testing.v1 import AppTest

from cnn_core.people.person import Person
from pages.shared.class_token import TOKEN
from pages.shared.server import get_classroom
from tests.pages.studio_harness import prepare_in_frame

CODE, TEACHERS_CODE = "otter-42", "owl-of-the-night"


def enter(name: str, code: str = CODE) -> str:
    """Let a browser enter the class and return its token."""
    room = get_classroom()
    assert room is not None
    return room.enter(name, code)


def who(token: str) -> Person:
    room = get_classroom()
    assert room is not None
    return room.person_of(token)


def open_with(token: str, name: str, **query: str) -> AppTest:
    """Open a page in a browser that keeps `token`; "" for one that has not entered."""
    at = prepare_in_frame(name, query)
    if token:
        at.session_state[TOKEN] = token
    return at.run()
