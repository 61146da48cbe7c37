"""The server's run store, import jobs, searches, people and background worker; there is one of each per studio home."""

import os
from functools import cache, partial

from cnn_core.data.jobs import Jobs
from cnn_core.errors import StudioError
from cnn_core.execution.worker import Worker
from cnn_core.home import Home
from cnn_core.people.classroom import CLASS_CODE, Classroom, read_codes
from cnn_core.people.directory import Directory
from cnn_core.runs.limits import read_limits
from cnn_core.runs.store import Store
from cnn_core.search.search_store import SearchStore
from cnn_core.search.search_worker import work_on_searches
from pages.shared.identity import is_sign_in_on

TWO_WAYS_IN = f"This server has a sign-in and a class code. Remove one of them: the table [auth] of the secrets, or {CLASS_CODE}."


@cache
def _store(home: Home) -> Store:
    return Store(home, read_limits(os.environ, is_shared=is_sign_in_on() or _classroom(home) is not None))


@cache
def _classroom(home: Home) -> Classroom | None:
    codes = read_codes(os.environ)
    if codes and is_sign_in_on():
        raise StudioError(TWO_WAYS_IN)
    return Classroom(home, codes) if codes else None


@cache
def _directory(home: Home) -> Directory:
    classroom = _classroom(home)
    return classroom.directory if classroom else Directory(home)


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


def get_classroom() -> Classroom | None:
    """Return the class that this server serves, None for none. Raises StudioError when its codes cannot be used."""
    return _classroom(Home.from_environment())


def get_directory() -> Directory:
    """Return the people of a server that several people share."""
    return _directory(Home.from_environment())


def get_jobs() -> Jobs:
    """Return the import jobs."""
    return _jobs(Home.from_environment())


def get_searches() -> SearchStore:
    """Return the store of searches."""
    return _searches(Home.from_environment())


def get_worker() -> Worker:
    """Return the background worker, which the server's lifespan starts and stops."""
    return _worker(Home.from_environment())
