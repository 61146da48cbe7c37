"""Who a person is: claims, the signed cookie, settings of the sign-in."""

import json
import os
import time
from pathlib import Path

import pytest
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette import starlette_app_utils

from cnn_core.errors import StudioError
from pages.shared.identity import UNREADABLE, check_sign_in, claims_of, is_sign_in_on
from pages.shared.people import person_name
from tests.pages.oidc_provider import SECRET
from tests.pages.people import ANN, HERE, TEACHER, signed


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"is_logged_in": True, "email": " Ann@School.example ", "sub": "7"}, ANN),
        ({"is_logged_in": True, "email": ANN, "email_verified": False, "sub": "7"}, "7"),
        ({"is_logged_in": True, "email": ANN, "email_verified": "false", "sub": "7"}, "7"),
        ({"is_logged_in": True, "email": ANN, "email_verified": "true", "sub": "7"}, ANN),
        ({"is_logged_in": True, "sub": "7"}, "7"),
        ({"is_logged_in": False, "email": ANN}, ""),
        ({"email": ANN}, ""),
        ({}, ""),
    ],
)
def test_a_person_is_identified_by_a_verified_address_and_a_stranger_is_nobody(claims: dict, name: str):
    assert person_name(claims) == name


def test_the_cookie_that_streamlit_signs_is_read_as_streamlit_reads_it(secrets: Path):
    assert claims_of(signed({"email": ANN}))["email"] == ANN
    cookies = signed({"email": ANN, "picture": os.urandom(4000).hex()})  # Streamlit splits so long a cookie
    assert len(cookies) > 2 and claims_of(cookies)["email"] == ANN


def test_a_forged_corrupted_expired_or_foreign_cookie_is_refused(secrets: Path, monkeypatch: pytest.MonkeyPatch):
    good = signed({"email": ANN})
    (name, value), *_ = good.items()
    content = json.dumps({"email": TEACHER, "origin": HERE, "is_logged_in": True})
    forged = starlette_app_utils.create_signed_value(SECRET[::-1], name, content).decode()
    assert claims_of({}) == claims_of({name: ""}) == claims_of({name: forged}) == claims_of({name: value[:-2] + "xx"}) == {}
    assert claims_of(signed({"email": ANN}, origin="https://elsewhere.example")) == {}
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 40 * 24 * 3600)
    assert claims_of(good) == {}


def test_a_sign_in_that_cannot_work_is_refused_at_the_start_in_words(secrets: Path):
    check_sign_in()
    for content, what in (
        ("[auth", UNREADABLE),
        ("[auth]\n", "redirect_uri"),
        ('[auth]\ncookie_secret = "x"\n', "redirect_uri"),
    ):
        secrets.write_text(content)
        secrets_singleton._reset()
        is_sign_in_on.cache_clear()
        with pytest.raises(StudioError) as refused:
            check_sign_in()
        assert what in str(refused.value)
