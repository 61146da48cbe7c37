"""Static charts as figures: their content and order, and names from outside as text."""

import re
from pathlib import Path

import numpy as np
import pytest

from cnn_core.training.learning_rate_finder import LearningRateCurve
from pages.charts import theme
from pages.charts.learning_rate import POINTS, finder_curve, schedule_chart
from pages.charts.predictions import choose_bars, probability_bars
from pages.views.learn.illustration_charts import parameters_by_width

MARKUP = "<b>cat</b> <a href='http://192.0.2.1/'>x</a> &lt; "


def test_class_names_that_are_numbers_stay_names():
    assert probability_bars([("10", 0.6), ("2", 0.4)]).layout.yaxis.type == "category"


def test_probabilities_are_bars_with_the_most_probable_on_top():
    figure = probability_bars([("7", 0.7), ("1", 0.25), ("9", 0.05)])
    (bars,) = figure.data
    assert (tuple(bars.y), tuple(bars.x), tuple(bars.text)) == (("7", "1", "9"), (0.7, 0.25, 0.05), ("70.0%", "25.0%", "5.0%"))
    assert figure.layout.yaxis.autorange == "reversed"
    assert tuple(figure.layout.xaxis.range) == (0, 1)


def test_of_many_classes_only_the_most_probable_are_drawn():
    classes = [str(number) for number in range(100)]
    shown = choose_bars([(name, 1 / (number + 1)) for number, name in enumerate(reversed(classes))], classes, limit=10)
    assert [name for name, _ in shown] == classes[-10:], "in the order of the classes"
    figure = probability_bars(shown)
    assert tuple(figure.data[0].y) == tuple(classes[-10:])


def test_class_names_with_markup_reach_the_charts_as_text():
    # Plotly reads a few HTML tags and entities in labels: unescaped, "<b>cat</b>" would be drawn as a bold "cat".
    bars = probability_bars([(MARKUP, 0.6), ("dog", 0.4)]).data[0]
    assert "<" not in bars.y[0]
    assert "&lt;b&gt;cat" in bars.y[0] and "&amp;lt;" in bars.y[0]


@pytest.mark.parametrize("steps_per_epoch, epochs", [(20, 25), (1, 1), (1, 2), (7, 3), (5000, 200)])
def test_the_learning_rate_is_drawn_from_the_first_step_to_the_last_over_epochs(steps_per_epoch, epochs):
    figure = schedule_chart(lambda step: 0.5 + step, steps_per_epoch, epochs)
    (line,) = figure.data
    steps = np.array(line.x) * steps_per_epoch
    np.testing.assert_allclose(line.y, 0.5 + steps)
    assert (steps[0], steps[-1]) == pytest.approx((0, steps_per_epoch * epochs - 1))
    assert len(steps) == min(POINTS, steps_per_epoch * epochs)
    assert tuple(figure.layout.xaxis.range) == (0, epochs)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("epoch", "learning rate")


def test_a_drop_of_the_learning_rate_is_not_drawn_as_a_slope():
    (line,) = schedule_chart(lambda step: 1.0 if step < 250 else 0.1, 20, 25).data
    assert set(line.y) == {1.0, 0.1}
    assert np.diff(line.x)[np.argmin(np.diff(line.y))] <= 25 / POINTS + 1 / 20


def test_the_tried_learning_rates_are_on_a_logarithmic_axis_with_the_suggestion_marked():
    figure = finder_curve(LearningRateCurve((1e-5, 1e-3, 1e-1), (2.3, 1.2, 4.0), 1e-4))
    curve, mark = figure.data
    assert (tuple(curve.x), tuple(curve.y)) == ((1e-5, 1e-3, 1e-1), (2.3, 1.2, 4.0))
    assert (tuple(mark.x), tuple(mark.y)) == ((1e-4, 1e-4), (1.2, 4.0))
    assert any("0.0001" in text for text in mark.text)
    assert figure.layout.xaxis.type == "log"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("learning rate", "loss (cross-entropy)")


def test_no_chart_has_a_colour_that_ignores_the_theme():
    named = {
        path.name: [colour for colour in re.findall(r'"(#[0-9a-fA-F]{6})"', path.read_text()) if not colour.startswith("#0000")]
        for path in Path(theme.__file__).parent.rglob("*.py")
        if "plotly" in path.read_text()
    }
    assert len(named) > 10 and {name: found for name, found in named.items() if found} == {}


def test_the_widths_that_an_exercise_trains_have_labels_and_not_only_a_colour():
    (bars,) = parameters_by_width({0.25: 31938, 0.5: 126842, 1: 505578}, (0.25, 1)).data
    assert tuple(bars.text) == ("A 31,938", "126,842", "B 505,578")
