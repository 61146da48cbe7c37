"""Who is there: the person who has signed in, "" where the server asks nobody to.

claims of the provider --(name_of)--> one lasting name a person: the owner of what they start
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.identity import is_sign_in_on


def person() -> str:
    """The e-mail address of the person who looks at this page, else the provider's lasting name for them; "" where nobody signs in."""
    return name_of(st.user.to_dict()) if is_sign_in_on() else ""


def name_of(claims: Mapping[str, Any]) -> str:
    """The lasting name in a provider's claims; "" for a stranger. An address that the provider says is unproven is not believed."""
    if not claims.get("is_logged_in"):
        return ""
    email = "" if claims.get("email_verified") is False else str(claims.get("email") or "")
    return email.strip().lower() or str(claims.get("sub") or "")
