"""The live stream over real HTTP: everything that happened arrives once and in order, whenever and however often one connects."""

import asyncio
import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import uvicorn
from starlette.applications import Starlette

from cnn_core.config.defaults import make_config
from cnn_core.events import Finished, Note, Progress, Resumed
from cnn_core.home import Home
from cnn_core.runs.history import UPDATE_POINTS
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store
from pages.shared import run_channel, stream
from pages.shared.run_channel import LARGEST_GAP, Channel
from tests.pages.hand_fed import accuracy, epoch, loss, started, steps, trained_here
from tests.pages.studio_harness import free_port

SECONDS = 10  # to wait for anything


class Viewer:
    """One connection to a run's stream: an iterator of (id, payload), which ends when the stream does."""

    label = b"id: "  # the field of a message that comes with its payload

    def __init__(self, url, run, *, since=None, last_event_id=None):
        query = f"?since={since}" if since else ""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        request = urllib.request.Request(f"{url}/api/runs/{run}/events{query}", headers=headers)
        self.response = urllib.request.urlopen(request, timeout=SECONDS)
        self.content_type = self.response.headers["Content-Type"]

    def __iter__(self):
        return self

    def __next__(self):
        name = None
        for line in self.response:
            if line.startswith(self.label):
                name = line.removeprefix(self.label).strip().decode()
            elif line.startswith(b"data: "):
                return name, json.loads(line[6:])
        raise StopIteration

    def read_until(self, condition):
        """All messages up to the first one whose payload fulfils `condition`."""
        messages = []
        for message in self:
            messages.append(message)
            if condition(message[1]):
                return messages
        raise AssertionError(f"the stream ended before; last was {messages[-1:]}")

    def close(self):
        self.response.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def drawn(messages, name="loss"):
    """The x values that a page has after these messages."""
    x = []
    for _, payload in messages:
        x = payload["steps"][name]["x"] if payload["reset"] else x + payload["steps"][name]["x"]
    return x


@pytest.fixture(scope="module")
def store(server):
    return Store(Home(server.home))


def test_the_first_message_is_a_snapshot_of_all_that_happened(server, store):
    with trained_here(store) as run:
        store.log.append(run, [Note("A sentence."), started(), steps(1, 10), epoch(1, 10), steps(11, 14, 2)])
        with Viewer(server.url, run) as viewer:
            name, payload = next(viewer)
    assert viewer.content_type.startswith("text/event-stream")
    assert name == "5.14.1"
    assert payload["reset"] is True
    assert payload["steps"]["loss"]["x"] == list(range(1, 15))
    assert payload["steps"]["loss"]["y"] == [loss(n) for n in range(1, 15)]
    assert payload["steps"]["accuracy"]["y"] == [accuracy(n) for n in range(1, 15)]
    assert (payload["step"], payload["steps_total"], payload["epochs_done"], payload["epochs_total"]) == (14, 40, 1, 4)
    assert payload["best"]["epoch"] == 1 and [e["step"] for e in payload["epochs"]] == [10]
    assert (payload["status"], payload["active"], payload["error"], payload["notes"]) == ("running", True, "", ["A sentence."])


