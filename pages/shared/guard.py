"""What lies beside the pages, closed to strangers where people sign in: our own routes, and Streamlit's for uploads, which takes them into
memory from anybody who has opened a page, the door among them.

routes of stream and sheets --(guarded)--> the same below the server's base path, for whoever may come in; a sentence for all others
"""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pages.shared.identity import claims_of, is_sign_in_on
from pages.shared.people import name_of
from pages.shared.server import get_store

UPLOADS = "/_stcore/upload_file"
Endpoint = Callable[[Request], Awaitable[Response]]


def guarded(routes: Iterable[Route], base: str) -> list[Route]:
    """`routes` below the path `base` ("" for none), each asking first who is there."""
    below = f"/{base.strip('/')}" if base.strip("/") else ""
    return [Route(f"{below}{route.path}", _for_people(route.endpoint)) for route in routes]


def _for_people(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        return await endpoint(request) if _may_come_in(request) else _refusal()

    return answer


class UploadGuard:
    """The ASGI middleware that lets nobody upload who may not come in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_refused = scope["type"] == "http" and UPLOADS in scope["path"] and not _may_come_in(Request(scope))
        await (_refusal() if is_refused else self._app)(scope, receive, send)


def _may_come_in(request: Request) -> bool:
    if not is_sign_in_on():
        return True
    who = name_of(claims_of(request.cookies))
    return who != "" and get_store().quota.limits.may_come_in(who)


def _refusal() -> Response:
    return JSONResponse({"error": "Sign in on the dashboard first."}, status_code=401)
