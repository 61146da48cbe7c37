"""The person at this page, and what they may change.

claims of a sign-in, or the token of a browser in a class --(this_person)--> Person: id, name, role

Everybody may see and use everything. Where people share a server, a run or a data set is changed only by its owner and by teachers; what has no
owner (the catalogue's sets, runs from a terminal) only by teachers; and only teachers may name files of the server by their path. Where nobody
signs in and no class is set up, there is one local person, who may do all.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cnn_core.config.schema import TrainConfig
from cnn_core.data.catalog import CATALOG
from cnn_core.data.library import imported_sets
from cnn_core.errors import RunError
from cnn_core.people.person import LOCAL, STRANGER, Person
from pages.shared.class_token import browser_token, token_in
from pages.shared.identity import claims_of, is_sign_in_on
from pages.shared.server import get_classroom, get_directory, get_store
from pages.shared.text import plain

OWNED_BY_NOBODY = "Only a teacher can change this."
OWNED_BY_OTHER = "This belongs to {owner}. You can view and use it, but not change it."
ONLY_TEACHERS = (
    "Only teachers may use files of the server by their path. Choose a data set by its name, or import your own images."
)

WEIGHTS_BY_NAME = ("scratch", "pretrained")


def this_person() -> Person:
    """Return the person at this page; STRANGER for whoever may not see the dashboard."""
    if is_sign_in_on():
        return _signed_in(st.user.to_dict())
    classroom = get_classroom()
    return classroom.person_of(browser_token()) if classroom else LOCAL


def sender(cookies: Mapping[str, str]) -> Person:
    """Return the person whose browser sends a request with these cookies to one of our own routes."""
    if is_sign_in_on():
        return _signed_in(claims_of(cookies))
    classroom = get_classroom()
    return classroom.person_of(token_in(cookies)) if classroom else LOCAL


def _signed_in(claims: Mapping[str, Any]) -> Person:
    name, limits = person_name(claims), get_store().quota.limits
    if not name or not limits.is_allowed(name):
        return STRANGER
    return Person(name, name, "teacher" if limits.is_teacher(name) else "member")


def person_name(claims: Mapping[str, Any]) -> str:
    """Return the permanent name in a provider's claims; "" without a sign-in. An address that the provider marks as unverified is ignored."""
    if not claims.get("is_logged_in"):
        return ""
    is_unverified = str(claims.get("email_verified")).lower() == "false"  # some providers write it as text
    email = "" if is_unverified else str(claims.get("email") or "")
    return email.strip().lower() or str(claims.get("sub") or "")


def person() -> str:
    """Return the id of the person at this page, the owner of what they start or import; "" for the only user of a machine."""
    return this_person().id


def is_shared() -> bool:
    """Whether several people share this server: they sign in, or it serves a class."""
    return is_sign_in_on() or get_classroom() is not None


def may_change(owner: str) -> bool:
    """Whether the person may stop, change or remove what belongs to `owner`."""
    return this_person().may_change(owner)


def is_teacher() -> bool:
    """Whether the person is a teacher of this server."""
    return this_person().role == "teacher"


def owner_name(owner: str) -> str:
    """Return the name of the person with the id `owner`, for display; "" for nobody."""
    if not owner or is_sign_in_on() or not is_shared():  # who signs in is known by their name
        return owner
    return get_directory().name_of(owner)


def show_owner(owner: str) -> None:
    """Show the owner in place of the controls that only the owner may use."""
    st.caption(OWNED_BY_OTHER.format(owner=plain(owner_name(owner))) if owner else OWNED_BY_NOBODY)


def may_read_paths() -> bool:
    """Whether the person may name files of the server by their path."""
    return this_person().may_do_all


def check_paths(config: TrainConfig) -> None:
    """Check that the person may use the files that `config` names by their path. Raises RunError."""
    home, weights = get_store().home, config.model_options.get("weights", "scratch")
    has_path = config.data not in (*CATALOG, *imported_sets(home)) or weights not in WEIGHTS_BY_NAME
    if has_path and not may_read_paths():
        raise RunError(ONLY_TEACHERS)
