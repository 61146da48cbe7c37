"""The secret token by which a browser of a class is known: in a cookie that scripts cannot read, and in the session that has just entered.

The session has the token at once; the cookie is set by a route of ours, since a page cannot set one. A page hands the browser a ticket, which is
good for one request within a minute, and the route changes it into the cookie. So the token is in no address, no page and no log.

    page --ticket--> browser --POST /api/class/cookie--> cookie
"""

import secrets
import threading
import time
from collections.abc import Mapping

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

COOKIE = "cnn_studio_person"
TOKEN, TICKET = "class-token", "class-ticket"  # keys of the session
COOKIE_SECONDS = 180 * 24 * 3600
TICKET_SECONDS, TICKET_LENGTH = 60.0, 100

_tickets: dict[str, tuple[str, float]] = {}  # ticket -> token, "" to delete the cookie; time of issue
_lock = threading.Lock()


def browser_token() -> str:
    """Return the token of the browser that shows this page, "" if it has none."""
    return str(st.session_state.get(TOKEN, token_in(st.context.cookies)))


def token_in(cookies: Mapping[str, str]) -> str:
    """Return the token among the cookies of a request, "" if there is none."""
    return cookies.get(COOKIE, "")


def keep_token(token: str) -> None:
    """Use `token` in this session from now on, and let the browser keep it; "" makes the browser forget the one it has."""
    st.session_state[TOKEN] = token
    st.session_state[TICKET] = _issue(token)


def _issue(token: str) -> str:
    ticket, now = secrets.token_urlsafe(32), time.monotonic()
    with _lock:
        for old in [old for old, (_, issued) in _tickets.items() if now - issued > TICKET_SECONDS]:
            del _tickets[old]
        _tickets[ticket] = token, now
    return ticket


def _redeem(ticket: str) -> str | None:
    """Return the token for a ticket, which is used up then; None for one that is unknown, used or old."""
    with _lock:
        token, issued = _tickets.pop(ticket, (None, 0.0))
    return token if token is not None and time.monotonic() - issued <= TICKET_SECONDS else None


async def set_cookie(request: Request) -> Response:
    """POST /api/class/cookie with a ticket as the body: set or delete the cookie."""
    if not 0 < int(request.headers.get("content-length") or 0) <= TICKET_LENGTH:
        return Response(status_code=400)
    token = _redeem((await request.body()).decode("ascii", "replace"))
    if token is None:
        return Response(status_code=403)
    response = Response(status_code=204)
    is_secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    response.set_cookie(COOKIE, token, max_age=COOKIE_SECONDS if token else 0, httponly=True, samesite="strict", secure=is_secure)
    return response


routes = [Route("/api/class/cookie", set_cookie, methods=["POST"])]
