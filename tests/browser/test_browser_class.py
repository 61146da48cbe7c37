"""A class on one server in two browsers: each enters once, is known after a reload, and sees and changes only what is its own."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from cnn_core.home import Home
from cnn_core.people.classroom import CLASS_CODE, TEACHER_CODE
from cnn_core.runs.store import Store
from pages.shared.class_token import COOKIE
from pages.shared.people import OWNED_BY_OTHER
from tests.browser.pilot import assert_sound, settle, visit
from tests.pages.class_room import CODE, TEACHERS_CODE
from tests.pages.studio_harness import Server


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a dashboard that serves a class; no code and no token may be in its log."""
    server = Server(tmp_path_factory.mktemp("class"), environment={CLASS_CODE: CODE, TEACHER_CODE: TEACHERS_CODE})
    yield server
    server.stop()
    log = server.log.read_text()
    assert "Traceback" not in log and CODE not in log and TEACHERS_CODE not in log, log


def enter(page: Page, server: Server, name: str, code: str = CODE) -> str:
    """Enter the class and return the cookie once the browser has it."""
    visit(page, server, "start")
    page.get_by_role("textbox", name="Nickname").fill(name)
    page.get_by_role("textbox", name="Class code").fill(code)
    with page.expect_response(lambda response: response.url.endswith("/api/class/cookie")) as answer:
        page.get_by_role("button", name="Enter", exact=True).click()
    assert answer.value.status == 204 and code not in page.url
    expect(page.get_by_test_id("stSidebar")).to_contain_text(name)
    return token_of(page.context)


def token_of(context: BrowserContext) -> str:
    (cookie,) = (cookie for cookie in context.cookies() if cookie["name"] == COOKIE)
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    return cookie["value"]


def status_of(server: Server, path: str, token: str) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(server.url + path, headers={"Cookie": f"{COOKIE}={token}"}), timeout=30
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def await_charts(page: Page) -> None:
    """Wait until the page has its chart library, which is refused to a browser that has lost its cookie meanwhile."""
    page.wait_for_function("window.Plotly")


def test_two_browsers_are_two_people_after_a_reload_too(page: Page, open_tab: Callable[[], Page], school: Server):
    ann = enter(page, school, "Ann")
    page.get_by_role("button", name="Train on digits").first.click()
    page.wait_for_url("**/train?run=*")
    await_charts(page)
    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    settle(page)
    (run,) = Store(Home(school.home)).runs()
    page.reload()
    expect(page.get_by_test_id("stSidebar")).to_contain_text("Ann")
    await_charts(page)
    assert_sound(page)
    page.context.clear_cookies(name=COOKIE)  # the next tab is another person's browser; the first one stays open
    other = open_tab()
    ben = enter(other, school, "Ben")
    assert ben != ann
    visit(other, school, "train", f"?run={run.id}&person={run.owner}&nickname=Ann")
    await_charts(other)
    expect(other.get_by_text(OWNED_BY_OTHER.format(owner="Ann"))).to_be_visible()
    expect(other.get_by_test_id("stMain").get_by_role("button", name="Stop")).to_have_count(0)
    stream = f"/api/runs/{run.id}/events"
    assert [status_of(school, stream, token) for token in (ann, ben, run.owner, "Ann", "")] == [200, 200, 401, 401, 401]
    assert ann not in other.content() and ann not in page.content()
    page.context.clear_cookies(name=COOKIE)