def test_later_messages_bring_only_what_is_new_and_their_ids_grow(server, store):
    with trained_here(store) as run, Viewer(server.url, run) as viewer:
        messages = [next(viewer)]
        store.log.append(run, [started()])
        for last in (10, 20, 30):
            store.log.append(run, [steps(last - 9, last, last // 10), epoch(last // 10, last)])
            messages += viewer.read_until(lambda payload, last=last: payload["step"] == last)
    assert [payload["reset"] for _, payload in messages] == [True] + [False] * (len(messages) - 1)
    ids = [tuple(map(int, name.split("."))) for name, _ in messages]
    assert ids == sorted(set(ids))
    assert drawn(messages) == drawn(messages, "accuracy") == list(range(1, 31))
    assert [e["epoch"] for _, payload in messages for e in payload["epochs"]] == [1, 2, 3]


@pytest.mark.parametrize("way", ["since", "last_event_id"])
def test_a_viewer_that_comes_back_gets_exactly_what_it_missed(server, store, way):
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10), epoch(1, 10)])
        with Viewer(server.url, run) as viewer:
            name, first = next(viewer)
        store.log.append(run, [steps(11, 17, 2)])
        store.log.append(run, [steps(18, 20, 2), epoch(2, 20)])
        with Viewer(server.url, run, **{way: name}) as viewer:
            messages = viewer.read_until(lambda payload: payload["step"] == 20 and payload["epochs_done"] == 2)
    assert not any(payload["reset"] for _, payload in messages)
    assert drawn([(name, first), *messages]) == list(range(1, 21))
    assert [e["epoch"] for _, payload in messages for e in payload["epochs"]] == [2]


def test_the_browsers_own_last_id_counts_more_than_the_one_in_the_address(server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10), steps(11, 20, 2)])
        with Viewer(server.url, run, since="2.10.0", last_event_id="3.20.0") as viewer:
            store.log.append(run, [steps(21, 22, 3)])
            messages = viewer.read_until(lambda payload: payload["step"] == 22)
    assert drawn([("", {"reset": True, "steps": {"loss": {"x": []}}}), *messages]) == [21, 22]


@pytest.mark.parametrize("since", ["nonsense", "1.2", "-1.-1.-1", "9999.9999.99", "1.1.1.1", "%00", "1e9.0.0"])
def test_an_id_that_makes_no_sense_brings_a_snapshot(server, store, since):
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10)])
        with Viewer(server.url, run, since=since) as viewer:
            _, payload = next(viewer)
    assert payload["reset"] is True
    assert payload["steps"]["loss"]["x"] == list(range(1, 11))


def test_a_fast_training_arrives_without_gap_or_double_at_a_viewer_that_comes_and_goes(server, store):
    total = UPDATE_POINTS  # as many as even one message brings undecimated, however late it comes
    with trained_here(store) as run:
        store.log.append(run, [started(total, 1)])

        def train():
            for number in range(1, total + 1):
                store.log.append(run, [steps(number, number)])

        trainer = threading.Thread(target=train)
        trainer.start()
        messages, name = [], None
        try:
            while not messages or messages[-1][1]["step"] < total:
                with Viewer(server.url, run, last_event_id=name) as viewer:
                    for _ in range(3):
                        name, payload = next(viewer)
                        messages.append((name, payload))
                        if payload["step"] == total:
                            break
        finally:
            trainer.join()
    assert drawn(messages) == list(range(1, total + 1))
    assert sum(payload["reset"] for _, payload in messages) == 1


def test_a_viewer_slower_than_the_training_misses_nothing(tmp_path):
    # While a message travels the channel reads on: the next message has to start where that one ended, not where the history is by then.
    store = Store(Home(tmp_path))
    run = store.create(make_config(), status="running")

    async def watch_slowly():
        channel, messages = Channel(store, run), []
        watching = channel.watch(None)
        while not messages or messages[-1][1]["active"]:
            try:
                text = await asyncio.wait_for(anext(watching), SECONDS / 2)
            except (TimeoutError, StopAsyncIteration):
                break  # nothing more comes
            name, data = (line.partition(": ")[2] for line in text.strip().split("\n"))
            messages.append((name, json.loads(data)))
            last = messages[-1][1]["step"]
            if last < 40:
                store.log.append(run, [steps(last + 1, last + 10)])
            else:
                store.set_status(run, "finished")
            while channel.position != (len(store.log.read(run)), store.run(run).status):
                await asyncio.sleep(0.01)  # the network takes its time
        return messages

    with hold(store.home.run_folder(run)):
        store.log.append(run, [started(), steps(1, 10)])
        messages = asyncio.run(watch_slowly())
    assert drawn(messages) == list(range(1, 41))
    assert messages[-1][1]["status"] == "finished", "the end has to be told, too"


