"""Counts are written with their noun."""

from cnn_core.text import counted


def test_a_count_is_written_with_singular_or_plural_and_thousands_separators():
    assert [counted(count, "image") for count in (0, 1, 2, 1200)] == ["0 images", "1 image", "2 images", "1,200 images"]
    assert [counted(count, "class", "classes") for count in (1, 2)] == ["1 class", "2 classes"]
