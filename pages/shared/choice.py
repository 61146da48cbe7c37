"""Select boxes with an entry for all options, and an input for a number in a range."""

from collections.abc import Callable, Sequence
from typing import cast

import streamlit as st

ALL_CLASSES = "All classes"
NEW_CLASS, CHOOSE_CLASS = "New class", "Choose a class"
ALL = ""  # Streamlit takes None for "nothing chosen", and then offers to clear the box


def choose_optional(
    all_label: str,
    label: str,
    options: Sequence[int],
    describe: Callable[[int], str],
    *,
    key: str | None = None,
    width: int | None = None,
    help: str | None = None,
) -> int | None:
    """Return one of `options`, or None for the first entry, which is labelled `all_label`."""
    chosen = st.selectbox(
        label,
        [ALL, *options],
        format_func=lambda option: all_label if option == ALL else describe(option),
        key=key,
        width=width or "stretch",
        help=help,
    )
    return None if chosen == ALL else cast(int, chosen)


def choose_class(
    label: str, classes: Sequence[str], all_label: str = ALL_CLASSES, *, key: str | None = None, width: int | None = None
) -> int | None:
    """Return the index of a class, or None for all classes."""
    return choose_optional(all_label, label, range(len(classes)), classes.__getitem__, key=key, width=width)


def choose_new_class(classes: Sequence[str], key: str, suggested: Sequence[int] = (), *, hides_label: bool = False) -> int | None:
    """Return the index of the class to give to images; None until one is chosen, because no label is changed without a choice.

    suggested: classes at the top of the list. hides_label: show the field without its label, in a bar of buttons.
    """
    options = list(dict.fromkeys([*suggested, *range(len(classes))]))
    chosen: int | None = st.selectbox(
        NEW_CLASS,
        options,
        index=None,
        format_func=classes.__getitem__,
        placeholder=CHOOSE_CLASS,
        width=200,
        key=key,
        label_visibility="collapsed" if hides_label else "visible",
    )
    return chosen


def choose_number(label: str, first: int, last: int, key: str, *, step: int = 1, width: int | None = None) -> int:
    """Return a whole number from `first` to `last`: the one in the box, or the nearest, with a message where it is out of range.

    The box has no limits of its own: a browser would only turn it red and silently keep the old number.
    """
    st.session_state.setdefault(key, first)
    with st.container(width=width or "stretch"):
        typed = st.number_input(label, value=None, step=step, key=key, placeholder=f"{first} to {last:,}")
        number = min(max(first if typed is None else typed, first), last)
        if typed != number:
            st.caption(f":red[{number_message(typed, first, last)}]")
    return number


def number_message(typed: int | None, first: int, last: int) -> str:
    """Return why `typed` is not a number from `first` to `last`, and what to do."""
    if typed is None:
        return f"Type a number from {first} to {last:,}."
    return f"{typed:,} is out of range. Type a number from {first} to {last:,}."
