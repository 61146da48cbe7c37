"""The live stream over real HTTP: everything that happened arrives once and in order, whenever and however often one connects."""

import asyncio
import json
import threading
from dataclasses import replace

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.events import Finished, Note, Progress, Resumed
from cnn_core.home import Home
from cnn_core.runs.history import UPDATE_POINTS
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store
from cnn_core.runs.waiting import WaitingLine
from pages.shared.run_channel import BRANCHED, LARGEST_GAP, Channel
from tests.pages.manual_run import accuracy, epoch, loss, started, steps, trained_here
from tests.pages.stream_viewer import TIMEOUT, Viewer, drawn


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


def test_a_viewer_that_reconnects_gets_every_point_of_a_fast_training_once(server, store):
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
                text = await asyncio.wait_for(anext(watching), TIMEOUT / 2)
            except (TimeoutError, StopAsyncIteration):
                break  # nothing more comes
            name, data = (line.partition(": ")[2] for line in text.strip().split("\n"))
            messages.append((name, json.loads(data)))
            last = messages[-1][1]["step"]
            if last < 40:
                store.log.append(run, [steps(last + 1, last + 10)])
            else:
                store.set_status(run, "finished")
            while channel.position != (len(store.log.read(run)), store.run(run).status, ""):
                await asyncio.sleep(0.01)  # the network takes its time
        return messages

    with hold(store.home.run_folder(run)):
        store.log.append(run, [started(), steps(1, 10)])
        messages = asyncio.run(watch_slowly())
    assert drawn(messages) == list(range(1, 41))
    assert messages[-1][1]["status"] == "finished", "the end has to be told, too"


def test_a_waiting_run_is_told_its_place_in_the_line_and_a_training_one_nothing(server, store):
    with trained_here(store) as current:
        store.log.append(current, [started(10_000, 4), steps(1, 10_000)])
        run = store.create(make_config())
        with Viewer(server.url, run) as viewer:
            _, payload = next(viewer)
        assert payload["wait"] == WaitingLine(store).describe(run) != ""
        store.requests.stop(run)
        with Viewer(server.url, current) as viewer:
            assert next(viewer)[1]["wait"] == ""


def test_a_branched_run_has_a_mark_at_the_step_from_which_it_continues(server, store):
    parent = store.create(make_config(), status="stopped")
    child = store.create(make_config(), status="running", parent=parent, parent_epoch=2)
    with hold(store.home.run_folder(child)):
        store.log.append(child, [started(), steps(1, 10), epoch(1, 10), steps(11, 20), epoch(2, 20)])
        with Viewer(server.url, child) as viewer:
            _, payload = next(viewer)
        assert payload["branch"] == {"step": 20, "text": BRANCHED.format(parent=parent, epoch=2)}
    store.set_status(child, "finished")
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10), epoch(1, 10)])
        with Viewer(server.url, run) as viewer:
            assert next(viewer)[1]["branch"] is None


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


def test_the_error_of_a_failed_run_and_notes_are_delivered(server, store):
    run = store.create(make_config())
    store.log.append(run, [Note("Left out: a.png is empty."), Note("Left out: b.png is empty.")])
    store.set_status(run, "failed", error="The loss became nan at step 3.")
    ((_, payload),) = Viewer(server.url, run)
    assert payload["notes"] == ["Left out: a.png is empty.", "Left out: b.png is empty."]
    assert (payload["status"], payload["error"]) == ("failed", "The loss became nan at step 3.")


def test_a_run_in_the_queue_is_shown_as_waiting_and_its_removal_is_reported(server, store):
    first = store.create(make_config(), status="running")
    with hold(store.home.run_folder(first)):
        run = store.create(make_config(epochs=1))
        store.requests.stop(run)
        ((_, payload),) = Viewer(server.url, run)
    store.set_status(first, "finished")
    assert payload["status"] == "stopped"
    assert payload["steps"]["loss"] == {"x": [], "y": []}


RESUMPTION = [started(), Resumed(step=14, epoch=1), steps(15, 20, 2), epoch(2, 20)]


@pytest.mark.parametrize("way", ["since", "last_event_id"])
def test_a_viewer_that_returns_after_a_resumption_gets_a_snapshot_without_discarded_steps(server, store, way):
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


def test_a_viewer_of_a_resumption_draws_no_point_twice_and_no_discarded_one(server, store):
    with trained_here(store) as run, Viewer(server.url, run) as viewer:
        store.log.append(run, [started(), steps(1, 10), epoch(1, 10), steps(11, 17, 2)])
        messages = viewer.read_until(lambda payload: payload["step"] == 17)
        for event in RESUMPTION:
            store.log.append(run, [event])
        messages += viewer.read_until(lambda payload: payload["epochs_done"] == 2)
    assert drawn(messages) == drawn(messages, "accuracy") == list(range(1, 21))


def test_a_resumed_run_has_a_new_stream_that_runs_to_its_end(server, store):
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


def test_patience_and_the_epochs_left_of_it_are_shown(server, store):
    with trained_here(store) as run:
        first, later = epoch(1, 10), epoch(2, 20, is_best=False)
        store.log.append(run, [replace(started(), patience=5), steps(1, 10), first, steps(11, 20, 2), replace(later, waited=1)])
        with Viewer(server.url, run) as viewer:
            _, payload = next(viewer)
    assert (payload["waited"], payload["patience"]) == (1, 5)
