"""The first five minutes of a newcomer, from the first page to a drawn digit that is classified correctly, and the end of the server."""

from collections.abc import Iterator

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.home import Home
from cnn_core.runs.store import Store
from tests.browser.first_minutes import CLASSIFIED, play_first_minutes
from tests.browser.pilot import LOSS, assert_sound, visit
from tests.pages.studio_harness import ENDS_WITHIN, Server


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a dashboard of its own with an empty home."""
    server = Server(tmp_path_factory.mktemp("newcomer"))
    yield server
    server.process.kill()


def test_one_click_and_one_drawing_lead_to_a_digit_that_is_classified_correctly(page, newcomer, record_property):
    assert newcomer.has_loaded("python") and not newcomer.has_loaded("libtorch")
    was_loaded = []
    seconds = play_first_minutes(page, newcomer.url, lambda: was_loaded.append(newcomer.has_loaded("libtorch")))
    assert_sound(page)
    assert was_loaded == [False], "the first page is painted without torch"
    assert list(seconds)[-1] == CLASSIFIED and sorted(seconds.values()) == list(seconds.values())
    assert [run.config for run in Store(Home(newcomer.home)).runs()] == [make_config()]
    record_property(f"first page to {CLASSIFIED}", f"{seconds[CLASSIFIED]:.0f} s, on one thread beside other tests")


def test_the_server_stops_in_time_with_a_run_going_on_and_a_page_watching_it_and_the_model_is_saved(page, newcomer):
    store = Store(Home(newcomer.home))
    run = store.create(make_config())
    visit(page, newcomer, "train", f"?run={run}")
    page.wait_for_function(f"({LOSS}?.data?.[3].x.length ?? 0) === 1")
    assert_sound(page)
    assert newcomer.stop() < ENDS_WITHIN
    assert store.run(run).status == "stopped" and store.has_model(run)
    assert "Traceback" not in newcomer.log.read_text()
