"""The first five minutes of a newcomer, from the first paint to a digit that was drawn and read right."""

from tests.browser.first_minutes import play_first_minutes
from tests.browser.pilot import assert_sound
from tests.pages.studio_harness import Server


def test_one_click_and_one_drawing_lead_to_a_digit_that_is_classified_correctly(page, tmp_path, record_property):
    server = Server(tmp_path)
    try:
        happened = play_first_minutes(page, server.url)
        assert_sound(page)
    finally:
        server.stop()
    assert list(happened)[-1] == "a drawing read right" and sorted(happened.values()) == list(happened.values())
    record_property(
        "from first paint to a drawing read right", f"{happened['a drawing read right']:.0f} s, on one thread beside other tests"
    )
