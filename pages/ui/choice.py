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
