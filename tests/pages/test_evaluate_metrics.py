"""The view of figures: they are scikit-learn's to the last digit, say of which images they are, and what cannot be said of missing ones."""

import base64
import json
import re

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics as sk

from cnn_core.data.source import finish
from cnn_core.home import EVALUATIONS
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.metrics.threshold_curves import count_at_thresholds
from pages.charts.threshold_curves import precision_recall_chart, roc_chart
from pages.views.evaluate.metrics import AND_MORE, NO_IMAGES_OF, SPLIT_HELP

RUN = "0001-digits"


def evaluation_of(store, split="test"):
    return finish(evaluate_run(RUN, store.run(RUN).config, store.home, split=split))


def is_class_of(evaluation):
    return evaluation.labels[:, None] == np.arange(len(evaluation.classes))


def numbers(packed):
    """An array as Plotly's JSON packs it."""
    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"]) if isinstance(packed, dict) else np.array(packed)


def relabel(store, was, becomes):
    """Give the images of one class to another, in the kept evaluation."""
    (path,) = (store.home.run_folder(RUN) / EVALUATIONS).glob("best-test-*.labels.npy")
    labels = np.load(path)
    labels[np.isin(labels, was)] = becomes
    np.save(path, labels)


def test_metrics_equal_those_of_cnn_core_and_accuracy_has_an_interval(trained, open_page):
    evaluation, summary = evaluation_of(trained), trained.run(RUN).summary
    at = open_page("evaluate", split="test")
    top = sk.top_k_accuracy_score(evaluation.labels, evaluation.logits, k=3, labels=range(10))
    assert {metric.label: metric.value for metric in at.metric} == {
        "Test accuracy": f"{evaluation.accuracy:.2%}",
        "Top-3 accuracy": f"{top:.2%}",
        "Test loss": f"{evaluation.loss:.4f}",
        "Test images": "359",
        "Best validation": f"{summary['best_val_accuracy']:.2%}",
    }
    ends = scipy.stats.binomtest(int(evaluation.is_correct.sum()), 359).proportion_ci(method="wilson")
    assert at.metric[0].delta == f"{ends.low:.1%} to {ends.high:.1%}"
    assert evaluation.accuracy == summary["test_accuracy"]
    assert not at.exception


@pytest.mark.parametrize("split, word", [("val", "validation"), ("train", "training")])
def test_the_texts_name_the_chosen_split(own_trained, open_page, split, word):
    at = open_page("evaluate", split="test")
    at.button_group(key="evaluate-part").set_value(split).run()
    evaluation = evaluation_of(own_trained, split)
    assert at.metric[0].label == f"{word.capitalize()} accuracy" and at.metric[0].value == f"{evaluation.accuracy:.2%}"
    helps = [metric.help for metric in at.metric]
    assert SPLIT_HELP[split] == helps[3] and word in helps[0]
    assert not any(re.search(r"\btest\b", text) for text in helps if text != SPLIT_HELP[split])
    assert not at.exception


def test_the_table_of_classes_equals_scikit_learns_figures(trained, open_page):
    evaluation = evaluation_of(trained)
    table, means = (frame.value for frame in open_page("evaluate", split="test").dataframe[:2])
    assert list(table["Class"]) == list(evaluation.classes)
    shares, is_class = evaluation.probabilities(), is_class_of(evaluation)
    precision, recall, f1, support = sk.precision_recall_fscore_support(evaluation.labels, evaluation.predicted)
    expected = {
        "Precision": precision,
        "Recall": recall,
        "F1": f1,
        "AP": sk.average_precision_score(is_class, shares, average=None),
        "AUC": sk.roc_auc_score(is_class, shares, average=None),
        "Images": support,
    }
    for column, values in expected.items():
        np.testing.assert_allclose(table[column], values, rtol=0, atol=1e-9)
        if column != "Images":
            both = [values.mean(), np.average(values, weights=support)]
            np.testing.assert_allclose(means[column], both, rtol=0, atol=1e-9)


def test_the_curves_are_those_of_the_chosen_class(trained, open_page):
    evaluation = evaluation_of(trained)
    at = open_page("evaluate", split="test")
    at.selectbox(key=f"curves-class-{RUN}").set_value(8).run()
    precision_recall, roc = (json.loads(chart.proto.spec)["data"] for chart in at.get("plotly_chart")[1:])
    is_class, probability = evaluation.labels == 8, evaluation.class_probability(8)
    precision, recall, _ = sk.precision_recall_curve(is_class, probability)
    false_positive, true_positive, _ = sk.roc_curve(is_class, probability, drop_intermediate=False)
    np.testing.assert_allclose(numbers(precision_recall[0]["x"]), [0, *recall[-2::-1]])
    np.testing.assert_allclose(numbers(precision_recall[0]["y"]), [precision[-2], *precision[-2::-1]])
    np.testing.assert_allclose(numbers(roc[0]["x"]), false_positive)
    np.testing.assert_allclose(numbers(roc[0]["y"]), true_positive)
    np.testing.assert_allclose(numbers(precision_recall[1]["y"]), [is_class.mean()] * 2)
    shown = "\n".join(text.value for text in at.markdown)
    assert f"**{sk.roc_auc_score(is_class, probability):.2%}**" in shown
    assert f"**{sk.average_precision_score(is_class, probability):.2%}**" in shown
    assert not at.exception


def test_a_class_without_images_gets_a_message_and_no_figures(own_trained, open_page):
    evaluation_of(own_trained)
    relabel(own_trained, [3], 4)
    at = open_page("evaluate", split="test")
    (note,) = at.info
    assert note.value == NO_IMAGES_OF.format(split="test", classes="3")
    row = at.dataframe[0].value.iloc[3]
    assert row["Images"] == 0 and np.isnan([row["Recall"], row["F1"], row["AP"], row["AUC"]]).all() and row["Precision"] == 0
    at.selectbox(key=f"curves-class-{RUN}").set_value(3).run()
    assert "3" in at.info[1].value and len(at.get("plotly_chart")) == 1
    assert not at.exception


def test_curves_need_images_of_more_than_one_class(own_trained, open_page):
    evaluation_of(own_trained)
    relabel(own_trained, range(10), 0)
    at = open_page("evaluate", split="test")
    assert f"1, 2, 3, 4, 5{AND_MORE.format(count=4)}" in at.info[0].value
    assert "0" in at.info[1].value
    assert not at.exception


def test_long_curves_are_drawn_with_few_points_from_end_to_end():
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    curve = count_at_thresholds(rng.random(20_000) < probability, probability)
    for figure, start in ((precision_recall_chart(curve), (0, curve.precision[0])), (roc_chart(curve), (0, 0))):
        line = figure.data[0]
        assert len(line.x) <= 400 and (line.x[0], line.y[0]) == start and line.x[-1] == 1
        assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
