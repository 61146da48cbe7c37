"""The Learning view: its figures, lists and lines of epochs are those of the run's learning history."""

import json
import re
import shutil

import numpy as np
import pytest

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.home import TRAINING_DYNAMICS
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.metrics.training_dynamics import REMEDY, learned_first, learned_last, most_often_forgotten, read_dynamics
from pages.charts.training_dynamics import MARKED, epochs_chart, forgetting_chart
from pages.shared.image_grid import PAGE
from pages.views.evaluate.training_dynamics import CORRECT_IN

RUN = "0001-digits"


def open_learning(open_page, split):
    at = open_page("evaluate", split="test", run=RUN, view="Training dynamics")
    at.button_group(key="evaluate-part").set_value(split).run()
    assert not at.exception and not at.error
    return at


def history_of(store, split):
    evaluation = finish(evaluate_run(RUN, store.run(RUN).config, store.home, split=split))
    fingerprint = open_source("digits", store.home).info.fingerprint
    return read_dynamics(store.home.run_folder(RUN), split, len(evaluation), fingerprint, 3), evaluation


def charts(at):
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def shown(at, name, split="train", true_class=None):
    return at.session_state[f"learning-{RUN}-None-{split}-{name}-{true_class}-picked"]["shown"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_figures_and_charts_are_those_of_the_history(trained, open_page, split):
    history, _ = history_of(trained, split)
    at = open_learning(open_page, split)
    count = history.count
    assert {metric.label: metric.value for metric in at.metric} == {
        "Never forgotten": f"{history.is_unforgettable.sum() / count:.1%}",
        "Forgotten at least once": f"{(history.forgetting_events > 0).sum() / count:.1%}",
        "Never learned": f"{history.is_never_learned.sum() / count:.1%}",
        "Correct in epoch 3": f"{history.is_correct(2).sum() / count:.1%}",
    }
    learned, forgotten = forgetting_chart(history).data[0].y, history.forgetting_events[~history.is_never_learned]
    assert learned.tolist() == [int((forgotten == times).sum()) for times in range(forgotten.max() + 1)]
    assert [trace["name"] for trace in charts(at)[0]["data"]] == ["first correct", "correct in this epoch"]
    assert len(charts(at)) == 3


def test_each_list_shows_its_images_and_the_first_ones_line_of_epochs(trained, open_page):
    history, evaluation = history_of(trained, "train")
    at = open_learning(open_page, "train")
    expected = {
        "Most often forgotten": most_often_forgotten(history),
        "Learned last": learned_last(history),
        "Never forgotten": learned_first(history),
        "Never learned": np.flatnonzero(history.first_correct_epoch == 0),
    }
    for name, indices in expected.items():
        at.selectbox(key="learning-list").set_value(name).run()
        if not len(indices):
            assert len(at.info) == 1 and len(charts(at)) == 2
            continue
        assert shown(at, name) == indices[:PAGE].tolist()
        line = charts(at)[2]["data"][0]
        assert line["y"] == [f"{evaluation.classes[evaluation.labels[indices[0]]]}, image {indices[0]}"]
    at.selectbox(key="learning-list").set_value("Never forgotten")
    at.selectbox(key=f"learning-class-{RUN}").set_value(0).run()
    of_class = [index for index in expected["Never forgotten"] if evaluation.labels[index] == 0]
    assert of_class and shown(at, "Never forgotten", true_class=0) == of_class[:PAGE]
    assert not at.exception


def test_selected_images_are_shown_side_by_side_epoch_by_epoch(trained, open_page):
    history, _ = history_of(trained, "train")
    at = open_learning(open_page, "train")
    chosen = most_often_forgotten(history)[[1, 0]].tolist()
    key = f"learning-{RUN}-None-train-Most often forgotten-None-picked"
    at.session_state[key] = at.session_state[key] | {"picked": chosen}
    at.run()
    texts = [CORRECT_IN.format(name=f"image {index}", correct=history.image_history(index).sum(), epochs=3) for index in chosen]
    assert any(all(text in chart.proto.alt for text in texts) for chart in at.get("plotly_chart"))
    figure = epochs_chart(history, chosen, ["<b>one</b>", "other"])
    assert figure.data[0].z.tolist() == [history.image_history(index).astype(int).tolist() for index in chosen]
    assert figure.data[0].y[0] == "&lt;b&gt;one&lt;/b&gt;" and len(history.epochs) < MARKED


def test_test_images_have_no_history_and_the_page_says_what_to_choose(trained, open_page):
    at = open_page("evaluate", split="test", run=RUN, view="Training dynamics")
    assert not at.exception and not at.error and not at.metric
    assert len(at.info) == 1 and not at.metric


def test_a_run_without_a_history_shows_what_to_do(own_trained, open_page):
    shutil.rmtree(own_trained.home.run_folder(RUN) / TRAINING_DYNAMICS)
    at = open_learning(open_page, "train")
    assert not at.metric and REMEDY in at.info[0].value


def test_an_epoch_that_is_lost_is_reported_and_the_rest_shown(own_trained, open_page):
    (own_trained.home.run_folder(RUN) / TRAINING_DYNAMICS / "0002.npz").write_bytes(b"damaged")
    at = open_learning(open_page, "val")
    history, _ = history_of(own_trained, "val")
    assert [warning.value for warning in at.warning] == [*history.notes] and re.search(r"\b2\b", history.notes[0])
    assert len(at.metric) == 4
