"""Browser tests drive a real Chromium against a dashboard server of their own, as a person would."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, WebError, expect, sync_playwright

from cnn_core.home import Home
from cnn_core.runs.store import Store
from tests.pages.studio_harness import Server, copy_trained_home

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OWN_HOSTS = {"127.0.0.1", "localhost"}
LOCAL_SCHEMES = {"data", "blob", "about"}
PATIENCE = 30_000  # milliseconds to wait for anything; the machine may be busy


def find_chromium() -> str:
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if not found:
        pytest.fail(
            "The browser tests need a Chromium and there is none. `sh tests/browser/install_chromium.sh` installs it where it can "
            "and says what to install where it cannot; CHROMIUM may name its program."
        )
    return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dashboard, with one finished run (0001-digits) in its home; at the end it has to go when told to."""
    server = Server(copy_trained_home(tmp_path_factory.mktemp("studio")))
    yield server
    store = Store(Home(server.home))
    for run in store.runs():
        if run.is_active:
            store.requests.stop(run.id)
    server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()


@pytest.fixture(scope="session")
def store(server: Server) -> Store:
    """The server's run store, as a second process sees it."""
    return Store(Home(server.home))


class Watched:
    """What tabs asked for and complained about."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.errors: list[str] = []

    def note_request(self, request: Request) -> None:
        self.urls.append(request.url)

    def note_error(self, error: WebError) -> None:
        self.errors.append(str(error.error))

    @property
    def foreign(self) -> list[str]:
        """Requests to anything but this machine."""
        parts = [(url, urlsplit(url)) for url in self.urls]
        return [url for url, part in parts if part.scheme not in LOCAL_SCHEMES and part.hostname not in OWN_HOSTS]


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A browser profile, in which Streamlit's scripts stay compiled from one tab to the next."""
    return tmp_path_factory.mktemp("profile")


# Of a module, not of the session: as long as it lives, Playwright runs an event loop in this thread, and asyncio.run cannot.
@pytest.fixture(scope="module")
def chromium(profile: Path) -> Iterator[BrowserContext]:
    path = find_chromium()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=path, args=FLAGS, viewport={"width": 1280, "height": 900}
        )
        context.set_default_timeout(PATIENCE)
        yield context
        context.close()


@pytest.fixture
def watched(chromium: BrowserContext) -> Iterator[Watched]:
    """What the test's tabs ask for: none may ask another host, or raise an error, by the end of the test."""
    watched = Watched()
    chromium.on("request", watched.note_request)
    chromium.on("weberror", watched.note_error)
    yield watched
    chromium.remove_listener("request", watched.note_request)
    chromium.remove_listener("weberror", watched.note_error)
    assert watched.foreign == []
    assert watched.errors == []


@pytest.fixture
def open_tab(chromium: BrowserContext, watched: Watched) -> Iterator[Callable[[], Page]]:
    tabs: list[Page] = []

    def open_() -> Page:
        tabs.append(chromium.new_page())
        return tabs[-1]

    yield open_
    for tab in tabs:
        tab.close()


@pytest.fixture
def page(open_tab: Callable[[], Page]) -> Page:
    return open_tab()
