"""Class names as labels: short, distinct, cut in the middle, and never in the middle of a letter."""

import pytest

from cnn_core.class_labels import ELLIPSIS, WIDTH, class_labels, display_width, shorten

PLANTS = ("Plant___Rust_on_lower_leaves (northern variety)", "Plant___Healthy_leaf_seen_from_above (northern variety)")


@pytest.mark.parametrize("name", ["cat", "n02119789 kit fox", "日本語の名前です", "", "👩‍👩‍👧‍👦" * 12])
def test_a_name_that_fits_is_left_alone(name: str):
    assert shorten(name) == name or display_width(name) > WIDTH


@pytest.mark.parametrize("name", [*PLANTS, "植物" * 20, "ネ" * 55, "x" * 55, "قطة" * 20, "é" * 60, "👍🏽" * 30, "👩‍👩‍👧‍👦" * 30])
@pytest.mark.parametrize("width", [8, 17, WIDTH])
def test_a_long_name_keeps_its_beginning_and_its_end_within_the_width(name: str, width: int):
    label = shorten(name, width)
    head, tail = label.split(ELLIPSIS)
    assert display_width(label) <= width and name.startswith(head) and name.endswith(tail)


def test_no_letter_is_separated_from_its_accent_and_no_emoji_is_cut():
    for letter in ("e\u0301", "👍🏽", "👩‍👩‍👧‍👦"):
        head, tail = shorten(letter * 40, 11).split(ELLIPSIS)
        assert head and tail and not head.replace(letter, "") + tail.replace(letter, "")


def test_names_that_differ_only_in_the_middle_stay_distinct():
    names = [f"{'a' * 30}{middle}{'z' * 30}" for middle in ("left", "right", "both")]
    assert len(set(class_labels([*names, *PLANTS]))) == 5


def test_equal_names_and_short_names_do_not_widen_the_others():
    assert class_labels(["x" * 55, "x" * 55, "cat"]) == [shorten("x" * 55)] * 2 + ["cat"]
