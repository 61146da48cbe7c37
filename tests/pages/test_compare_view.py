"""The Compare view: the verdict, the classes and the lists are those of the engine; and the count of looks at test images."""

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.execution.in_process import execute
from cnn_core.home import CARD, EVALUATIONS, Home
from cnn_core.metrics.evaluated_models import MANY, models_evaluated, record_usage
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.metrics.model_comparison import compare, verdict
from cnn_core.runs.store import Store
from cnn_core.text import counted
from pages.charts.comparison import MOST, changes_chart, largest_changes
from pages.shared.choice import ALL
from pages.shared.evaluated_models import USED
from pages.shared.image_grid import PAGE
from tests.pages.studio_harness import QUICK, copy_trained_home

RUN, SECOND = "0001-digits", "0002-digits"


def evaluation_of(store, run, split="test", epoch=None):
    return finish(evaluate_run(run, store.run(run).config, store.home, split=split, epoch=epoch))


def open_compare(open_page, **query):
    at = open_page("evaluate", split="test", run=RUN, view="Compare", **query)
    assert not at.exception and not at.error
    return at


def boxes(at):
    return {box.label: box for box in at.selectbox}


def verdicts(at):
    return [message.value for message in [*at.success, *at.info] if "A" in message.value and ", p " in message.value]


@cache
def home_of_two() -> Path:
    """The trained home with a second run of the same data and split, one epoch at a low learning rate; to be copied, never changed."""
    folder = Path(tempfile.mkdtemp(prefix="two-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = Store(Home(copy_trained_home(folder)))
    run = store.create(make_config(data="digits", **QUICK | {"epochs": 1, "learning_rate": 0.0003}))
    assert run == SECOND and execute(store, run) == "finished"
    return folder


@pytest.fixture
def two(tmp_path, monkeypatch) -> Store:
    """The store of a copy of it that the test may spoil."""
    home = shutil.copytree(home_of_two(), tmp_path / "studio")
    monkeypatch.setenv("CNN_STUDIO_HOME", str(home))
    return Store(Home(home))


def test_two_runs_are_compared_on_the_same_images(two, open_page):
    comparison = compare(evaluation_of(two, RUN), evaluation_of(two, SECOND))
    at = open_compare(open_page)
    assert boxes(at)["Compare with run"].value == SECOND  # before the run itself
    assert verdicts(at) == [verdict(comparison)] and comparison.first.accuracy > comparison.second.accuracy
    assert {metric.label: metric.value for metric in at.metric} == {
        "A: test accuracy": f"{comparison.first.accuracy:.2%}",
        "B: test accuracy": f"{comparison.second.accuracy:.2%}",
        "Correct only with B": str(len(comparison.gained)),
        "Correct only with A": str(len(comparison.lost)),
    }
    for side, indices in (("Correct only with A", comparison.lost), ("Both wrong", comparison.both_wrong_differently)):
        at.selectbox(key="compare-list").set_value(side).run()
        key = f"compare-{RUN}-None-test-{SECOND}-None-test-{side}-None-picked"
        assert len(indices) and at.session_state[key]["shown"] == indices[:PAGE].tolist()
    assert not at.exception
    assert {f"{RUN}.best", f"{SECOND}.best"} <= models_evaluated(two.home, "digits")


def test_a_run_can_be_compared_with_its_own_earlier_epochs_also_on_other_images(own_trained, open_page):
    at = open_compare(open_page)
    assert boxes(at)["Compare with run"].options == [RUN]
    best = own_trained.run(RUN).summary["best_epoch"]  # the best network is this epoch's: not compared with itself
    assert boxes(at)["Model"].options == [f"after epoch {epoch}" for epoch in (3, 2, 1) if epoch != best]
    at.button_group(key="evaluate-part").set_value("val").run()
    boxes(at)["Model"].set_value(1).run()
    expected = compare(evaluation_of(own_trained, RUN, "val"), evaluation_of(own_trained, RUN, "val", 1))
    assert verdicts(at) == [verdict(expected)] and not at.exception


def test_runs_that_saw_other_images_are_not_offered(two, open_page):
    other = two.create(make_config(data="digits", **QUICK | {"epochs": 1, "seed": 5}))
    shutil.copytree(two.home.run_folder(SECOND), two.home.run_folder(other), dirs_exist_ok=True)
    at = open_compare(open_page)
    assert set(boxes(at)["Compare with run"].options) == {RUN, SECOND, other}
    at.button_group(key="evaluate-part").set_value("val").run()
    assert set(boxes(at)["Compare with run"].options) == {RUN, SECOND} and not at.exception


def test_models_of_different_data_versions_give_a_warning(two, open_page):
    card = two.home.run_folder(SECOND) / CARD
    card.write_text(card.read_text().replace(json.loads(card.read_text())["fingerprint"], "another"))
    at = open_compare(open_page, **{"with": SECOND})
    assert len(at.warning) == 1


def test_the_chart_has_the_classes_that_changed_most_with_their_intervals(trained):
    comparison = compare(evaluation_of(trained, RUN, epoch=1), evaluation_of(trained, RUN))
    changes, classes = comparison.per_class, ("<i>0</i>", *comparison.first.classes[1:])
    figure = changes_chart(changes, classes)
    order = largest_changes(changes)
    assert len(order) == min(MOST, 10) and (changes.difference[order][:-1] <= changes.difference[order][1:]).all()
    assert list(figure.layout.yaxis.categoryarray) == [
        classes[label].replace("<", "&lt;").replace(">", "&gt;") for label in order
    ]
    ends = {}
    for trace in figure.data:
        for name, x, up, down in zip(trace.y, trace.x, trace.error_x.array, trace.error_x.arrayminus, strict=True):
            ends[name] = (x - down, x + up)
    for label in range(1, 10):
        assert ends[classes[label]] == pytest.approx((100 * changes.low[label], 100 * changes.high[label]))


def test_evaluations_on_test_images_are_counted_once_per_model_and_many_give_a_warning(own_trained, open_page):
    home = own_trained.home
    shutil.rmtree(home.test_set_usage, ignore_errors=True)
    at = open_page("evaluate", split="test", run=RUN)
    name = open_source("digits", home).info.name
    assert any(USED.format(name=name, models=counted(1, "model")) in text.value for text in at.markdown)
    at.selectbox[1].set_value(2).run()
    at.selectbox[1].set_value(ALL).run()
    assert len(models_evaluated(home, "digits")) == 2 and not at.warning
    for number in range(MANY - 2):
        record_usage(home, "digits", f"{number + 7:04d}-digits", None)
    at.run()
    (warning,) = at.warning
    assert warning.value.startswith(USED.format(name=name, models=counted(MANY, "model")))
    at.button_group(key="evaluate-part").set_value("val").run()
    assert not at.warning and len(models_evaluated(home, "digits")) == MANY


def test_a_class_without_images_has_no_figures(two, open_page):
    for run in (RUN, SECOND):
        evaluation_of(two, run)
        (path,) = (two.home.run_folder(run) / EVALUATIONS).glob("best-test-*.labels.npy")
        labels = np.load(path)
        np.save(path, np.where(labels == 3, 4, labels))
    table = open_compare(open_page).dataframe[0].value
    figures = ["Change", "Lower bound", "Upper bound", "p (adjusted)"]
    assert table["Images"][3] == 0 and table[figures].iloc[3].isna().all() and table[figures].iloc[4].notna().all()
