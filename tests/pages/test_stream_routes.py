"""The routes of the live stream: what they refuse, channels that viewers share, and several runs in one stream."""

import asyncio
import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from starlette.applications import Starlette

from cnn_core.config.defaults import make_config
from cnn_core.home import Home
from cnn_core.runs.store import Store
from pages.shared import run_channel, stream
from pages.shared.run_channel import Channel
from tests.pages.manual_run import started, steps, trained_here
from tests.pages.stream_viewer import TIMEOUT, TogetherViewer, Viewer, drawn
from tests.pages.studio_harness import free_port


@pytest.fixture(scope="module")
def store(server):
    return Store(Home(server.home))


@pytest.mark.parametrize("run", ["9999-digits", "nonsense", "0001-DIGITS", "%3Cb%3E", "0001-digits%0a", "0001-digits%20"])
def test_an_unknown_run_is_answered_with_404_and_a_sentence(server, run):
    status, kind, body = ask(server, f"/api/runs/{run}/events")
    assert (status, kind) == (404, "application/json")
    assert "run" in json.loads(body)["error"]


@pytest.mark.parametrize(
    "run",
    [
        "..%2f..",
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2f0001-digits",
        "0001-digits%2f..%2f0001-digits",
        "..%5c..",
        "..",
        "0001-digits%00",
    ],
)
def test_a_run_name_that_is_a_path_is_no_stream(server, run):
    status, kind, body = ask(server, f"/api/runs/{run}/events")
    assert not kind.startswith("text/event-stream")
    assert b"root:" not in body and b'"steps"' not in body and b"Traceback" not in body
    assert status in (200, 400, 404), "200 is the dashboard's own first page, which answers addresses that are no route"


@pytest.mark.parametrize("path", ["/", "/api/runs/0001-digits/events", "/api/plotly.min.js", "/_stcore/health"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""])
def test_a_foreign_host_name_is_refused_on_every_route(server, path, host):
    status, _, body = ask(server, path, host=host)
    assert status == 400
    assert len(body) < 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8501"])
def test_the_machines_own_names_are_answered(server, host):
    assert ask(server, "/_stcore/health", host=host)[0] == 200


def test_plotly_is_served_from_this_machine_and_may_be_kept_by_the_browser(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    connection.request("GET", "/api/plotly.min.js")
    response = connection.getresponse()
    script = response.read()
    assert (response.status, response.headers["Content-Type"].split(";")[0]) == (200, "text/javascript")
    assert "max-age" in response.headers["Cache-Control"]
    assert len(script) > 1_000_000 and b"plotly.js" in script[:500]


def ask(server, path, host=None):
    """Status, content type and body of one request, with the path exactly as written."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    try:
        connection.putrequest("GET", path, skip_host=host is not None)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read(100_000)
    finally:
        connection.close()


@pytest.fixture
def routes_here(tmp_path, monkeypatch):
    """The stream's routes on a server inside this process, so that a test can look at its channels; gives (url, store)."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=stream.routes), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    await_true(lambda: server.started)
    yield f"http://127.0.0.1:{port}", Store(Home.from_environment())
    server.should_exit = True
    thread.join(TIMEOUT)
    assert not thread.is_alive()


def await_true(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_viewers_of_a_run_share_one_channel_which_goes_with_the_last_of_them(routes_here):
    url, store = routes_here
    with trained_here(store) as run, trained_here(store) as other:
        store.log.append(run, [started(), steps(1, 10)])
        viewers = [Viewer(url, run), Viewer(url, run), Viewer(url, other)]
        texts = [next(viewer) for viewer in viewers[:2]]
        next(viewers[2])
        assert texts[0] == texts[1]
        assert stream.channels.viewers == {run: 2, other: 1}
        viewers[0].close()
        await_true(lambda: stream.channels.viewers[run] == 1)
        store.log.append(run, [steps(11, 12)])
        assert drawn([texts[1], *viewers[1].read_until(lambda payload: payload["step"] == 12)]) == list(range(1, 13))
        for viewer in viewers:
            viewer.close()
        await_true(lambda: not stream.channels.viewers)


def test_viewers_who_come_at_the_same_moment_share_one_channel_too(routes_here):
    url, store = routes_here
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10)])
        made = []
        with pytest.MonkeyPatch.context() as patch:

            class Counted(Channel):
                def __init__(self, *given):
                    made.append(given)
                    super().__init__(*given)

            patch.setattr(run_channel, "Channel", Counted)
            with ThreadPoolExecutor(12) as pool:
                viewers = list(pool.map(lambda _: Viewer(url, run), range(12)))
            assert {next(viewer)[0] for viewer in viewers} == {"2.10.0"}
            assert len(made) == 1 and stream.channels.viewers == {run: 12}
        for viewer in viewers:
            viewer.close()
        await_true(lambda: not stream.channels.viewers)


def test_a_message_is_encoded_once_for_all_viewers(tmp_path):
    store = Store(Home(tmp_path))
    run = store.create(make_config())
    store.log.append(run, [started(), steps(1, 10)])
    store.set_status(run, "finished")

    async def watch_together():
        channel = Channel(store, run)
        return await asyncio.gather(*(anext(channel.watch(None)) for _ in range(5)))

    first, *others = asyncio.run(watch_together())
    assert all(other is first for other in others)


def test_several_runs_arrive_in_one_stream_each_under_its_name_until_the_last_has_ended(server, store):
    with trained_here(store) as first, trained_here(store) as second:
        store.log.append(first, [started(), steps(1, 5)])
        with TogetherViewer(server.url, first, second, first) as viewer:
            seen = [next(viewer), next(viewer)]
            store.log.append(second, [started(), steps(1, 3)])
            seen += viewer.read_until(lambda payload: payload["step"] == 3)
            store.log.append(first, [steps(6, 9)])
            seen += viewer.read_until(lambda payload: payload["step"] == 9)
            for run in (first, second):
                store.set_status(run, "stopped")
            seen += list(viewer)
    for run, count in ((first, 9), (second, 3)):
        assert drawn([(name, payload) for name, payload in seen if name == run]) == list(range(1, count + 1))
    assert {run for run, payload in seen if payload["status"] == "stopped"} == {first, second}


@pytest.mark.parametrize(("query", "status"), [("", 400), ("run=0999-nobody", 404), ("run=..%2Fx", 404), ("run=a&" * 13, 404)])
def test_runs_that_cannot_be_shown_together_are_refused_with_a_message(server, query, status):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{server.url}/api/events?{query}", timeout=TIMEOUT)
    assert refusal.value.code == status and json.loads(refusal.value.read())["error"].endswith(".")


def test_more_runs_than_can_be_told_apart_are_refused(server):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{server.url}/api/events?{'&'.join(f'run={n}' for n in range(13))}", timeout=TIMEOUT)
    assert refusal.value.code == 400
