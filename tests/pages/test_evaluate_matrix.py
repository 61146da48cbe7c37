"""The view of the confusion matrix: counts, orders, pairs, the images behind a cell, and a small matrix where there are many classes."""

import json

import numpy as np
import pytest
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.data.source import finish
from cnn_core.execution.in_process import execute
from cnn_core.home import EVALUATIONS
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.text import counted
from pages.views.evaluate.confusion_matrix import CONFUSED_CELL, CORRECT_CELL, HEADING, OTHER_TRUE, OTHERS, PAIRS

RUN = "0001-digits"
VIEW = "Confusion matrix"


def evaluation_of(store, run=RUN):
    return finish(evaluate_run(run, store.run(run).config, store.home))


def components(at):
    return [json.loads(split.proto.json) for split in at.get("bidi_component")]


def table(at):
    return next(data for data in components(at) if "counts" in data)


def shown(at):
    """The numbers of the images in the grid."""
    return [image["id"] for data in components(at) if "images" in data for image in data["images"]]


def choose(at, true, predicted, run=RUN):
    at.session_state[f"matrix-{run}-None-test"] = {"cell": ((true,), (predicted,)), "turn": 1, "list": 0, "rows": []}
    return at.run()


def headings(at):
    return [heading.value for kind in (at.header, at.subheader) for heading in kind]


def confused(count, true, predicted):
    return CONFUSED_CELL.format(images=counted(count, "image"), true=true, predicted=predicted)


def mixed_up(store, run=RUN):
    """Give the kept evaluation of `run` made-up logits with mistakes among few classes."""
    (path,) = (p for p in (store.home.run_folder(run) / EVALUATIONS).glob("best-test-*.npy") if ".labels" not in p.name)
    logits = np.load(path)
    rng = np.random.default_rng(0)
    labels = np.load(path.with_suffix(".labels.npy"))
    logits[:] = 2 * rng.standard_normal(logits.shape)
    logits[np.arange(len(labels)), labels] += 3
    np.save(path, logits)
    return evaluation_of(store, run)


def test_the_matrix_holds_the_counts_in_the_data_sets_order(trained, open_page):
    evaluation = evaluation_of(trained)
    at = open_page("evaluate", split="test", view=VIEW)
    assert table(at)["counts"] == evaluation.confusion.tolist() and sum(map(sum, table(at)["counts"])) == 359
    assert table(at)["classes"] == list(evaluation.classes) and table(at)["isSingle"] == [True] * 10
    assert table(at)["measure"] == "counts" and table(at)["chosen"] is None
    at.button_group(key="matrix-measure").set_value("fractions").run()
    assert table(at)["measure"] == "fractions"
    assert not at.exception


def test_sorted_by_confusion_the_pair_that_is_mixed_up_most_comes_first(own_trained, open_page):
    evaluation_of(own_trained)
    evaluation = mixed_up(own_trained)
    at = open_page("evaluate", split="test", view=VIEW)
    at.button_group(key="matrix-order").set_value("confusion").run()
    order = [evaluation.classes.index(name) for name in table(at)["classes"]]
    assert sorted(order) == list(range(10)) != order
    assert table(at)["counts"] == evaluation.confusion[np.ix_(order, order)].tolist()
    both = evaluation.confusion + evaluation.confusion.T - 2 * np.diag(evaluation.confusion.diagonal())
    assert both[order[0], order[1]] == both.max()
    assert not at.exception


def test_a_chosen_cell_shows_its_images_under_a_heading_with_a_way_back(own_trained, open_page):
    evaluation_of(own_trained)
    evaluation = mixed_up(own_trained)
    wrong = evaluation.confusion - np.diag(evaluation.confusion.diagonal())
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    at = choose(open_page("evaluate", split="test", view=VIEW), int(true), int(predicted))
    expected = np.flatnonzero((evaluation.labels == true) & (evaluation.logits.argmax(1) == predicted))
    assert sorted(shown(at)) == expected.tolist()
    assert confused(len(expected), true, predicted) in headings(at)
    assert table(at)["chosen"] == [true, predicted] and table(at)["container"] == "matrix-images-1"
    at.button(key="matrix-back").click().run()
    assert shown(at) == [] and headings(at) == [HEADING, PAIRS]
    assert table(at)["chosen"] is None and table(at)["container"] == "" and table(at)["turn"] == 2
    assert not at.exception


