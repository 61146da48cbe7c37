"""Page tests run the real pages through the frame, with a studio home of their own and no browser."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cnn_core.home import Home
from cnn_core.runs.store import Store
from tests.pages.studio_harness import Server, copy_trained_home, open_in_frame, trained_home

Opener = Callable[..., object]


@pytest.fixture(autouse=True, scope="session")
def quiet_streamlit() -> None:
    """Outside a server Streamlit warns at every call that there is no browser."""
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("streamlit"):
            logging.getLogger(name).setLevel(logging.ERROR)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of a studio home in which nothing has happened yet."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path / "studio"))
    return Store(Home.from_environment())


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of a home with one finished run, shared by tests that change nothing."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(trained_home()))
    return Store(Home.from_environment())


@pytest.fixture
def own_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same in a copy that the test may spoil."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(copy_trained_home(tmp_path / "studio")))
    return Store(Home.from_environment())


@pytest.fixture
def open_page() -> Opener:
    """open_page("train", run="0001-digits"): that page in its frame, run once, as an AppTest."""
    return lambda name, **query: open_in_frame(name, query)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dashboard server with an empty home, shared by the tests of its routes; it has to end in time."""
    server = Server(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()