def test_a_long_run_arrives_thinned_with_its_envelope(server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(20_000, 1)])
        for first in range(1, 20_001, 2000):
            store.log.append(run, [steps(first, first + 1999)])
        with Viewer(server.url, run) as viewer:
            name, payload = viewer.read_until(lambda payload: payload["step"] == 20_000)[-1]
    x, y = payload["steps"]["loss"]["x"], payload["steps"]["loss"]["y"]
    assert name == "11.20000.0"
    assert payload["reset"] and 1000 <= len(x) == len(y) <= 2000
    assert x == sorted(set(x)) and (x[0], x[-1]) == (1, 20_000)
    assert (max(y), min(y)) == (loss(1), loss(20_000))


def test_a_viewer_far_behind_gets_a_fresh_snapshot_rather_than_a_coarse_update(server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(5000, 1), steps(1, 10), steps(11, 11 + LARGEST_GAP)])
        with Viewer(server.url, run, since="2.10.0") as viewer:
            _, payload = next(viewer)
    assert payload["reset"] is True
    assert payload["steps"]["loss"]["x"] == list(range(1, 12 + LARGEST_GAP))


def test_the_stream_ends_when_the_run_has_ended_and_its_last_message_says_how(server, store):
    with trained_here(store) as run, Viewer(server.url, run) as viewer:
        next(viewer)
        store.log.append(
            run, [started(), steps(1, 10), epoch(1, 10), Progress("Evaluating test images", 0, 1), Finished(0.97, 0.1)]
        )
        store.set_status(run, "finished", summary={"test_accuracy": 0.97})
        messages = list(viewer)
    assert (messages[-1][1]["status"], messages[-1][1]["active"]) == ("finished", False)
    assert all(payload["active"] for _, payload in messages[:-1])
    assert drawn([("", {"reset": True, "steps": {"loss": {"x": []}}}), *messages]) == list(range(1, 11))


@pytest.mark.parametrize("status", ["finished", "stopped"])
def test_the_stream_of_a_run_that_has_ended_is_one_snapshot(server, store, status):
    run = store.create(make_config())
    store.log.append(run, [started(), steps(1, 10), epoch(1, 10)])
    store.set_status(run, status)
    messages = list(Viewer(server.url, run))
    assert len(messages) == 1
    assert (messages[0][1]["reset"], messages[0][1]["status"], messages[0][1]["active"]) == (True, status, False)


def test_the_sentence_of_a_failed_run_and_notes_are_delivered(server, store):
    run = store.create(make_config())
    store.log.append(run, [Note("Left out: a.png is empty."), Note("Left out: b.png is empty.")])
    store.set_status(run, "failed", error="The loss became nan at step 3.")
    ((_, payload),) = Viewer(server.url, run)
    assert payload["notes"] == ["Left out: a.png is empty.", "Left out: b.png is empty."]
    assert (payload["status"], payload["error"]) == ("failed", "The loss became nan at step 3.")


def test_a_run_in_the_queue_is_shown_as_waiting_and_its_end_in_the_queue_is_told(server, store):
    first = store.create(make_config(), status="running")
    with hold(store.home.run_folder(first)):
        run = store.create(make_config(epochs=1))
        store.requests.stop(run)
        ((_, payload),) = Viewer(server.url, run)
    assert payload["status"] == "stopped"
    assert payload["steps"]["loss"] == {"x": [], "y": []}


RESUMPTION = [started(), Resumed(step=14, epoch=1), steps(15, 20, 2), epoch(2, 20)]