def test_headings_name_correct_and_single_images(own_trained, open_page):
    evaluation_of(own_trained)
    evaluation = mixed_up(own_trained)
    at = choose(open_page("evaluate", split="test", view=VIEW), 3, 3)
    assert CORRECT_CELL.format(images=counted(evaluation.confusion[3, 3], "image"), true=3) in headings(at)
    true, predicted = next(zip(*np.nonzero(evaluation.confusion == 1), strict=True))
    choose(at, int(true), int(predicted))
    assert confused(1, true, predicted) in headings(at)


def test_a_row_of_the_most_confused_pairs_shows_its_images(own_trained, open_page):
    evaluation_of(own_trained)
    evaluation = mixed_up(own_trained)
    at = open_page("evaluate", split="test", view=VIEW)
    pairs = at.dataframe[0]
    wrong = evaluation.confusion - np.diag(evaluation.confusion.diagonal())
    assert pairs.value["Images"].tolist() == sorted(wrong[wrong > 0].tolist(), reverse=True)
    true, predicted = (int(pairs.value[column].iloc[2]) for column in ("True class", "Predicted"))
    assert pairs.value["Images"].iloc[2] == evaluation.confusion[true, predicted]
    assert pairs.value["Fraction"].iloc[2] == evaluation.confusion[true, predicted] / evaluation.confusion[true].sum()
    at.session_state[pairs.key] = {"selection": {"rows": [2], "columns": [], "cells": []}}
    at.run()
    expected = np.flatnonzero((evaluation.labels == true) & (evaluation.predicted == predicted))
    assert sorted(shown(at)) == expected.tolist()
    assert table(at)["chosen"] == [true, predicted]
    assert not at.exception


def test_a_network_that_is_always_right_has_no_pairs_to_list(own_trained, open_page):
    evaluation = evaluation_of(own_trained)
    (path,) = (own_trained.home.run_folder(RUN) / EVALUATIONS).glob("best-test-*.labels.npy")
    np.save(path, evaluation.predicted)
    at = open_page("evaluate", split="test", view=VIEW)
    assert len(at.success) == 1 and not at.dataframe
    assert not at.exception


@pytest.fixture
def crowded(empty, tmp_path):
    """A store with one run of 34 classes, whose evaluation is made up; and that run's name."""
    rng = np.random.default_rng(0)
    for label in range(34):
        (tmp_path / "many" / f"class {label:02d}").mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "many" / f"class {label:02d}" / f"{number}.png")
    run = empty.create(make_config(data=str(tmp_path / "many"), epochs=1, batch_size=64, device="cpu"))
    assert execute(empty, run) == "finished"
    return empty, run


def test_of_many_classes_the_most_confused_have_rows_and_the_others_share_one(crowded, open_page):
    store, run = crowded
    evaluation_of(store, run)
    evaluation = mixed_up(store, run)
    at = open_page("evaluate", split="test", view=VIEW, run=run)
    small = np.array(table(at)["counts"])
    assert small.shape == (16, 16) and table(at)["classes"][-1] == OTHERS and table(at)["isSingle"] == [True] * 15 + [False]
    assert small.sum() == len(evaluation.labels)
    single = [evaluation.classes.index(name) for name in table(at)["classes"][:-1]]
    assert small[:-1, :-1].tolist() == evaluation.confusion[np.ix_(single, single)].tolist()
    assert small.sum(1)[:-1].tolist() == evaluation.confusion.sum(1)[single].tolist()
    pairs = at.dataframe[0].value
    assert pairs["True class"].iloc[0] in table(at)["classes"] and pairs["Predicted"].iloc[0] in table(at)["classes"]
    assert pairs["Images"].sum() == evaluation.confusion.sum() - np.trace(evaluation.confusion)

    at.multiselect[0].set_value([5, 2]).run()
    assert table(at)["classes"] == ["class 02", "class 05", OTHERS]
    others = tuple(label for label in range(34) if label not in (2, 5))
    at.session_state[f"matrix-{run}-None-test"] = {"cell": (others, (2,)), "turn": 1, "list": 0, "rows": []}
    at.run()
    expected = np.flatnonzero(~np.isin(evaluation.labels, [2, 5]) & (evaluation.predicted == 2))
    assert sorted(shown(at)) == expected.tolist() and table(at)["chosen"] == [2, 0]
    assert confused(len(expected), OTHER_TRUE, "class 02") in headings(at)
    at.multiselect[0].set_value([]).run()
    assert len(at.info) == 1
    assert not at.exception
