"""Answers without a delay: what the server sends leaves at once.

Streamlit opens its listening socket without naming TCP as its protocol. asyncio then leaves Nagle's algorithm on for its connections: the second
part of an answer, or of a rerun, waits 40 ms for the browser to acknowledge the first. Connections inherit the option of their listening socket.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

OPEN_FILES = Path("/dev/fd")  # Linux and macOS


def send_at_once() -> None:
    """Set TCP_NODELAY for all connections that this process will accept on its listening TCP sockets."""
    numbers = [int(path.name) for path in OPEN_FILES.iterdir()] if OPEN_FILES.is_dir() else []
    for number in numbers:
        with suppress(OSError):  # closed meanwhile, or no socket
            _set_no_delay(os.dup(number))


def _set_no_delay(number: int) -> None:
    """Set the option where `number` is a listening TCP socket, and close `number`. Raises OSError where it is no socket."""
    try:
        one = socket.socket(fileno=number)
    except OSError:
        os.close(number)
        raise
    with one:
        if one.family in (socket.AF_INET, socket.AF_INET6) and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
