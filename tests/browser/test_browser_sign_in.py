"""A dashboard with a sign-in, in a browser: sign in through the provider, protected routes, sign out."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from cnn_core.home import Home
from cnn_core.runs.limits import TEACHERS
from cnn_core.runs.store import Store
from pages.shared.people import OWNED_BY_NOBODY
from pages.shared.sign_in import AS_TEACHER
from tests.browser.pilot import assert_sound, settle, visit
from tests.pages.oidc_provider import Provider, serving, write_secrets
from tests.pages.studio_harness import Server, copy_trained_home

ANN, TEACHER = "ann@school.example", "ada@school.example"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture(scope="module")
def shared(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a dashboard with a sign-in and one finished run without an owner."""
    home = copy_trained_home(tmp_path_factory.mktemp("shared"))
    secrets = write_secrets(home / "secrets.toml", provider.url)
    server = Server(home, "--secrets.files", str(secrets), environment={TEACHERS: TEACHER})
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()


def status_of(server: Server, path: str, cookies: str = "", method: str = "GET") -> int:
    """Return the HTTP status of a request for a route of the server."""
    request = urllib.request.Request(f"{server.url}{path}", headers={"Cookie": cookies}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def cookies_of(context: BrowserContext) -> str:
    return "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in context.cookies())


UPLOAD = "/_stcore/upload_file/session/file"
OWN_ROUTES = ("/api/runs/0001-digits/events", "/api/events?run=0001-digits", "/api/plotly.min.js")


def test_strangers_see_the_sign_in_page_and_get_no_stream(page: Page, shared: Server):
    visit(page, shared, "train", "?run=0001-digits")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    assert "0001-digits" not in page.locator("body").inner_text()
    for path in (*OWN_ROUTES, "/api/sheets/none.webp"):
        assert status_of(shared, path, cookies_of(page.context)) == 401
    assert status_of(shared, UPLOAD, cookies_of(page.context), "PUT") == 401


def test_a_person_signs_in_and_out_through_the_provider(page: Page, shared: Server, provider: Provider):
    provider.person = {"sub": "7", "email": ANN, "email_verified": True}
    visit(page, shared, "start")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_test_id("stSidebarNavLink").first).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).to_contain_text(ANN)
    expect(page.get_by_test_id("stSidebar")).to_contain_text(re.compile(r"\b0 MB\b.*\b2\.0 GB\b"))

    cookies = cookies_of(page.context)
    for path in OWN_ROUTES:
        assert status_of(shared, path, cookies) == 200
    assert status_of(shared, "/api/sheets/none.webp", cookies) == 404
    assert status_of(shared, UPLOAD, cookies, "PUT") not in (200, 204, 401)  # a route of Streamlit: there is no such session
    assert status_of(shared, OWN_ROUTES[0], cookies.replace("_streamlit_user=", "_streamlit_user=x")) == 401

    visit(page, shared, "train", "?run=0001-digits")
    page.wait_for_function("(document.querySelector('[data-chart=loss]')?.data?.[0].x.length ?? 0) > 0")
    expect(page.locator("body")).to_contain_text(OWNED_BY_NOBODY)
    assert_sound(page)

    visit(page, shared, "start")
    page.get_by_role("button", name="Train on digits now").click()
    page.get_by_role("button", name="Stop").click()
    settle(page)
    store = Store(Home(shared.home))
    assert store.runs()[0].owner == ANN

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert status_of(shared, OWN_ROUTES[0], cookies_of(page.context)) == 401


def test_a_teacher_signs_in_as_a_teacher(page: Page, shared: Server, provider: Provider):
    provider.person = {"sub": "8", "email": TEACHER}
    visit(page, shared, "start")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_test_id("stSidebar")).to_contain_text(AS_TEACHER.format(person=TEACHER))
    page.context.clear_cookies()
