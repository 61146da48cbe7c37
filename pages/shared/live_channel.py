"""A live channel: messages for the viewers of something in the run store, one now and one after each change, as Server-Sent Events.

In: a subclass, which reads the store and makes the messages. Out: an asynchronous generator for each viewer. The store is read while there are
viewers. Everything runs on the server's event loop; only reading the store happens on a helper thread.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable

HEARTBEAT_SECONDS = 15  # without a message, after which a comment shows that the connection is open
HEARTBEAT = ": heartbeat\n\n"


class LiveChannel(ABC):
    """What the store holds now, for any number of viewers."""

    def __init__(self) -> None:
        self.viewers = 0
        self._changed = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    @abstractmethod
    def position(self) -> object:
        """A value that differs after each change; None before the store was read."""

    @abstractmethod
    async def _follow(self) -> None:
        """Read the store until nothing changes any more, and notify `_changed` of each change."""

    def _forget(self) -> None:
        """Drop the reader once the last viewer has left: the next one starts another."""
        self._reader = None

    @property
    def has_ended(self) -> bool:
        """Whether the reader has ended, so that nothing is read any more."""
        return self._reader is not None and self._reader.done()

    async def close(self) -> None:
        """End every viewer's messages."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    async def _send(self, next_message: Callable[[], tuple[str, bool]]) -> AsyncGenerator[str, None]:
        """Yield the messages for one viewer. next_message: returns the message at the current position, and whether it is the last one."""
        self.viewers += 1
        self._reader = self._reader or asyncio.create_task(self._follow())
        sent: object = None
        try:
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS), self._changed:
                        await self._changed.wait_for(lambda: self._is_closed or self.position not in (None, sent))  # noqa: B023
                except TimeoutError:
                    yield HEARTBEAT
                    continue
                if self._is_closed:
                    return
                # Both before the message is sent: the channel continues to read meanwhile.
                (message, is_last), sent = next_message(), self.position
                yield message
                if is_last:
                    return
        finally:
            self.viewers -= 1
            if not self.viewers and self._reader and not self.has_ended:
                self._reader.cancel()
                self._forget()
