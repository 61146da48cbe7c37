"""Fixtures of the page tests, which run the pages in their frame with `AppTest`, without a browser, in a new studio home."""

import logging
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit.config
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.secrets import secrets_singleton
from streamlit.testing.v1 import AppTest

from cnn_core.home import Home
from cnn_core.people.classroom import CLASS_CODE, TEACHER_CODE
from cnn_core.runs.limits import DISK_QUOTA, QUEUE_LIMIT, TEACHERS
from cnn_core.runs.store import Store
from pages.shared.identity import is_sign_in_on
from tests.pages.class_room import CODE, TEACHERS_CODE
from tests.pages.oidc_provider import write_secrets
from tests.pages.people import HERE, TEACHER
from tests.pages.studio_harness import Server, copy_trained_home, open_in_frame, trained_home

Opener = Callable[..., object]


@pytest.fixture(autouse=True, scope="session")
def quiet_streamlit() -> None:
    """Silence Streamlit, which warns at every call outside a server that there is no browser."""
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("streamlit"):
            logging.getLogger(name).setLevel(logging.ERROR)


@pytest.fixture(autouse=True, scope="session")
def one_scan() -> Iterator[None]:
    """Let Streamlit look for components in the installed packages once, not for every page: it takes a fifth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store of a new studio home."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path / "studio"))
    return Store(Home.from_environment())


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store of a home with one finished run. Tests that change it use `own_trained`."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(trained_home()))
    return Store(Home.from_environment())


@pytest.fixture
def own_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store of a copy of that home, which the test may change."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(copy_trained_home(tmp_path / "studio")))
    return Store(Home.from_environment())


@pytest.fixture
def open_page() -> Opener:
    """Return a function that runs a page in its frame: open_page("train", run="0001-digits")."""
    return lambda name, **query: open_in_frame(name, query)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a dashboard server with an empty home, for the tests of its routes. It must end in time."""
    server = Server(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Path]:
    """Write a file of secrets with a sign-in and make Streamlit read it."""
    path, before = tmp_path / "secrets.toml", streamlit.config.get_option("secrets.files")
    write_secrets(path, "https://accounts.school.example", HERE)
    streamlit.config.set_option("secrets.files", [str(path)])
    secrets_singleton._reset()
    is_sign_in_on.cache_clear()
    yield path
    streamlit.config.set_option("secrets.files", before)
    secrets_singleton._reset()
    is_sign_in_on.cache_clear()


@pytest.fixture
def shared(secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store of a server on which people sign in."""
    for name, value in (
        ("CNN_STUDIO_HOME", str(tmp_path / "studio")),
        (TEACHERS, TEACHER),
        (QUEUE_LIMIT, "2"),
        (DISK_QUOTA, "10 MB"),
    ):
        monkeypatch.setenv(name, value)
    return Store(Home.from_environment())


@pytest.fixture
def classroom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store of a server that serves a class."""
    for name, value in (("CNN_STUDIO_HOME", str(tmp_path / "studio")), (CLASS_CODE, CODE), (TEACHER_CODE, TEACHERS_CODE)):
        monkeypatch.setenv(name, value)
    return Store(Home.from_environment())


@pytest.fixture
def open_as() -> Callable[..., AppTest]:
    """Return a function that runs a page for a person: open_as(ANN, "train", run=…). "" is a stranger."""

    def open_(person: str, name: str, **query: str) -> AppTest:
        user = {"is_logged_in": True, "email": person} if person else {"is_logged_in": False}
        return open_in_frame(name, query, user)

    return open_
