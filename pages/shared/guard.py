"""Access control for what is not a page, where people sign in or enter a class: our own routes, and Streamlit's route for uploads, which otherwise takes files
into memory from everyone who has opened a page, even the sign-in page.

our routes --(guard_routes)--> the same routes below the server's base path, for admitted people only
"""

import logging
from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pages.shared.people import is_shared, sender

NOT_ADMITTED = "Open the dashboard and sign in or enter first."
UPLOADS = "/_stcore/upload_file"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
OPEN_TO_ALL = "Everybody who can reach this address may do everything. Set CNN_STUDIO_CLASS_CODE, or a sign-in, or put a proxy with a password in front."
Endpoint = Callable[[Request], Awaitable[Response]]


def warn_if_open(address: str) -> None:
    """Warn in the terminal where other machines can reach the server and it admits everybody."""
    if address not in LOOPBACK and not is_shared():
        logging.getLogger("cnn_studio").warning(OPEN_TO_ALL)


def guard_routes(routes: Iterable[Route], base: str) -> list[Route]:
    """Return `routes` below the path `base` ("" for none); each first checks whether the person is admitted."""
    return move_routes([Route(route.path, _guard(route.endpoint)) for route in routes], base)


def move_routes(routes: Iterable[Route], base: str) -> list[Route]:
    """Return `routes` below the path `base` ("" for none), open to everybody."""
    below = f"/{base.strip('/')}" if base.strip("/") else ""
    return [Route(f"{below}{route.path}", route.endpoint, methods=route.methods) for route in routes]


def _guard(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        return await endpoint(request) if _is_admitted(request) else _refuse()

    return answer


class UploadGuard:
    """ASGI middleware that refuses uploads of people who are not admitted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_refused = scope["type"] == "http" and UPLOADS in scope["path"] and not _is_admitted(Request(scope))
        await (_refuse() if is_refused else self._app)(scope, receive, send)


def _is_admitted(request: Request) -> bool:
    return sender(request.cookies).role != "stranger"


def _refuse() -> Response:
    return JSONResponse({"error": NOT_ADMITTED}, status_code=401)
