"""Notices: a callback leaves them for the next run, so that none is drawn by a callback within a fragment, of which Streamlit warns."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.shared.image_input import TYPES
from tests.helpers import ROOT

CALLBACKS = ("on_click", "on_change", "on_submit", "on_select", "on_dismiss")
FRAGMENTS = [path for path in (ROOT / "pages").rglob("*.py") if "st.fragment" in path.read_text(encoding="utf-8")]
DRAWS = {"toast", "error", "warning", "info", "success", "write", "markdown", "caption", "html", "spinner"}


def drawn_by(function: ast.AST, functions: dict[str, ast.FunctionDef], seen: set[str]) -> Iterator[str]:
    """Yield what a function draws, itself or through other functions of its module."""
    for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
        match call.func:
            case ast.Attribute(value=ast.Name(id="st"), attr=name) if name in DRAWS:
                yield name
            case ast.Name(id=name) if name in functions and name not in seen:
                yield from drawn_by(functions[name], functions, seen | {name})


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.stem)
def test_no_callback_of_a_module_with_a_fragment_draws(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    keywords = (keyword for node in ast.walk(tree) if isinstance(node, ast.Call) for keyword in node.keywords)
    values = (keyword.value for keyword in keywords if keyword.arg in CALLBACKS)
    callbacks = {name.id for value in values for name in ast.walk(value) if isinstance(name, ast.Name)} & functions.keys()
    assert [(name, drawn) for name in callbacks for drawn in drawn_by(functions[name], functions, {name})] == []


def test_a_callback_in_a_fragment_is_found():
    tree = ast.parse("def told():\n    st.toast('x')\ndef callback():\n    told()\n")
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert list(drawn_by(functions["callback"], functions, {"callback"})) == ["toast"]


def test_a_notice_is_shown_once_by_the_next_run():
    from streamlit.testing.v1 import AppTest

    def page() -> None:
        import streamlit as st

        from pages.shared.notices import notify, show_notices

        show_notices()
        st.button("Save", on_click=notify, args=("Saved.", ":material/save:"))

    at = AppTest.from_function(page).run()
    assert not at.toast
    assert [(toast.value, toast.icon) for toast in at.button[0].click().run().toast] == [("Saved.", ":material/save:")]
    assert not at.run().toast


def test_browsers_accept_the_types_of_uploads():
    assert all(name.replace("_", "a").isalnum() for name in TYPES)
