"""Parallel coordinates: an axis for each differing setting, and the validation accuracy as the last."""

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from cnn_core.runs.comparison import differing_settings
from cnn_core.runs.run import Run
from pages.charts.parallel_coordinates import LEFT_OUT, parallel_coordinates
from tests.pages.test_runs_page import finished, page_text, tick, wide_charts


def test_many_runs_are_drawn_over_the_settings_in_which_they_differ(empty, open_page):
    for number, rate in enumerate((0.0001, 0.001, 0.03)):
        finished(empty, 0.7 + number / 10, seed=number, learning_rate=rate, model=("simple", "resnet9", "simple")[number])
    at = tick(open_page("runs"), 0, 1)
    assert not wide_charts(at)
    (shown,) = wide_charts(tick(at, 0, 1, 2))
    (drawn,) = shown["figure"]["data"]
    assert shown["least"] >= 100 * len(drawn["dimensions"]) and title("learning_rate") in shown["alt"]
    axes = {axis["label"]: axis for axis in drawn["dimensions"]}
    assert set(axes) >= {"Model", "Learning rate (log)", "accuracy"} and "Seed" not in axes
    assert axes["Learning rate (log)"]["ticktext"] == ["0.0001", "0.001", "0.03"]
    assert axes["Learning rate (log)"]["values"] == pytest.approx([-1.5229, -3, -4], abs=1e-4)
    assert axes["Model"]["ticktext"] == ["ResNet-9", "SimpleCNN"] and axes["Model"]["values"] == [1, 0, 1]
    assert drawn["dimensions"][-1]["values"] == drawn["line"]["color"] == pytest.approx([0.9, 0.8, 0.7])
    empty.create(make_config(batch_size=16))
    assert LEFT_OUT.format(count=1) in page_text(tick(open_page("runs"), 0, 1, 2, 3))


def parallel_axes(configs):
    runs = [Run(str(n), 0.0, "finished", config, {}, "") for n, config in enumerate(configs)]
    drawn = parallel_coordinates(differing_settings(runs), [n / 100 for n in range(len(runs))])
    return {axis.label: axis for axis in drawn.data[0].dimensions}


def test_values_within_two_decades_have_a_linear_axis_and_wider_ones_a_logarithmic_one():
    axes = parallel_axes([make_config(learning_rate=rate, dropout=5 * rate - 0.005) for rate in (0.001, 0.01, 0.0999)])
    assert list(axes["Learning rate"].values) == [0.001, 0.01, 0.0999]
    assert axes["Dropout"].values[0] == 0  # which has no logarithm


def test_a_run_without_the_setting_has_its_own_position_below_the_numbers():
    axis = parallel_coordinates({"momentum": [0.5, None, 0.9]}, [0.1, 0.2, 0.3]).data[0].dimensions[0]
    assert axis.values[::2] == (0.5, 0.9) and axis.values[1] < 0.5 and axis.tickvals[0] == axis.values[1]
    assert list(axis.ticktext) == ["–", "0.5", "0.6", "0.7", "0.8", "0.9"]
    words = parallel_coordinates({"flip": ["off", None, "random"]}, [0.1, 0.2, 0.3]).data[0].dimensions[0]
    assert list(words.ticktext) == ["–", "off", "random"] and list(words.values) == [1, 0, 2]


def test_many_values_on_a_logarithmic_axis_are_marked_at_powers_of_ten_and_the_ends():
    rates = np.geomspace(0.00003, 0.2, 30)
    axis = parallel_axes([make_config(learning_rate=float(rate)) for rate in rates])["Learning rate (log)"]
    assert 10 ** np.array(axis.values) == pytest.approx(rates)
    assert list(axis.ticktext) == ["3e-05", "0.0001", "0.001", "0.01", "0.1", "0.2"]
    assert 10 ** np.array(axis.tickvals) == pytest.approx([float(text) for text in axis.ticktext])


def test_marks_on_a_logarithmic_axis_do_not_lie_on_each_other_and_its_ends_are_marked():
    axis = (
        parallel_coordinates({"learning_rate": [0.001, 0.00101, 0.01, 0.0995, 0.1]}, [0.1] * 5, logs=["learning_rate"])
        .data[0]
        .dimensions[0]
    )
    assert list(axis.ticktext) == ["0.001", "0.01", "0.1"]


def test_long_texts_with_the_same_end_stay_distinct_and_are_shown_literally():
    paths = [f"/home/{who}/pictures of R&D <3" for who in ("a", "b")]
    axis = parallel_axes([make_config(data=paths[0]), make_config(data=paths[1]), make_config(data="digits")])["Data set"]
    assert len(set(axis.values)) == 3 and list(axis.ticktext) == ["…ctures of R&D <3", "…ctures of R&D <3", "digits"]


def test_ticks_have_all_digits_of_the_values_of_a_search():
    drawn = parallel_coordinates({"learning_rate": [0.001178, 0.02346]}, [0.1, 0.2], logs=["learning_rate"])
    assert list(drawn.data[0].dimensions[0].ticktext) == ["0.001178", "0.02346"]
