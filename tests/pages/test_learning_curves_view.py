"""The view of learning curves: a prediction, the runs of three ways to train, their curves, and the verdict on the prediction."""

import pytest

from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.lessons.attempts import list_attempts, read_runs
from cnn_core.lessons.learning_curves import (
    DEFAULT_DRAWS,
    TOO_FEW,
    WAYS,
    expected_seconds,
    judge,
    sizes_for,
    sizes_of,
    way_and_size,
)
from cnn_core.text import counted, format_duration
from pages.charts.learning_curves import learning_curves_chart
from pages.views.learn.learning_curves import (
    AGREES,
    BANDS,
    DIFFERS,
    DURATION,
    EXPLANATION,
    IMPORT,
    MISSING,
    NO_SETS,
    NOT_ENOUGH,
    NOTHING,
    RESUME_OR_START,
    RUNS,
    SOURCE,
    describe_outcome,
)
from tests.helpers import write_images
from tests.lessons.test_learning_curves import finish_with
from tests.pages.test_learn_page import button_keys, link_labels, texts
from tests.pages.test_runs_page import named

VIEW = {"view": "Few images"}


@pytest.fixture
def photographs(empty, tmp_path):
    folder = write_images(tmp_path / "photographs", count=14)
    finish(import_files("photographs", folder, ImportOptions(image_size=16), empty.home))
    return empty


def test_without_photographs_the_view_says_where_to_import_them(empty, open_page):
    at = open_page("learn", **VIEW)
    assert at.info[0].value == NO_SETS and IMPORT in link_labels(at) and not at.exception
    assert "train-learning-curves" not in button_keys(at)


@pytest.mark.parametrize(("prediction", "verdict"), [("frozen", AGREES), ("scratch", DIFFERS)])
def test_a_prediction_starts_the_runs_and_is_judged_by_their_accuracies(photographs, open_page, prediction, verdict):
    store, at = photographs, open_page("learn", **VIEW)
    assert at.button(key="train-learning-curves").disabled and MISSING in texts(at)
    at.radio(key="prediction-learning-curves").set_value(prediction).run()
    named(at.number_input, "Draws").set_value(2).run()
    at.button(key="train-learning-curves").click().run()
    (attempt,) = list_attempts(store)
    current = read_runs(store, attempt)
    assert not at.exception and not at.error and len(current.runs) == len(WAYS) * len(sizes_of(current.runs)) * 2
    assert "train-learning-curves" not in button_keys(at) and BANDS not in texts(at)
    for number, run in enumerate(current.runs):
        finish_with(store, run, 0.5 + 0.001 * (number % 2) + 0.3 * (way_and_size(run)[0] == "frozen"))
    at.run()
    shown = texts(at)
    assert verdict in shown and describe_outcome(judge(read_runs(store, attempt))) in shown and BANDS in shown
    assert EXPLANATION in shown and SOURCE in shown and not at.exception
    assert at.get("plotly_chart") and "stop-learning-curves" not in button_keys(at)


def test_runs_that_are_stopped_leave_a_warning_and_the_form(photographs, open_page):
    store, at = photographs, open_page("learn", **VIEW)
    at.radio(key="prediction-learning-curves").set_value("scratch").run()
    at.button(key="train-learning-curves").click().run()
    at.button(key="stop-learning-curves").click().run()
    at.run()
    assert (
        at.warning[0].value == NOTHING.format(size=10, remedy=RESUME_OR_START)
        and at.button(key="train-learning-curves")
        and not at.exception
    )
    (attempt,) = list_attempts(store)
    assert not read_runs(store, attempt).is_active
    at.button(key="resume-learning-curves").click().run()
    assert {run.status for run in read_runs(store, attempt).runs} == {"queued"} and not at.exception and not at.error
    assert "stop-learning-curves" in button_keys(at) and "resume-learning-curves" not in button_keys(at)


def test_before_the_start_the_sizes_that_the_set_has_and_the_time_are_shown(photographs, open_page, tmp_path):
    info = open_source("photographs", photographs.home).info
    assert sizes_for(info, 0.1) == (5, 10)
    shown = texts(open_page("learn", **VIEW))
    duration = format_duration(expected_seconds("photographs", info, DEFAULT_DRAWS))
    for sentence in (
        RUNS.format(runs=counted(18, "short run"), sizes="5 and 10"),
        NOT_ENOUGH.format(sizes="20 or 50"),
        DURATION.format(duration=duration),
    ):
        assert sentence in shown
    finish(import_files("few", write_images(tmp_path / "few", count=4), ImportOptions(image_size=16), photographs.home))
    at = open_page("learn", **VIEW)
    at.selectbox(key="images-learning-curves").set_value("few").run()
    assert at.warning[0].value == TOO_FEW.format(data="few", fewest=5) and "train-learning-curves" not in button_keys(at)
    assert not at.exception


def test_the_chart_draws_the_mean_of_the_draws_and_a_band_from_the_lowest_to_the_highest():
    figure = learning_curves_chart({"frozen": {5: [0.8, 0.9], 10: [0.95]}}, (5, 10, 20))
    highest, lowest, line = figure.data
    assert [list(each.x) for each in figure.data] == [[5, 10]] * 3 and list(figure.layout.xaxis.tickvals) == [5, 10, 20]
    assert (list(highest.y), list(lowest.y), list(line.y)) == ([0.9, 0.95], [0.8, 0.95], pytest.approx([0.85, 0.95]))
    low, high = (10**bound for bound in figure.layout.xaxis.range)
    assert low < 5 and high > 20, "the axis has room for what is not measured yet"
    assert figure.layout.yaxis.range[0] == 0.5 and learning_curves_chart({"x": {5: [0.31]}}, (5,)).layout.yaxis.range[0] == 0.3
    later = learning_curves_chart({"scratch": {}, "frozen": {5: [0.8]}}, (5, 10, 20))
    both = learning_curves_chart({"scratch": {5: [0.5]}, "frozen": {5: [0.8]}}, (5, 10, 20))
    assert later.data[-1].line.color == both.data[-1].line.color != line.line.color and len(later.data) == 3
    assert lowest.fill == "tonexty" and [each[2] for each in line.customdata] == [counted(2, "draw"), counted(1, "draw")]
