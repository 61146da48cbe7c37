"""Files that are made when asked for: a button, and where the file is made, what offers it.

In: how it is made, and what it depends on. Out: what was made, kept for this session until it would be made of something else.
"""

from collections.abc import Callable, Generator
from typing import TypeVar

import streamlit as st

from cnn_core.errors import StudioError
from cnn_core.events import Progress
from pages.shared.progress import CANCELLED, watch
from pages.shared.text import plain

Made = TypeVar("Made")


def make_or_offer(
    shelf: str,
    name: str,
    asked: str,
    button: dict[str, object],
    make: Callable[[], Generator[Progress, None, Made]],
    offer: Callable[[Made], None],
) -> None:
    """The button (label, icon, key and so on) that has `name` made, or `offer` of what is made.

    `shelf`: where the session keeps it. `asked`: the same text for the same content, so that it is made anew for another one.
    """
    made: dict[str, tuple[str, Made]] = st.session_state.setdefault(shelf, {})
    if name in made and made[name][0] != asked:
        del made[name]
    if name in made:
        offer(made[name][1])
    elif st.button(on_click=st.session_state.pop, args=(CANCELLED, None), **button):
        try:
            made[name] = asked, watch(make(), f"{shelf}-{button['key']}")
        except StudioError as error:
            st.error(plain(error), icon=":material/error:")
        else:
            st.rerun()
