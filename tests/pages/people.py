"""People of the tests of shared servers, and what they do on a page."""

import asyncio
import re
from collections.abc import Callable

from starlette.responses import Response
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette import starlette_auth_routes

from cnn_core.config.defaults import make_config
from cnn_core.runs.store import Store

ANN, BEN, TEACHER = "ann@school.example", "ben@school.example", "ada@school.example"
HERE = "https://studio.school.example"


Opener = Callable[..., AppTest]


def buttons(at: AppTest) -> set[str]:
    """The keys of the buttons, without the run's id at their end."""
    return {re.sub(r"-\d{4}-\w+$", "", button.key or "") for button in at.button}


def page_text(at: AppTest) -> str:
    return " ".join(part.value for kind in (at.caption, at.error, at.warning, at.markdown, at.info) for part in kind)


def tick(at: AppTest, *rows: int) -> None:
    at.session_state[at.dataframe[0].key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    at.run()


def start(store: Store, owner: str, status: str = "queued") -> str:
    return store.create(make_config(), status, owner=owner)


def signed(claims: dict, *, origin: str = HERE) -> dict[str, str]:
    """The cookies that Streamlit's own sign-in sets, for these claims."""
    response = Response()
    asyncio.run(starlette_auth_routes._set_auth_cookie(response, {**claims, "origin": origin, "is_logged_in": True}, {}))
    headers = [value.decode("latin-1") for name, value in response.raw_headers if name == b"set-cookie"]
    pairs = [header.partition(";")[0].partition("=") for header in headers]
    return {name: value.strip('"') for name, _, value in pairs if value.strip('"') not in ("", "null")}
