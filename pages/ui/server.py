"""The store, the imports and the worker of this server, one each for a studio home."""

from functools import cache

from cnn_core.data.jobs import Jobs
from cnn_core.home import Home
from cnn_core.runs.store import Store
from cnn_core.runs.worker import Worker


@cache
def _store(home: Home) -> Store:
    return Store(home)


@cache
def _jobs(home: Home) -> Jobs:
    return Jobs(home)


@cache
def _worker(home: Home) -> Worker:
    return Worker(_store(home))


def get_store() -> Store:
    """The run store. Raises StudioError when the studio home cannot be used."""
    return _store(Home.from_environment())


def get_jobs() -> Jobs:
    """The imports that are under way or were asked for."""
    return _jobs(Home.from_environment())


def get_worker() -> Worker:
    """The background worker; the server's lifespan starts and stops it."""
    return _worker(Home.from_environment())