@pytest.mark.parametrize("way", ["since", "last_event_id"])
def test_a_viewer_that_comes_back_after_a_resumption_gets_a_snapshot_without_what_was_taken_back(server, store, way):
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10), epoch(1, 10), steps(11, 17, 2)])
        with Viewer(server.url, run) as viewer:
            name, first = next(viewer)
        assert drawn([(name, first)]) == list(range(1, 18))
        store.log.append(run, RESUMPTION)
        with Viewer(server.url, run, **{way: name}) as viewer:
            later, payload = viewer.read_until(lambda payload: payload["step"] == 20)[-1]
            assert payload["reset"] is True
            assert payload["steps"]["loss"]["x"] == list(range(1, 21))
            assert [e["epoch"] for e in payload["epochs"]] == [1, 2]
            store.log.append(run, [steps(21, 22, 3)])
            _, update = viewer.read_until(lambda payload: payload["step"] == 22)[-1]
    assert (update["reset"], update["steps"]["loss"]["x"]) == (False, [21, 22]), "from there on it goes as ever"


def test_a_viewer_that_watches_a_resumption_draws_no_point_twice_and_none_that_was_taken_back(server, store):
    with trained_here(store) as run, Viewer(server.url, run) as viewer:
        store.log.append(run, [started(), steps(1, 10), epoch(1, 10), steps(11, 17, 2)])
        messages = viewer.read_until(lambda payload: payload["step"] == 17)
        for event in RESUMPTION:
            store.log.append(run, [event])
        messages += viewer.read_until(lambda payload: payload["epochs_done"] == 2)
    assert drawn(messages) == drawn(messages, "accuracy") == list(range(1, 21))


def test_the_stream_of_a_run_that_goes_on_is_a_new_one_and_runs_to_its_end(server, store):
    run = store.create(make_config())
    store.log.append(run, [started(), steps(1, 10), epoch(1, 10)])
    store.requests.stop(run)
    ((_, ended),) = Viewer(server.url, run)
    assert (ended["status"], ended["active"]) == ("stopped", False)
    with hold(store.home.run_folder(run)):
        store.queue.resume(run)
        store.queue.start(run)
        with Viewer(server.url, run) as viewer:
            messages = [next(viewer)]
            assert messages[0][1]["active"]
            store.log.append(run, [started(), Resumed(10, 1), steps(11, 20, 2), epoch(2, 20)])
            store.set_status(run, "finished")
            messages += list(viewer)
    assert drawn(messages) == list(range(1, 21))
    assert messages[-1][1]["status"] == "finished"


def test_patience_and_what_is_left_of_it_are_told(server, store):
    with trained_here(store) as run:
        first, later = epoch(1, 10), epoch(2, 20, is_best=False)
        store.log.append(run, [replace(started(), patience=5), steps(1, 10), first, steps(11, 20, 2), replace(later, waited=1)])
        with Viewer(server.url, run) as viewer:
            _, payload = next(viewer)
    assert (payload["waited"], payload["patience"]) == (1, 5)


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
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("GET", "/api/plotly.min.js")
    response = connection.getresponse()
    script = response.read()
    assert (response.status, response.headers["Content-Type"].split(";")[0]) == (200, "text/javascript")
    assert "max-age" in response.headers["Cache-Control"]
    assert len(script) > 1_000_000 and b"plotly.js" in script[:500]


def ask(server, path, host=None):
    """Status, content type and body of one request, with the path exactly as written."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
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
    thread.join(SECONDS)
    assert not thread.is_alive()


def await_true(condition):
    deadline = time.monotonic() + SECONDS
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


class TogetherViewer(Viewer):
    """One connection to several runs' stream: an iterator of (run, payload)."""

    label = b"event: "

    def __init__(self, url, *runs):
        query = urllib.parse.urlencode([("run", run) for run in runs])
        self.response = urllib.request.urlopen(f"{url}/api/events?{query}", timeout=SECONDS)


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
def test_runs_that_cannot_be_shown_together_are_refused_in_words(server, query, status):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{server.url}/api/events?{query}", timeout=SECONDS)
    assert refusal.value.code == status and json.loads(refusal.value.read())["error"].endswith(".")


def test_more_runs_than_can_be_told_apart_are_refused(server):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{server.url}/api/events?{'&'.join(f'run={n}' for n in range(13))}", timeout=SECONDS)
    assert refusal.value.code == 400
