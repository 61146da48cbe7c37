"""Charts and durations of a search."""

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from cnn_core.search.trials import Trial
from cnn_core.text import format_duration
from pages.charts.search import best_so_far, importance_bars
from pages.shared.trial_times import seconds_left, trial_seconds
from pages.views.search.new_search_form import DURATION
from tests.pages.test_runs_page import finished, page_text


def trial(number, state, value=None, seconds=None):
    return Trial(number, state, {"dropout": 0.1 * number}, f"{number:04d}-x", value, seconds)


def test_the_line_of_the_best_value_is_the_running_maximum_and_each_state_has_a_marker():
    trials = [
        trial(0, "complete", 0.5),
        trial(2, "failed"),
        trial(3, "pruned", 0.7),
        trial(4, "complete", 0.6),
        trial(5, "running", 0.9),
    ]
    line, *marks = best_so_far(trials).data
    assert list(line.x) == [1, 3, 4, 4] and list(line.y) == [0.5, 0.7, 0.7, 0.7] and line.line.shape == "hv"
    assert {mark.name: (list(mark.x), list(mark.y)) for mark in marks} == {
        "completed": ([1, 4], [0.5, 0.6]),
        "stopped early": ([3], [0.7]),
        "failed": ([2], [0.5]),
    }
    assert len({mark.marker.symbol for mark in marks}) == 3
    assert best_so_far(trials) == best_so_far([*trials[:4], trial(5, "running", 0.95)])  # so the page leaves it as it is


def test_the_axis_of_trials_is_as_long_as_the_search_will_be():
    trials = [trial(0, "complete", 0.5), trial(1, "complete", 0.6), trial(2, "complete", 0.4)]
    axes = [best_so_far(trials, goal).layout.xaxis for goal in (3, 8, 50)]
    assert [axis.range[1] for axis in axes] == [3.5, 8.5, 50.5] and [axis.dtick for axis in axes] == [1, 1, None]


def test_a_search_in_which_all_failed_has_a_chart_without_a_line():
    (marks,) = best_so_far([trial(0, "failed"), trial(1, "running")]).data
    assert list(marks.x) == [1] and marks.name == "failed"


def test_importances_are_bars_with_the_titles_of_the_settings():
    (bars,) = importance_bars({"learning_rate": 0.8, "batch_norm": 0.2}).data
    assert (
        list(bars.y) == [title("learning_rate"), title("batch_norm")]
        and list(bars.x) == [0.8, 0.2]
        and list(bars.text) == ["80%", "20%"]
    )


def test_the_time_left_is_that_of_the_trials_to_come_at_the_mean_so_far():
    trials = [trial(0, "complete", 0.5, 10.0), trial(1, "pruned", 0.4, 4.0), trial(2, "failed"), trial(3, "running", 0.1)]
    assert seconds_left(trials, 10) == pytest.approx(7 * np.mean([10, 4])) and seconds_left(trials[2:], 10) is None


def test_the_time_of_a_trial_is_that_of_the_latest_similar_runs(empty, open_page):
    finished(empty, epochs=3, batch_size=16)  # 30 s an epoch, but of another batch size
    assert trial_seconds(make_config(epochs=10), empty.runs()) == pytest.approx(300)
    run = finished(empty, epochs=3)
    summary = empty.run(run).summary
    empty.set_status(run, "finished", summary={**summary, "train_seconds": 6.0})
    assert trial_seconds(make_config(epochs=10), empty.runs()) == pytest.approx(20)
    assert trial_seconds(make_config(model="speed"), empty.runs()) is None
    text = page_text(open_page("search"))
    assert DURATION.format(trial=format_duration(50), trials=format_duration(20 * 50), less="").rstrip(".") in text
