"""Numbers in sentences: counts, percentages, losses, bytes and durations."""

import pytest

from cnn_core.text import counted, format_bytes, format_duration, format_loss, format_number, format_percent, percent


def test_a_count_is_written_with_singular_or_plural_and_thousands_separators():
    assert [counted(count, "image") for count in (0, 1, 2, 1200)] == ["0 images", "1 image", "2 images", "1,200 images"]
    assert [counted(count, "class", "classes") for count in (1, 2)] == ["1 class", "2 classes"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 MB"),
        (1, "1 kB"),
        (12_345, "12 kB"),
        (999_999, "999 kB"),
        (6_600_000, "6.6 MB"),
        (9_960_000, "10 MB"),
        (410_000_000, "410 MB"),
        (994_000_000, "994 MB"),
        (1_200_000_000, "1.2 GB"),
    ],
)
def test_bytes_are_written_with_the_unit_that_suits_them(count: int, text: str):
    assert format_bytes(count) == text


def test_durations_are_written_in_seconds_minutes_or_hours():
    assert [format_duration(seconds) for seconds in (0.2, 12, 240, 9000)] == ["1 s", "12 s", "4 min", "2.5 h"]


@pytest.mark.parametrize(
    ("fraction", "text"), [(0, "0%"), (0.0001, "under 1%"), (0.004999, "under 1%"), (0.0051, "1%"), (0.424, "42%"), (1, "100%")]
)
def test_a_small_fraction_is_not_shown_as_zero(fraction: float, text: str):
    assert percent(fraction) == text


def test_a_percentage_is_written_without_a_space_and_an_absent_one_is_a_dash():
    assert [format_percent(value) for value in (0.6667, 0.0, 1.0)] == ["66.7%", "0.0%", "100.0%"]
    assert format_percent(0.98765, 2) == "98.77%" and format_percent(None) == format_percent(float("nan")) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.01234, "0.0123"), (2.3, "2.3"), (-1.5, "-1.5"), (345.6, "346"), (1234.5, "1,234"), (999_999, "999,999"),
        (20_377_386_436_526_080, "2.0 × 10¹⁶"), (1e6, "1.0 × 10⁶"), (-3.21e30, "-3.2 × 10³⁰"), (4.56e-7, "4.6 × 10⁻⁷"),
    ],
)  # fmt: skip
def test_a_number_of_any_size_is_short(value: float, text: str):
    assert format_number(value) == text


def test_a_loss_has_decimals_unless_it_is_huge():
    assert [format_loss(loss) for loss in (0.42134, 0.00001, 2.3e7)] == ["0.4213", "0.0000", "2.3 × 10⁷"]
    assert [format_loss(loss, 3) for loss in (1.2345, float("nan"), float("inf"))] == ["1.234", "nan", "inf"]
