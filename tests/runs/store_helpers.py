"""Helpers of the run store tests: many callers at once, scripts in processes of their own, rows of the database."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cnn_core.home import Home
from tests.helpers import start_process

Result = TypeVar("Result")


def at_once(count: int, act: Callable[[int], Result]) -> list[Result]:
    """The results of `act(0)`, `act(1)`, …, all called at the same moment from threads of their own."""
    barrier = threading.Barrier(count)

    def call(number: int) -> Result:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def python(home: Home, script: str, count: int = 1, *arguments: str) -> list[str]:
    """What `count` processes running `script` at the same time print; each must end well."""
    code = "import sys\nfrom cnn_core.home import Home\nfrom cnn_core.runs.store import Store\n" + script
    processes = [start_process(home, "-c", code, *arguments) for _ in range(count)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, outputs
    return [out for out, _ in outputs]


def rows(home: Home, query: str) -> list[tuple]:
    with sqlite3.connect(home.database) as db:
        return db.execute(query).fetchall()


def age(home: Home, run: str) -> None:
    """Let the run be an hour old."""
    with sqlite3.connect(home.database) as db:
        db.execute("update runs set created = created - 3600 where id = ?", (run,))
