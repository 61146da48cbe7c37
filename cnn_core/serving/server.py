"""The endpoint on uvicorn: a socket, limits for each connection, and a shutdown that still answers requests in progress.

In: an endpoint and an address. Blocks until SIGINT or SIGTERM. Call it from the main thread, which receives the signals.
"""

import asyncio
import signal
import socket
from collections.abc import Callable

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from cnn_core.errors import StudioError
from cnn_core.serving.endpoint import Endpoint

HEAD_SECONDS, HEAD_BYTES = 10, 16_384  # of the head of a request: time and length
IDLE_SECONDS = 15  # a connection is kept open between requests
CONNECTIONS, BACKLOG = 256, 256
LAST_SECONDS = 30  # for requests in progress at shutdown


class Connection(H11Protocol):
    """A connection that is closed when the head of a request does not arrive in time; uvicorn itself has no such limit."""

    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(error)

    def _watch(self) -> None:
        """Start the timer at the connection or the first byte; stop it when the head is complete."""
        is_waiting = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if not is_waiting:
            self._stop_timer()
        elif self._closing is None:
            self._closing = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _stop_timer(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None


def open_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket; port 0 takes a free port. Raises StudioError if the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # asyncio sends at once only where TCP is named; otherwise the body of an answer waits 40 ms for the client's acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StudioError(f"The address {host}:{port} cannot be used ({reason}). Choose another port with --port.") from None
    return listener


def serve(endpoint: Endpoint, listener: socket.socket, ready: Callable[[], object]) -> None:
    """Answer requests until SIGINT or SIGTERM. `ready` is called when the server listens."""
    server = _Server(_config(endpoint), ready)
    # uvicorn raises the signal again after its own shutdown; the handlers ignore it.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listener])
    finally:
        endpoint.close()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """A server that calls `ready` when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()


def _config(endpoint: Endpoint) -> uvicorn.Config:
    return uvicorn.Config(
        endpoint,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="error",
        limit_concurrency=CONNECTIONS,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=LAST_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
