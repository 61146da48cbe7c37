"""The routes beside the pages, as the server offers them: below its base path, and closed to strangers where people sign in.

routes of stream and sheets --(guarded)--> the same for whoever may come in; a sentence for all others
"""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pages.ui.identity import claims_of, is_sign_in_on
from pages.ui.people import name_of
from pages.ui.server import get_store

Endpoint = Callable[[Request], Awaitable[Response]]


def guarded(routes: Iterable[Route], base: str) -> list[Route]:
    """`routes` below the path `base` ("" for none), each asking first who is there."""
    below = f"/{base.strip('/')}" if base.strip("/") else ""
    return [Route(f"{below}{route.path}", _for_people(route.endpoint)) for route in routes]


def _for_people(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        if not is_sign_in_on() or _may_come_in(request):
            return await endpoint(request)
        return JSONResponse({"error": "Sign in on the dashboard first."}, status_code=401)

    return answer


def _may_come_in(request: Request) -> bool:
    who = name_of(claims_of(request.cookies))
    return who != "" and get_store().limits.may_come_in(who)
