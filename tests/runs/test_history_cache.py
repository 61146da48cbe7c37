"""Digests: a history that begins from one is the very history of all events; what cannot be used is not used."""

import hashlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.events import Changed, Epoch, Event, Finished, Note, Progress, Resumed, Started, Steps, TrackedPredictions
from cnn_core.execution.in_process import execute
from cnn_core.home import saved_epochs
from cnn_core.runs import history as history_module
from cnn_core.runs import history_cache
from cnn_core.runs.branch import branch_run
from cnn_core.runs.curve import NEWEST
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import FIRST_STEPS, History
from cnn_core.runs.history_cache import CHECKSUM_BYTES, SAVE_EVERY, from_bytes, read_history, save_history, to_bytes
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import tiny_config

PER_EPOCH = 200
STARTED = Started(506_154, "CPU", 900, 100, 200, PER_EPOCH, 90, 3, ("a", "b"), (450, 450))


def report(rng: np.random.Generator, step: int, count: int) -> Steps:
    fields = (0.001, 1234.5, step / 50, step / 40, 1.7e9 + step, float(rng.random()), 300_000_000 + step, None)
    return Steps(1 + step // PER_EPOCH, step, 64 * step, tuple(rng.random(count)), tuple(rng.random(count)), *fields)


def eventful(seed: int, reports: int = 900) -> list[Event]:
    """A run of many reports with notes, epochs, probes and changes, which is resumed from earlier places several times."""
    rng = np.random.default_rng(seed)
    events: list[Event] = [Progress("Reading images", 1, 2), Note("Left out: a.png."), STARTED]
    step = 0
    for _ in range(reports):
        before, step = step, step + int(rng.integers(1, 40))
        events.append(report(rng, step, step - before))
        if before // PER_EPOCH < step // PER_EPOCH:
            number = step // PER_EPOCH
            events.append(Epoch(number, step, 0.5, 0.4, 0.6, 0.3, bool(rng.random() < 0.3), 1.0, 2.0, 1, (0.25, None), 0.125))
            events.append(TrackedPredictions(number, step, ("p",), ((0.25, 0.75),)))
        if rng.random() < 0.02:
            events.append(Changed(step, {"learning_rate": 0.01, "epochs": int(rng.integers(90, 99))}))
        if rng.random() < 0.004:
            step = max(0, step - int(rng.integers(0, 3000)))
            events += [Note("Left out: a.png."), STARTED, Resumed(step, step // PER_EPOCH)]
    return [*events, Progress("Drawing", 0, 1), Finished(0.9, 0.3)]


def folded(events: list[Event]) -> History:
    history = History()
    history.add([StoredEvent(seq, event) for seq, event in enumerate(events, start=1)])
    return history


def content(store: Store, run: str) -> bytes | None:
    with sqlite3.connect(store.home.database) as db:
        found = db.execute("select body from digests where run = ?", (run,)).fetchone()
    return found[0] if found else None


@pytest.mark.parametrize("seed", range(3))
def test_a_history_continued_from_any_digest_equals_that_of_all_events(seed: int):
    events = eventful(seed)
    whole = folded(events)
    assert whole.resumed and whole.tracked and whole.last.step > 2 * NEWEST
    for cut in (0, 1, 5, len(events) // 3, len(events) // 2, len(events) - 1, len(events)):
        history = from_bytes(to_bytes(folded(events[:cut])))
        history.add([StoredEvent(seq, event) for seq, event in enumerate(events[cut:], start=cut + 1)])
        assert history == whole and history.snapshot() == whole.snapshot() and history.position() == whole.position()
        assert history.losses == whole.losses
        np.testing.assert_array_equal(history.report_values("gradient_norm"), whole.report_values("gradient_norm"))
        assert history.images_per_second == whole.images_per_second


def test_whoever_opens_a_long_run_leaves_a_digest_from_which_the_next_one_begins(store: Store, monkeypatch: pytest.MonkeyPatch):
    run, events = store.create(make_config()), eventful(1)
    store.log.append(run, events[:-5])
    assert len(events) > SAVE_EVERY
    assert read_history(store, run) == folded(events[:-5])
    remaining = from_bytes(content(store, run))
    assert remaining == folded(events[:-5])
    store.log.append(run, events[-5:])
    read: list[int] = []
    plain = store.log.read
    monkeypatch.setattr(store.log, "read", lambda run, since, **how: read.append(since) or plain(run, since, **how))
    assert read_history(store, run) == folded(events) and read[0] == remaining.seq
    assert from_bytes(content(store, run)) == remaining, "five events are no reason to write"


def test_a_short_run_has_no_digest_of_its_readers(store: Store):
    run = store.create(make_config())
    store.log.append(run, eventful(0, reports=20))
    assert read_history(store, run).seq and content(store, run) is None
    assert read_history(store, store.create(make_config())) == History()


@pytest.mark.parametrize("damage", ["cut off", "a bit flipped", "nothing", "another version", "another shape"])
def test_a_digest_that_cannot_be_used_is_not_used_and_replaced(store: Store, damage: str, monkeypatch: pytest.MonkeyPatch):
    run, events = store.create(make_config()), eventful(2)
    store.log.append(run, events)
    save_history(store, run, folded(events[:100]))
    body = bytearray(content(store, run))
    if damage == "a bit flipped":
        body[len(body) // 2] ^= 1
    elif damage == "another version":
        monkeypatch.setattr(history_cache, "VERSION", history_cache.VERSION + 1)
    elif damage == "another shape":
        end = body.index(b"\n", CHECKSUM_BYTES)
        facts = json.loads(body[CHECKSUM_BYTES:end])
        body = json.dumps(["other", facts[1] | {"seq": 3}]).encode() + body[end:]
        body = hashlib.sha256(body).digest() + body
    else:
        body = body[:-9] if damage == "cut off" else b""
    with store.database.connect() as db:
        db.execute("update digests set body = ?", (bytes(body),))
    assert read_history(store, run) == folded(events)
    assert from_bytes(content(store, run)) == folded(events)


def test_a_store_that_cannot_be_written_is_still_read(store: Store):
    run, events = store.create(make_config()), eventful(0)
    store.log.append(run, events)
    with store.database.connect() as db:
        db.execute("drop table digests")
        db.execute("create view digests as select '' as run, x'' as body")  # which cannot be written
    assert read_history(store, run) == folded(events)


def test_a_run_that_is_trained_keeps_its_digest_as_it_goes_and_at_its_end(
    store: Store, image_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(history_cache, "SAVE_EVERY", 10)
    run, seen = store.create(tiny_config(image_folder, epochs=20)), []

    def watch(event: Event) -> None:
        remaining = content(store, run)
        seen.append(from_bytes(remaining).seq if remaining else 0)

    assert execute(store, run, watch=watch) == "finished"
    assert all(0 <= place - seq < 10 for place, seq in enumerate(seen, start=1)) and len(seen) > 40
    assert from_bytes(content(store, run)) == folded([stored.event for stored in store.log.read(run)])


def test_a_branch_begins_with_the_curves_up_to_its_epoch_whatever_digest_its_parent_has(colours_copy: Trained):
    store, parent = colours_copy.store, colours_copy.id
    assert content(store, parent)
    epoch = saved_epochs(store.home.run_folder(parent))[-2]
    child = branch_run(store, parent, epoch, {"epochs": epoch + 1})
    assert content(store, child) is None
    until = [stored.event for stored in store.log.read(child)]
    assert read_history(store, child) == folded(until) and len(read_history(store, child).epochs) == epoch


def test_a_run_that_leaves_the_bin_takes_its_digest_along(store: Store):
    run = store.create(make_config())
    save_history(store, run, History())
    store.set_status(run, "stopped")
    RunOrganizer(store).remove(run)
    assert RunOrganizer(store).empty_bin() == 1 and content(store, run) is None


def test_a_history_without_what_rules_look_at_draws_the_same():
    events = eventful(1)
    whole, drawn = folded(events[:500]), folded(events[:500])
    drawn.drop_steps()
    for history in (whole, drawn):
        history.add([StoredEvent(seq, event) for seq, event in enumerate(events[500:], start=501)])
    assert drawn.snapshot() == whole.snapshot() and drawn.update(replace(drawn.position(), steps=0)) == whole.update(
        replace(whole.position(), steps=0)
    )
    with pytest.raises(AssertionError):
        drawn.losses  # noqa: B018


def test_a_history_that_only_draws_does_not_grow_with_its_steps():
    rng, history, sizes = np.random.default_rng(0), History(), []
    history.drop_steps()
    for number in range(1, 241):  # looked at often: what is new is let go of in large pieces
        reports = [report(rng, 500 * (number - 1) + step, 5) for step in range(5, 501, 5)]
        history.add([StoredEvent(history.seq + place, event) for place, event in enumerate(reports, start=1)])
        sizes.append(len(to_bytes(history)))
    assert max(sizes[120:]) <= 1.1 * max(sizes[:120])


@pytest.mark.parametrize("seed", range(3))
def test_rules_see_the_first_and_the_newest_steps_as_they_were_reported(monkeypatch: pytest.MonkeyPatch, seed: int):
    monkeypatch.setattr(history_module, "DIAGNOSED_STEPS", 100)
    rng, history, losses, norms, most = np.random.default_rng(seed), History(), [], {}, 0
    for _ in range(400):
        if losses and rng.random() < 0.02:
            remaining = len(losses) - int(rng.integers(0, min(len(losses), 60)))
            remaining = max((step for step in norms if step <= remaining), default=0)
            del losses[remaining:]
            norms = {step: norm for step, norm in norms.items() if step <= remaining}
            events: list[Event] = [Resumed(remaining, 0)]
        else:
            new = report(rng, len(losses) + 5, 5)
            losses += new.loss
            norms[new.step] = new.gradient_norm
            events = [new]
        history.add([StoredEvent(history.seq + 1, event) for event in events])
        most = max(most, len(history.losses))
        after = history.diagnosed_after
        np.testing.assert_array_equal(history.losses, np.float32(losses[after:]))
        np.testing.assert_array_equal(history.first_losses, np.float32(losses[:FIRST_STEPS]))
        steps, values = map(np.ndarray.tolist, history.report_values("gradient_norm"))
        assert steps == [step for step in norms if step > after]
        assert values == np.float32([norms[step] for step in steps]).tolist()
    assert 100 < most <= 200 and len(losses) > 500


def test_a_history_that_rules_look_at_does_not_grow_without_end_either(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history_module, "DIAGNOSED_STEPS", 5000)
    rng, history, sizes = np.random.default_rng(0), History(), []
    for number in range(1, 241):
        reports = [report(rng, 500 * (number - 1) + step, 5) for step in range(5, 501, 5)]
        history.add([StoredEvent(history.seq + place, event) for place, event in enumerate(reports, start=1)])
        sizes.append(len(to_bytes(history)))
    assert max(sizes[120:]) <= 1.1 * max(sizes[:120])
