"""People who share a server take turns, whoever has asked for how much; one person's order is their own."""

import random

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.queue import MEDIUM, OVERDUE_SECONDS, SHORT
from cnn_core.runs.store import Store


def ask(store: Store, owner: str) -> str:
    return store.create(make_config(), owner=owner)


def train(store: Store, run: str) -> None:
    assert store.queue.start(run)
    store.set_status(run, "finished")


def test_the_nth_run_of_a_person_comes_after_everybodys_runs_before_their_nth(store: Store):
    ann, ben, cleo = ([ask(store, owner) for _ in range(count)] for owner, count in (("ann", 4), ("ben", 2), ("cleo", 1)))
    assert store.queue.waiting() == [ann[0], ben[0], cleo[0], ann[1], ben[1], ann[2], ann[3]]


def test_a_new_person_does_not_wait_for_all_earlier_runs_of_another(store: Store):
    ann = [ask(store, "ann") for _ in range(20)]
    train(store, ann[0])
    late = ask(store, "ben")
    assert store.queue.waiting()[0] == late
    train(store, late)
    assert store.queue.waiting() == ann[1:]


@pytest.mark.parametrize("seed", range(2))
def test_who_is_next_is_who_was_served_longest_ago_as_arithmetic_says(store: Store, seed: int):
    chance, waiting, served, clock = random.Random(seed), {}, {}, 0
    for _ in range(40):
        if chance.random() < 0.6 or not any(waiting.values()):
            owner = chance.choice(["ann", "ben", "cleo", ""])
            waiting.setdefault(owner, []).append(ask(store, owner))
        else:
            # Run ids begin with their number, so that of two who were never served the one who asked first comes first.
            there = [owner for owner in waiting if waiting[owner]]
            owner = min(there, key=lambda owner: (served.get(owner, 0), waiting[owner][0]))
            expected, clock = waiting[owner].pop(0), clock + 1
            served[owner] = clock
            assert store.queue.waiting()[0] == expected
            train(store, expected)
    assert sorted(store.queue.waiting()) == sorted(run for runs in waiting.values() for run in runs)


def test_one_person_alone_waits_in_the_order_of_asking_also_after_some_were_trained(store: Store):
    runs = [ask(store, "") for _ in range(5)]
    train(store, runs[0])
    assert store.queue.waiting() == runs[1:]
    RunOrganizer(store).move(runs[4], 0)
    assert store.queue.waiting() == [runs[4], *runs[1:4]]


def test_moving_a_run_changes_the_order_of_its_owners_runs_only(store: Store):
    ann, ben = [ask(store, "ann") for _ in range(3)], [ask(store, "ben") for _ in range(2)]
    RunOrganizer(store).move(ann[2], 0)
    assert [run for run in store.queue.waiting() if run in ann] == [ann[2], ann[0], ann[1]]
    assert [run for run in store.queue.waiting() if run in ben] == ben
    assert set(store.queue.waiting()[:2]) == {ann[2], ben[0]}


def ask_for(store: Store, owner: str, work: float, waited: float = 0) -> str:
    run = store.create(make_config(), owner=owner, work=work)
    with store.database.connect() as db:
        db.execute("update runs set waiting_since = waiting_since - ? where id = ?", (waited, run))
    return run


def test_of_the_first_runs_of_all_people_the_short_ones_come_first(store: Store):
    long, medium, short = (ask_for(store, owner, work) for owner, work in (("ann", MEDIUM), ("ben", SHORT), ("cleo", SHORT / 2)))
    second = ask_for(store, "cleo", 1.0)
    assert store.queue.waiting() == [short, medium, long, second]


def test_a_long_run_that_has_waited_long_comes_before_any_stream_of_short_ones(store: Store):
    long = ask_for(store, "ann", 10 * MEDIUM, waited=OVERDUE_SECONDS + 1)
    short = [ask_for(store, owner, 1.0) for owner in ("ben", "cleo")]
    assert store.queue.waiting() == [long, *short]


def test_a_run_that_is_resumed_waits_anew(store: Store):
    long = ask_for(store, "ann", MEDIUM, waited=OVERDUE_SECONDS + 1)
    store.requests.stop(long)
    store.queue.resume(long)
    short = ask_for(store, "ben", 1.0)
    assert store.queue.waiting() == [short, long]


def test_people_with_runs_of_about_the_same_length_still_take_turns(store: Store):
    ann, ben = ([ask_for(store, owner, work) for _ in range(3)] for owner, work in (("ann", SHORT / 3), ("ben", SHORT / 2)))
    order = []
    while waiting := store.queue.waiting():
        order.append(waiting[0])
        train(store, waiting[0])
    assert order == [ann[0], ben[0], ann[1], ben[1], ann[2], ben[2]]
