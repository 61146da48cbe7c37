"""The store and the worker of this server, one each for a studio home."""

from functools import cache

from cnn_core.home import Home
from cnn_core.runs.store import Store
from cnn_core.runs.worker import Worker


@cache
def _store(home: Home) -> Store:
    return Store(home)


@cache
def _worker(home: Home) -> Worker:
    return Worker(_store(home))


def get_store() -> Store:
    """The run store. Raises StudioError when the studio home cannot be used."""
    return _store(Home.from_environment())


def get_worker() -> Worker:
    """The background worker; the server's lifespan starts and stops it."""
    return _worker(Home.from_environment())
