"""Who a request comes from, read as Streamlit reads it: the signed cookie that its sign-in sets. Streamlit offers this only inside a
page; the routes beside the pages need it too. The one module that uses functions of Streamlit's which are not public (1.67).

cookies of a request --(signature, age, origin)--> claims of the person, {} for a stranger
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
from streamlit.web.server.starlette.starlette_websocket import (
    USER_COOKIE_NAME,
    _get_signed_cookie_with_chunks,
    _parse_decoded_user_cookie,
)

from cnn_core.errors import StudioError

DEFAULT = "default"  # how Streamlit calls a provider that stands in [auth] itself


@cache  # a file of secrets that is spoilt while the server runs must not open it
def is_sign_in_on() -> bool:
    """Whether people have to sign in: there was a table [auth] among the server's secrets when it was started."""
    return (
        secrets_singleton.load_if_toml_exists() and "auth" in secrets_singleton
    )  # also an empty one, which is refused at the start


def providers() -> list[str]:
    """Where people can sign in, as `st.login` names them."""
    section = get_secrets_auth_section()
    named = [name for name, value in section.items() if isinstance(value, Mapping) and name != "client_kwargs"]
    return named or [DEFAULT]


def check_sign_in() -> None:
    """Refuse a sign-in that could not work, before anybody is there. Raises StudioError."""
    if not secrets_singleton.load_if_toml_exists() and any(Path(path).exists() for path in st.get_option("secrets.files")):
        raise StudioError("The file of secrets cannot be read. Correct it, or remove it: .streamlit/secrets.toml.")
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
    """What the provider said of the person whose browser sends these cookies; {} unless they are signed, fresh and for this address."""
    cookie = _get_signed_cookie_with_chunks(dict(cookies), USER_COOKIE_NAME)
    return _parse_decoded_user_cookie(cookie, get_origin_from_redirect_uri() or "") if cookie else {}
