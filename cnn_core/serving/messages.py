"""Requests read with limits, and answers written, in terms of ASGI (its specification 3.0): what every route of the endpoint needs.

A refusal is a `Refusal`, raised anywhere and told as JSON with a sentence. A body that is refused is drained for a moment, since closing
a connection on a client that still sends makes it lose the answer.
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


class Refusal(Exception):
    """A request that is not answered as was hoped: its HTTP status, and a sentence that says why. `headers`: more of them."""

    def __init__(self, status: int, sentence: str, headers: Headers = ()) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers


class ClientDisconnected(Exception):
    """The client left before it had sent everything."""


def header(scope: Scope, name: bytes) -> str:
    """A header's value, "" without it. name: in small letters."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def check_announced(scope: Scope, most_bytes: int) -> None:
    """Refuse a body that says that it is too large, before any of it is read."""
    announced = header(scope, b"content-length")
    if announced and int(announced) > most_bytes:  # what is no number has been refused by the server
        raise _too_large(most_bytes)


async def read_body(receive: Receive, most_bytes: int, seconds: float) -> bytes:
    """The whole body. Raises Refusal when it is larger or takes longer, Gone when the client leaves."""
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
        raise Refusal(408, f"The picture did not arrive within {seconds:g} seconds. Send it again, or a smaller one.") from None


async def answer_json(send: Send, content: Any, status: int = 200, headers: Headers = ()) -> None:
    await _start(send, status, b"application/json", body := json.dumps(content).encode(), headers)
    await send({"type": "http.response.body", "body": body})


async def answer_text(send: Send, text: str) -> None:
    await _start(send, 200, b"text/plain; charset=utf-8", body := text.encode(), ())
    await send({"type": "http.response.body", "body": body})


async def refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal, *, is_read: bool) -> None:
    """Tell the refusal; `is_read`: whether the request's body was read to its end, else the connection ends too."""
    if is_read:
        await answer_json(send, {"error": str(refusal)}, refusal.status, refusal.headers)
        return
    body = json.dumps({"error": str(refusal)}).encode()
    await _start(send, refusal.status, b"application/json", body, (*refusal.headers, (b"connection", b"close")))
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if not header(scope, b"expect"):  # who waits to be asked for the body sends none
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
    """Read on for a moment and throw it away."""
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
    return Refusal(413, f"The picture is larger than {most_bytes / 2**20:g} MB. Send it smaller.")
