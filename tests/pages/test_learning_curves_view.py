"""The view of learning curves: a prediction, the runs of three ways to train, their curves, and the verdict on the prediction."""

import pytest

from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.lessons.attempts import list_attempts, read_runs
from cnn_core.lessons.learning_curves import WAYS, judge, sizes_of, way_and_size
from pages.views.learn.learning_curves import (
    AGREES,
    BANDS,
    DIFFERS,
    EXPLANATION,
    IMPORT,
    MISSING,
    NO_SETS,
    NOTHING,
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
    assert at.warning[0].value == NOTHING.format(size=10) and at.button(key="train-learning-curves") and not at.exception
    assert not read_runs(store, list_attempts(store)[0]).is_active
