"""Who is there, and what is theirs to change: the person who has signed in, "" where the server asks nobody to.

claims of the provider --(name_of)--> one lasting name a person: the owner of what they start and bring

Everybody may look at everything, compare it and use it. Where people sign in, only the owner of a run or a data set and the teachers change
it, what belongs to nobody in particular (the catalogue's sets, what was started in a terminal) is the teachers', and only they read files of
the server by their path.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import imported_sets
from cnn_core.errors import RunError
from pages.shared.identity import is_sign_in_on
from pages.shared.server import get_store
from pages.shared.text import plain

WEIGHTS_BY_NAME = ("scratch", "pretrained")


def person() -> str:
    """The e-mail address of the person who looks at this page, else the provider's lasting name for them; "" where nobody signs in."""
    return name_of(st.user.to_dict()) if is_sign_in_on() else ""


def name_of(claims: Mapping[str, Any]) -> str:
    """The lasting name in a provider's claims; "" for a stranger. An address that the provider says is unproven is not believed."""
    if not claims.get("is_logged_in"):
        return ""
    is_unproven = str(claims.get("email_verified")).lower() == "false"  # some providers write it as text
    email = "" if is_unproven else str(claims.get("email") or "")
    return email.strip().lower() or str(claims.get("sub") or "")


def may_change(owner: str) -> bool:
    """Whether the person may stop, change or remove what is `owner`'s."""
    return not is_sign_in_on() or is_teacher() or (person() != "" and person() == owner)


def is_teacher() -> bool:
    return get_store().quota.limits.is_teacher(person())


def say_whose(owner: str) -> None:
    """In place of the controls of what is somebody else's: whose it is, and what can be done with it."""
    st.caption(f"This is {plain(owner)}’s: you can look at it and use it." if owner else "Only a teacher can change this.")


def may_read_paths() -> bool:
    """Whether the person may name files of the server by their path."""
    return not is_sign_in_on() or is_teacher()


def check_paths(config: TrainConfig) -> None:
    """Raise RunError where `config` names files of the server by a path and the person may not."""
    home, weights = get_store().home, config.model_options.get("weights", "scratch")
    has_path = config.data not in (*CATALOG, *imported_sets(home)) or weights not in WEIGHTS_BY_NAME
    if has_path and not may_read_paths():
        raise RunError(
            "Only a teacher may use files of the server by their path. Choose a data set by its name, or import your own images."
        )
