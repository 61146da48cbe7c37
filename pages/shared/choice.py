"""Boxes in which one of several things is chosen, or all of them or none in particular."""

from collections.abc import Callable, Sequence

import streamlit as st

ALL = ""  # a value of None would be "nothing chosen" to Streamlit, which then offers to clear the box


def choose_or(otherwise: str, label: str, options: Sequence[int], name: Callable[[int], str], **more: object) -> int | None:
    """One of `options` by its `name`, or None: what is called `otherwise`, and stands first. `more`: as for `st.selectbox`."""
    chosen = st.selectbox(label, [ALL, *options], format_func=lambda option: otherwise if option == ALL else name(option), **more)
    return None if chosen == ALL else chosen


def choose_class(label: str, classes: Sequence[str], otherwise: str = "All classes", **more: object) -> int | None:
    """A class's number, or None for all of them."""
    return choose_or(otherwise, label, range(len(classes)), classes.__getitem__, **more)


def choose_number(label: str, first: int, last: int, key: str, **more: object) -> int:
    """A whole number from `first` to `last`. Another one is left to be corrected, told in a sentence, and the nearest is taken.

    The box has no limits of its own: a browser then only turns it red and silently keeps the old number. `more`: as for `st.number_input`.
    """
    st.session_state.setdefault(key, first)
    with st.container(width=more.pop("width", "stretch")):
        given = st.number_input(f"{label} ({first} to {last:,})", value=None, key=key, **({"step": 1} | more))
        number = min(max(first if given is None else given, first), last)
        if given != number:
            st.caption(f":red[{no_such_number(given, first, last)}]")
    return number


def no_such_number(given: int | None, first: int, last: int) -> str:
    """Why a number is not one of those from `first` to `last`."""
    wrong = "Type a number" if given is None else f"There is no number {given:,} here: choose one"
    return f"{wrong} from {first} to {last:,}."
