"""The person who has signed in, and what they may change; "" where nobody signs in.

claims of the provider --(person_name)--> one permanent name per person: the owner of the runs they start and the images they import

Everybody may see and use everything. Where people sign in, a run or a data set is changed only by its owner and by teachers; what has no
owner (the catalogue's sets, runs from a terminal) only by teachers; and only teachers may name files of the server by their path.
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

OWNED_BY_NOBODY = "Only a teacher can change this."
OWNED_BY_OTHER = "This belongs to {owner}. You can view and use it, but not change it."
ONLY_TEACHERS = (
    "Only teachers may use files of the server by their path. Choose a data set by its name, or import your own images."
)

WEIGHTS_BY_NAME = ("scratch", "pretrained")


def person() -> str:
    """Return the e-mail address of the person at this page, else the provider's permanent name for them; "" where nobody signs in."""
    return person_name(st.user.to_dict()) if is_sign_in_on() else ""


def person_name(claims: Mapping[str, Any]) -> str:
    """Return the permanent name in a provider's claims; "" without a sign-in. An address that the provider marks as unverified is ignored."""
    if not claims.get("is_logged_in"):
        return ""
    is_unverified = str(claims.get("email_verified")).lower() == "false"  # some providers write it as text
    email = "" if is_unverified else str(claims.get("email") or "")
    return email.strip().lower() or str(claims.get("sub") or "")


def may_change(owner: str) -> bool:
    """Whether the person may stop, change or remove what belongs to `owner`."""
    return not is_sign_in_on() or is_teacher() or (person() != "" and person() == owner)


def is_teacher() -> bool:
    """Whether the person is among the server's teachers."""
    return get_store().quota.limits.is_teacher(person())


def show_owner(owner: str) -> None:
    """Show the owner in place of the controls that only the owner may use."""
    st.caption(OWNED_BY_OTHER.format(owner=plain(owner)) if owner else OWNED_BY_NOBODY)


def may_read_paths() -> bool:
    """Whether the person may name files of the server by their path."""
    return not is_sign_in_on() or is_teacher()


def check_paths(config: TrainConfig) -> None:
    """Check that the person may use the files that `config` names by their path. Raises RunError."""
    home, weights = get_store().home, config.model_options.get("weights", "scratch")
    has_path = config.data not in (*CATALOG, *imported_sets(home)) or weights not in WEIGHTS_BY_NAME
    if has_path and not may_read_paths():
        raise RunError(ONLY_TEACHERS)
