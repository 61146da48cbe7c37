"""The first five minutes of a newcomer, from the first page to a drawn digit that is classified correctly."""

from tests.browser.first_minutes import CLASSIFIED, play_first_minutes
from tests.browser.pilot import assert_sound
from tests.pages.studio_harness import Server


def test_one_click_and_one_drawing_lead_to_a_digit_that_is_classified_correctly(page, tmp_path, record_property):
    server = Server(tmp_path)
    try:
        seconds = play_first_minutes(page, server.url)
        assert_sound(page)
    finally:
        server.stop()
    assert list(seconds)[-1] == CLASSIFIED and sorted(seconds.values()) == list(seconds.values())
    record_property(f"first page to {CLASSIFIED}", f"{seconds[CLASSIFIED]:.0f} s, on one thread beside other tests")
