"""Who sends a request: the claims in the signed cookie that Streamlit's sign-in sets.

cookies of a request --(signature, age, origin)--> claims of the person, {} if one of them is wrong

Streamlit (1.67) offers the claims only inside a page, and our own routes need them too; so this module, and no other, uses functions of
Streamlit that are not public.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.auth_util import (
    get_origin_from_redirect_uri,
    get_secrets_auth_section,
    is_authlib_installed,
    validate_auth_credentials,
)
from streamlit.errors import StreamlitAuthError
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_websocket import (  # type: ignore[attr-defined]  # it re-exports the cookie's name silently
    USER_COOKIE_NAME,
    _get_signed_cookie_with_chunks,
    _parse_decoded_user_cookie,
)

from cnn_core.errors import StudioError

UNREADABLE = "The secrets file .streamlit/secrets.toml cannot be read. Correct or remove it."
DEFAULT = "default"  # Streamlit's name for a provider that is set up in [auth] itself


@cache  # if the secrets file is damaged while the server runs, the server must stay closed
def is_sign_in_on() -> bool:
    """Whether people have to sign in: the server's secrets had a table [auth] when it was started."""
    return secrets_singleton.load_if_toml_exists() and "auth" in secrets_singleton  # an empty table is refused by check_sign_in


def providers() -> list[str]:
    """Return the names of the sign-in providers, as `st.login` takes them."""
    section = get_secrets_auth_section()
    named = [name for name, value in section.items() if isinstance(value, Mapping) and name != "client_kwargs"]
    return named or [DEFAULT]


def check_sign_in() -> None:
    """Check the sign-in's set-up when the server starts. Raises StudioError."""
    if not secrets_singleton.load_if_toml_exists() and any(Path(path).exists() for path in st.get_option("secrets.files")):
        raise StudioError(UNREADABLE)
    if not is_sign_in_on():
        return
    if not is_authlib_installed():
        raise StudioError("The sign-in needs the package Authlib. Install it with `pip install -r requirements.txt`.")
    for provider in providers():
        try:
            validate_auth_credentials(provider)
        except StreamlitAuthError as error:
            raise StudioError(f"The sign-in is not set up: {' '.join(str(error).split())}") from None


def claims_of(cookies: Mapping[str, str]) -> dict[str, Any]:
    """Return the provider's claims about the person whose browser sends these cookies; {} unless they are signed, fresh and for this address."""
    cookie = _get_signed_cookie_with_chunks(dict(cookies), USER_COOKIE_NAME)
    return _parse_decoded_user_cookie(cookie, get_origin_from_redirect_uri() or "") if cookie else {}
