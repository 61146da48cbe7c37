"""The channel of the statuses of all active runs: a message at every change, for each viewer, as long as there are viewers."""

import asyncio
import json

from cnn_core.config.defaults import make_config
from cnn_core.home import Home
from cnn_core.runs.lock import hold
from cnn_core.runs.store import Store
from pages.shared.status_channel import PAUSE_PER_VIEWER, SHORTEST_PAUSE, StatusChannel, active_statuses
from tests.pages.stream_viewer import TIMEOUT


async def next_message(messages):
    text = await asyncio.wait_for(anext(messages), TIMEOUT)
    kind, data = (line.partition(": ")[2] for line in text.strip().split("\n"))
    assert kind == "statuses"
    return json.loads(data)


def test_every_viewer_gets_the_active_runs_now_and_after_each_change(tmp_path):
    store = Store(Home(tmp_path))
    first, second, ended = (store.create(make_config(), status="running") for _ in range(3))
    store.set_status(ended, "finished")

    async def watch():
        channel = StatusChannel(store)
        one, other = channel.watch(), channel.watch()
        for messages in (one, other):
            assert (await next_message(messages))["active"] == {first: "running", second: "running"}
        store.set_status(first, "paused")
        store.set_status(second, "failed")
        for messages in (one, other):
            assert (await next_message(messages))["active"] == {first: "paused"} == active_statuses(store.runs())
        await other.aclose()
        assert channel.viewers == 1
        await channel.close()
        assert [message async for message in one] == [] and channel.viewers == 0

    with hold(store.home.run_folder(first)), hold(store.home.run_folder(second)):
        asyncio.run(watch())


def test_the_more_viewers_there_are_the_less_often_each_page_is_rerun_for_other_runs(tmp_path):
    async def pauses():
        channel = StatusChannel(Store(Home(tmp_path)))
        viewers = [channel.watch() for _ in range(5)]
        messages = await asyncio.gather(*map(next_message, viewers))
        for viewer in viewers:
            await viewer.aclose()
        return [message["pause"] for message in messages]

    assert asyncio.run(pauses()) == [max(SHORTEST_PAUSE, 5 * PAUSE_PER_VIEWER)] * 5
