"""Fixtures of the browser tests, which use the dashboard in a real Chromium, as a person would."""

import os
import shutil
import time
from asyncio import AbstractEventLoop, _set_running_loop, get_running_loop
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, WebError, expect, sync_playwright

from cnn_core.home import Home
from cnn_core.runs.run import GRACE_SECONDS
from cnn_core.runs.store import Store
from tests.pages.studio_harness import Server, copy_trained_home

# With one process for all tabs of a site, a tab finds the page's scripts compiled: a visit takes half as much processor time.
FLAGS = [
    "--process-per-site",
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
TIMEOUT = 30_000  # milliseconds to wait for anything; the machine may be busy


def find_chromium() -> str:
    """Return the path of Chromium or Chrome. Fails the test where there is none."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    path = next((path for name in names if name and (path := shutil.which(name))), None)
    if not path:
        pytest.fail(
            "The browser tests need Chromium, which was not found. Run `sh tests/browser/install_chromium.sh` to install it, "
            "or set CHROMIUM to the path of its program."
        )
    return path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a dashboard with one finished run, 0001-digits. At the end of the session it must stop on SIGTERM without a traceback."""
    server = Server(copy_trained_home(tmp_path_factory.mktemp("studio")))
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()


@pytest.fixture(scope="session")
def server_store(server: Server) -> Store:
    return Store(Home(server.home))


@pytest.fixture
def store(server_store: Store) -> Iterator[Store]:
    """Return the server's run store, opened in the process of the tests. At the end of a test no run may train: the next one would wait for it."""
    yield server_store
    deadline = time.monotonic() + 2 * GRACE_SECONDS
    while (active := [run.id for run in server_store.runs() if run.is_active]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for run in active:
        server_store.requests.stop(run)
    assert active == []


class Traffic:
    """The addresses that tabs requested, and their JavaScript errors."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.errors: list[str] = []

    def note_request(self, request: Request) -> None:
        self.urls.append(request.url)

    def note_error(self, error: WebError) -> None:
        self.errors.append(str(error.error))

    @property
    def foreign(self) -> list[str]:
        """Return the requests to other hosts than this machine."""
        parts = [(url, urlsplit(url)) for url in self.urls]
        return [url for url, part in parts if part.scheme not in LOCAL_SCHEMES and part.hostname not in OWN_HOSTS]


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a browser profile, in which Streamlit's compiled scripts are cached between tabs."""
    return tmp_path_factory.mktemp("profile")


@pytest.fixture(scope="session")
def running_chromium(profile: Path, server: Server) -> Iterator[tuple[BrowserContext, AbstractEventLoop]]:
    """Return a browser with a tab that stays open, and keeps the process of the site with the compiled scripts alive, and Playwright's loop."""
    path = find_chromium()
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=path, args=FLAGS, viewport={"width": 1280, "height": 900}
        )
        context.set_default_timeout(TIMEOUT)
        context.pages[0].goto(f"{server.url}/_stcore/health")
        loop = get_running_loop()
        yield context, loop
        _set_running_loop(loop)
        context.close()


@pytest.fixture(scope="module")
def chromium(running_chromium: tuple[BrowserContext, AbstractEventLoop]) -> Iterator[BrowserContext]:
    """Return the browser for the tests of a file. At their end it forgets what they allowed the page and who signed in.

    Playwright marks its event loop as running in this thread also while it waits. In between, tests of other files call `asyncio.run`, which
    would fail: the mark is taken away meanwhile.
    """
    context, loop = running_chromium
    _set_running_loop(loop)
    yield context
    context.clear_cookies()
    context.clear_permissions()
    _set_running_loop(None)


@pytest.fixture
def traffic(chromium: BrowserContext) -> Iterator[Traffic]:
    """Return the traffic of the test's tabs. At the end, no tab may have requested another host or raised an error."""
    traffic = Traffic()
    chromium.on("request", traffic.note_request)
    chromium.on("weberror", traffic.note_error)
    yield traffic
    chromium.remove_listener("request", traffic.note_request)
    chromium.remove_listener("weberror", traffic.note_error)
    assert traffic.foreign == []
    assert traffic.errors == []


@pytest.fixture
def open_tab(chromium: BrowserContext, traffic: Traffic) -> Iterator[Callable[[], Page]]:
    chromium.pages[0].evaluate("localStorage.clear()")  # where Streamlit keeps that an earlier test opened or closed the menu
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
