"""Reading requests with limits and writing responses, in terms of ASGI (specification 3.0).

A `Refusal` can be raised anywhere and becomes a JSON response with a message. A refused body is read for a moment longer, because a
client that is still sending when the connection closes loses the response.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]
DRAIN_SECONDS, DRAIN_BYTES = 2.0, 2**26
NOT_ARRIVED = "The image did not arrive within {seconds:g} seconds. Send it again, or send a smaller one."
TOO_LARGE = "The image is larger than {limit:g} MB. Send a smaller one."


class Refusal(Exception):
    """A request that cannot be answered. status: the HTTP status; message: what happened and what to do; headers: additional headers of the response."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class ClientDisconnected(Exception):
    """The client disconnected before it had sent the whole body."""


def header(scope: Scope, name: bytes) -> str:
    """Return the value of a header, "" without it. name: in lower case."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def check_announced(scope: Scope, most_bytes: int) -> None:
    """Refuse a body whose announced length is too large, before any of it is read."""
    announced = header(scope, b"content-length")
    if announced and int(announced) > most_bytes:  # the server has refused what is not a number
        raise _too_large(most_bytes)


async def read_body(receive: Receive, most_bytes: int, seconds: float) -> bytes:
    """Return the whole body. Raises Refusal if it is larger or takes longer, ClientDisconnected if the client disconnects."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnected
                body += message.get("body", b"")
                if len(body) > most_bytes:
                    raise _too_large(most_bytes)
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Refusal(408, NOT_ARRIVED.format(seconds=seconds)) from None


async def answer_json(send: Send, content: Any, status: int = 200, headers: Headers = ()) -> None:
    """Send a response with `content` as JSON."""
    await _start(send, status, b"application/json", body := json.dumps(content).encode(), headers)
    await send({"type": "http.response.body", "body": body})


async def answer_text(send: Send, text: str) -> None:
    """Send a response with plain text."""
    await _start(send, 200, b"text/plain; charset=utf-8", body := text.encode(), ())
    await send({"type": "http.response.body", "body": body})


async def refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal, *, is_read: bool) -> None:
    """Send the refusal. is_read: whether the body of the request was read to its end; otherwise the connection is closed too."""
    if is_read:
        await answer_json(send, {"error": str(refusal)}, refusal.status, refusal.headers)
        return
    body = json.dumps({"error": str(refusal)}).encode()
    await _start(send, refusal.status, b"application/json", body, (*refusal.headers, (b"connection", b"close")))
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if not header(scope, b"expect"):  # a client that waits for 100 Continue sends no body
        await _drain(receive)
    await send({"type": "http.response.body"})


async def _start(send: Send, status: int, kind: bytes, body: bytes, headers: Headers) -> None:
    usual = (
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    )
    await send({"type": "http.response.start", "status": status, "headers": [*usual, *headers]})


async def _drain(receive: Receive) -> None:
    """Read and discard the rest of the body for a short time."""
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


def _too_large(most_bytes: int) -> Refusal:
    return Refusal(413, TOO_LARGE.format(limit=most_bytes / 2**20))
