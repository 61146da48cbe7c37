"""The views of Evaluate: four and More, links by name, the order of headings, and the sentence each begins with."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cnn_core.data.source import finish
from cnn_core.metrics.evaluation import Evaluation, evaluate_run
from pages.charts.class_recall import MOST, lowest_recall, recall_chart
from pages.shared.address import MORE
from pages.shared.evaluation_subject import HEADER
from pages.views.evaluate import summary
from pages.views.evaluate.summary import summarise_calibration, summarise_confusion, summarise_metrics, summarise_mistakes
from tests.helpers import is_a_sentence

RUN = "0001-digits"
FOUR = ["Metrics", "Confusion matrix", "Mistakes", "Calibration"]
OTHERS = ["Explain", "Robustness", "Embedding", "Training dynamics", "Compare", "Export"]
FORMER = {"Figures": "Metrics", "Trust": "Calibration", "Inside": "Explain", "Take along": "Export"}
SHOWN = ("markdown", "caption", "header", "subheader", "metric", "dataframe", "info")
VIEW, MORE_VIEW = "evaluate-view", "evaluate-more-view"


def evaluation(confusion: list[list[int]], confidence: float = 0.8) -> Evaluation:
    """An evaluation with these counts, whose predicted classes all have this probability."""
    pairs = [(true, predicted) for true, row in enumerate(confusion) for predicted, count in enumerate(row) for _ in range(count)]
    labels, predicted = np.array(pairs).T
    probabilities = np.full((len(pairs), len(confusion)), (1 - confidence) / (len(confusion) - 1))
    probabilities[np.arange(len(pairs)), predicted] = confidence
    return Evaluation(("ant", "b*e", "cat")[: len(confusion)], np.log(probabilities).astype(np.float32), labels)


def keys(at: AppTest) -> set[str]:
    return {group.key for group in at.button_group}


def test_four_views_and_more_are_offered_and_more_shows_the_others(trained, open_page):
    at = open_page("evaluate", split="test", run=RUN)
    assert list(at.button_group(key=VIEW).options) == [*FOUR, MORE] and MORE_VIEW not in keys(at)
    at.button_group(key=VIEW).set_value(MORE).run()
    assert list(at.button_group(key=MORE_VIEW).options) == OTHERS and at.query_params["view"] == OTHERS[0]
    at.button_group(key=MORE_VIEW).set_value("Export").run()
    assert at.query_params["view"] == "Export" and not at.exception
    at.button_group(key=VIEW).set_value("Mistakes").run()
    assert at.query_params["view"] == "Mistakes" and MORE_VIEW not in keys(at)


@pytest.mark.parametrize("name", [*FOUR, *OTHERS, *FORMER])
def test_a_link_opens_the_view_of_that_name_also_of_an_earlier_version(trained, open_page, name):
    at = open_page("evaluate", split="test", run=RUN, view=name)
    view = FORMER.get(name, name)
    assert at.query_params["view"] == view and not at.exception
    assert at.button_group(key=VIEW).value == (view if view in FOUR else MORE)
    assert (MORE_VIEW in keys(at)) == (view in OTHERS)
    accuracy = finish(evaluate_run(RUN, trained.run(RUN).config, trained.home)).accuracy
    header = HEADER.format(accuracy=accuracy, images="359 test images")
    assert any(text.value.startswith(header) for text in at.markdown)
    shown = [one for one in at.main if one.type in SHOWN]
    opening = next(one for one in shown if one.type != "markdown" or not one.value.startswith(header))
    if view != "Robustness":  # which says it once it is measured
        assert opening.type in ("markdown", "info") and is_a_sentence(opening.value)
    assert sum(button.proto.type == "primary" for button in at.button) <= 1
    levels = [int(heading.tag[1]) for heading in at.main if heading.type in ("title", "header", "subheader")]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_a_link_to_another_view_on_the_page_is_followed(trained, open_page):
    at = open_page("evaluate", split="test", run=RUN, view="Robustness")
    at.query_params["view"] = "Calibration"
    assert at.run().button_group(key=VIEW).value == "Calibration"
    at.query_params["view"] = "Compare"
    assert at.run().button_group(key=MORE_VIEW).value == "Compare"


def test_metrics_compare_with_the_most_frequent_class_and_name_the_weakest():
    text = summarise_metrics(evaluation([[18, 2], [4, 6]]), "test")
    assert text == " ".join(
        (
            summary.CORRECT.format(correct=24, images="30 test images"),
            summary.WEAKEST.format(name=r"b\*e", found=6, images="10 images"),
            summary.BASELINE.format(name="ant", found=20),
        )
    )
    assert summary.NOT_BETTER.format(name="ant", found=20) in summarise_metrics(evaluation([[18, 2], [9, 1]]), "test")


def test_the_most_frequent_confusion_is_said_with_its_reverse():
    first = summary.MOST_CONFUSED.format(count=4, images="10 images", true=r"b\*e", predicted="ant")
    reverse = summary.REVERSE.format(count=2, images="20 images", true="ant", predicted=r"b\*e")
    assert summarise_confusion(evaluation([[18, 2], [4, 6]])) == f"{first} {reverse}"
    assert summarise_confusion(evaluation([[5, 0], [5, 0]])) == summary.ONE_CLASS.format(name="ant")
    assert summarise_confusion(evaluation([[5, 0], [0, 5]])) == ""


@pytest.mark.parametrize(("confidence", "how_sure"), [(0.8, summary.NOT_CONFIDENT), (0.95, summary.CONFIDENT)])
def test_mistakes_with_a_high_probability_are_counted(confidence, how_sure):
    text = summarise_mistakes(evaluation([[18, 2], [4, 6]], confidence), "validation")
    wrong = summary.WRONG.format(wrong=6, images="30 validation images")
    assert text == f"{wrong} {how_sure.format(count=6, sure=summary.SURE)}"


@pytest.mark.parametrize(
    ("confidence", "verdict"),
    [(0.95, summary.OVERCONFIDENT), (0.6, summary.UNDERCONFIDENT), (0.81, summary.WELL_CALIBRATED)],
)
def test_confidence_is_compared_with_accuracy(confidence, verdict):
    text = summarise_calibration(evaluation([[18, 2], [4, 6]], confidence))
    assert text == f"{summary.CONFIDENCE.format(confidence=confidence, accuracy=0.8)} {verdict}"


def test_the_chart_has_the_classes_with_the_lowest_recall_and_leaves_out_those_without_images():
    metrics = evaluation([[18, 2, 0], [4, 6, 0], [0, 0, 0]]).per_class
    assert lowest_recall(metrics).tolist() == [1, 0]
    (bars,) = recall_chart(metrics, ("ant", "<b>", "cat")).data
    assert list(bars.y) == ["&lt;b&gt;", "ant"] and list(bars.x) == [0.6, 0.9] and list(bars.text) == ["6 of 10", "18 of 20"]
    many = evaluation([[1, 1], [0, 1]]).per_class
    tiled = type(many)(*(np.tile(column, 20) for column in vars(many).values()))
    assert len(lowest_recall(tiled)) == MOST and (tiled.recall[lowest_recall(tiled)] == 0.5).all()
