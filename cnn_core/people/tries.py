"""The limit on wrong codes: whoever tries many has to wait, so that a code cannot be found by trying.

In: addresses from which codes are tried. Out: whether another try is allowed. Kept in memory.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

PER_ADDRESS, IN_ALL = 10, 100  # wrong codes within PERIOD_SECONDS
PERIOD_SECONDS = 600.0


class Tries:
    """Counts wrong codes, from each address and in all. May be shared between threads. clock: seconds, never running backwards."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._wrong: deque[tuple[float, str]] = deque(maxlen=IN_ALL)

    def are_left(self, address: str) -> bool:
        """Whether `address` may try a code. "": the address is unknown, so only the limit for all counts."""
        with self._lock:
            since = self._clock() - PERIOD_SECONDS
            recent = [other for at, other in self._wrong if at > since]
        return len(recent) < IN_ALL and (not address or recent.count(address) < PER_ADDRESS)

    def add_wrong(self, address: str) -> None:
        """Count a wrong code from `address`."""
        with self._lock:
            self._wrong.append((self._clock(), address))
