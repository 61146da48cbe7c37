"""The server's run store, import jobs, searches and background worker; there is one of each per studio home."""

import os
from functools import cache, partial

from cnn_core.data.jobs import Jobs
from cnn_core.execution.worker import Worker
from cnn_core.home import Home
from cnn_core.runs.limits import read_limits
from cnn_core.runs.store import Store
from cnn_core.search.search_store import SearchStore
from cnn_core.search.search_worker import work_on_searches
from pages.shared.identity import is_sign_in_on


@cache
def _store(home: Home) -> Store:
    return Store(home, read_limits(os.environ, is_shared=is_sign_in_on()))


@cache
def _jobs(home: Home) -> Jobs:
    return Jobs(home)


@cache
def _searches(home: Home) -> SearchStore:
    return SearchStore(home)


@cache
def _worker(home: Home) -> Worker:
    return Worker(_store(home), {"searcher": partial(work_on_searches, _searches(home), _store(home))})


def get_store() -> Store:
    """Return the run store with its limits per person. Raises StudioError when the studio home or a limit cannot be used."""
    return _store(Home.from_environment())


def get_jobs() -> Jobs:
    """Return the import jobs."""
    return _jobs(Home.from_environment())


def get_searches() -> SearchStore:
    """Return the store of searches."""
    return _searches(Home.from_environment())


def get_worker() -> Worker:
    """Return the background worker, which the server's lifespan starts and stops."""
    return _worker(Home.from_environment())
