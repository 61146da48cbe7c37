"""Many sessions watch one run, as protocol clients: none sees an error, and all see what comes."""

import asyncio
import json
import time

import pytest

from benchmarks.crowd import crowd
from benchmarks.viewers import messages
from cnn_core.home import Home
from cnn_core.runs.store import Store
from tests.pages.manual_run import epoch, started, steps, trained_here

CLIENTS, REPORTS = 8, 8  # `python -m benchmarks.crowd` takes fifty for five minutes


@pytest.fixture
def store(server) -> Store:
    return Store(Home(server.home))


async def reaches(url: str, run: str, step: int) -> None:
    """Return once a stream of the run has told of step `step`."""
    async for message in messages(url, run):
        if json.loads(message)["step"] == step:
            return


def test_many_viewers_see_new_points_and_no_error(server, store):
    with trained_here(store) as run:
        store.log.append(run, [started(), steps(1, 10), epoch(1, 10)])
        with crowd(server.url, run, CLIENTS) as log:
            for step in range(11, 11 + REPORTS):
                store.log.append(run, [steps(step, step, epoch=2)])
                time.sleep(0.3)
            asyncio.run(asyncio.wait_for(reaches(server.url, run, step), 60))
            time.sleep(0.5)  # the others are told at the same moment
    assert log.errors == [] and log.streams == log.pages == CLIENTS
    assert len(log.delays) >= CLIENTS and min(log.delays) >= 0
