"""The Robustness view of the evaluate page: measured on request, kept, told as a sentence, lines and a table; what strengths look like."""

import json
import re

import numpy as np
import pytest
import torch

from cnn_core.data.source import finish
from cnn_core.events import Progress
from cnn_core.home import EVALUATIONS, WEIGHTS
from cnn_core.metrics.corruptions import CORRUPTIONS, STRENGTHS
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.metrics.robustness import Robustness, draw_indices, read_robustness, save_robustness
from cnn_core.text import format_duration
from pages.charts.robustness import robustness_chart
from pages.shared.progress import CANCELLED, CANCELLED_TEXT, TIME_LEFT, TimeLeft
from pages.views.evaluate import robustness
from pages.views.evaluate.robustness_examples import ALT, NO_CORRUPTION

RUN = "0001-digits"
NAMES = [corruption.name for corruption in CORRUPTIONS]


def evaluation_of(store):
    return finish(evaluate_run(RUN, store.run(RUN).config, store.home))


def folder_of(store):
    return store.home.run_folder(RUN)


def open_view(open_page):
    return open_page("evaluate", split="test", run=RUN, view="Robustness")


def press(at, key):
    return at.button(key=key).click().run()


def keys(at):
    return [button.key for button in at.button]


def charts(at):
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def strip(at):
    (text,) = [html.proto.body for html in at.main.get("html") if 'class="shots"' in html.proto.body]
    return text


def made_up(count=359, plain=340, worst=1):
    """`worst` loses 40 images a strength, all others 10."""
    right = [
        [plain - (40 if kind == worst else 10) * level for level in range(1, 1 + STRENGTHS)] for kind in range(len(CORRUPTIONS))
    ]
    return Robustness(count=count, uncorrupted=plain, corrupted=right)


def test_before_a_measurement_the_view_explains_itself_and_shows_the_strengths(trained, open_page):
    at = open_view(open_page)
    sample = robustness.ALL_IMAGES.format(total=359, split="test")
    assert robustness.NOT_MEASURED.format(sample=sample) in [info.value for info in at.info]
    assert robustness.ABOUT in [caption.value for caption in at.caption]
    assert charts(at) == [] and strip(at).count("<img") == 1 + STRENGTHS
    assert not at.exception


def test_a_measurement_is_saved_and_shown_in_other_sessions(own_trained, open_page, monkeypatch):
    monkeypatch.setattr(robustness, "SIZES", (40,))
    evaluation = evaluation_of(own_trained)
    at = press(open_view(open_page), "measure-robustness")
    found = read_robustness(folder_of(own_trained), evaluation.key, 40)
    assert found.uncorrupted == evaluation.is_correct[draw_indices(359, 40)].sum()
    (chart,) = charts(at)
    assert [trace["name"] for trace in chart["data"]] == NAMES
    assert chart["data"][0]["x"] == list(range(1 + STRENGTHS))
    assert not at.exception

    save_robustness(folder_of(own_trained), evaluation.key, made_up())
    at = open_view(open_page)
    assert "measure-robustness" not in keys(at) and len(charts(at)) == 1
    (sentence,) = [text.value for text in at.markdown if "**blur**" in text.value]
    assert sentence.startswith(robustness.LEAST_ROBUST.format(name="blur", clean=340 / 359, accuracy=140 / 359))
    assert at.selectbox(key=f"robustness-kind-{RUN}-None-test").value == "blur"
    table = at.dataframe[0].value
    assert table["Corruption"].iloc[0] == "blur" and sorted(table["Corruption"]) == sorted(NAMES)
    assert table["Mean"].iloc[0] == pytest.approx(100 * (340 - 120) / 359) and table["Strength 5"].iloc[0] == pytest.approx(
        100 * 140 / 359
    )
    assert table["Decrease"].tolist() == pytest.approx([100 * 120 / 359] + 6 * [100 * 30 / 359])
    assert not at.exception


def test_a_measurement_of_other_weights_is_not_shown(own_trained, open_page):
    save_robustness(folder_of(own_trained), evaluation_of(own_trained).key, made_up())
    weights = folder_of(own_trained) / WEIGHTS
    weights.write_bytes(weights.read_bytes() + b"\0")
    at = open_view(open_page)
    assert charts(at) == [] and "measure-robustness" in keys(at)


def test_a_saved_larger_sample_is_selected_first_and_a_smaller_one_is_separate(own_trained, open_page, monkeypatch):
    monkeypatch.setattr(robustness, "SIZES", (20, 100))
    key = evaluation_of(own_trained).key
    measured = Robustness(count=100, uncorrupted=98, corrupted=[[5] * STRENGTHS] * len(CORRUPTIONS))
    save_robustness(folder_of(own_trained), key, measured)
    at = open_view(open_page)
    size = at.button_group(key=f"robustness-size-{RUN}-None-test")
    assert size.value == 100 and len(charts(at)) == 1
    low, high = measured.interval(0.5)
    sample = robustness.SAMPLE.format(count=100, total=359, split="test")
    note = robustness.MEASURED.format(sample=sample, margin=50 * (high - low))
    assert note in [caption.value for caption in at.caption]
    size.set_value(20).run()
    sample = robustness.SAMPLE.format(count=20, total=359, split="test")
    assert charts(at) == [] and robustness.NOT_MEASURED.format(sample=sample) in [info.value for info in at.info]
    at = press(at, "measure-robustness")
    assert (
        len(charts(at)) == 1
        and read_robustness(folder_of(own_trained), key, 20)
        and read_robustness(folder_of(own_trained), key, 100)
    )
    assert not at.exception


def test_a_cancelled_measurement_saves_nothing_and_can_be_restarted(own_trained, open_page, monkeypatch):
    monkeypatch.setattr(robustness, "SIZES", (20,))
    key = evaluation_of(own_trained).key
    at = open_view(open_page)
    name = f"robustness-{key}-20-{RUN}"
    at.session_state[robustness.REQUESTED] = at.session_state[CANCELLED] = name  # as “Cancel” leaves them
    at.run()
    assert charts(at) == [] and any(info.value == CANCELLED_TEXT for info in at.info)
    assert strip(at) and not list((folder_of(own_trained) / EVALUATIONS).glob("*.robustness.json"))
    at = press(at, f"again-{name}")
    assert len(charts(at)) == 1 and not at.exception


def test_the_strip_shows_one_image_at_every_strength_of_the_chosen_corruption(trained, open_page):
    at = open_view(open_page)
    at.selectbox(key=f"robustness-kind-{RUN}-None-test").set_value("rotation").run()
    (rotation,) = [corruption for corruption in CORRUPTIONS if corruption.name == "rotation"]
    titles = [NO_CORRUPTION, *map(rotation.describe, rotation.strengths)]
    starts = [ALT.format(title=f"{strength}: {title}", prediction="", verdict="") for strength, title in enumerate(titles)]
    alts = re.findall(r'alt="([^"]*)"', strip(at))
    assert all(alt.startswith(start.rstrip(", ")) for alt, start in zip(alts, starts, strict=True)) and "45" in titles[-1]
    assert len(set(re.findall(r'src="([^"]*)"', strip(at)))) == 1 + STRENGTHS
    before = strip(at)
    for _ in range(3):  # the same one could be drawn again
        press(at, f"robustness-image-{RUN}-None-test-other")
        if strip(at) != before:
            break
    assert strip(at) != before and not at.exception


def test_a_network_that_diverged_gives_a_message(own_trained, open_page):
    weights = folder_of(own_trained) / WEIGHTS
    state = torch.load(weights, weights_only=True)
    torch.save({name: torch.full_like(value, torch.nan) for name, value in state.items()}, weights)
    at = open_view(open_page)
    assert len(at.info) == 1
    assert "measure-robustness" not in keys(at) and not at.exception


def test_lines_differ_in_more_than_colour_and_the_best_comes_first_in_the_legend():
    figure = robustness_chart(made_up(), 10)
    assert len({(trace.marker.symbol, trace.line.dash) for trace in figure.data}) == len(CORRUPTIONS)
    assert max(figure.data, key=lambda trace: trace.legendrank).name == "blur"
    for trace, line in zip(figure.data, made_up().accuracy, strict=True):
        assert np.array_equal(trace.y, line)
    low, high = made_up().interval(made_up().accuracy[0, 5])
    shown = figure.data[0].customdata[5]
    assert CORRUPTIONS[0].describe(CORRUPTIONS[0].strengths[4]) in shown and f"{low:.1%}" in shown and f"{high:.1%}" in shown


@pytest.mark.parametrize("plain, count, expected, guessing", [(340, 359, (0.3, 1.02), False), (230, 359, (-0.02, 0.72), True)])
def test_the_axis_ends_near_the_lines_and_shows_guessing_where_it_lies_between(plain, count, expected, guessing):
    figure = robustness_chart(made_up(count, plain), 10)
    assert figure.layout.yaxis.range == pytest.approx(expected)
    assert (len(figure.layout.shapes) == 1) is guessing


def test_a_model_without_losses_is_described_as_robust():
    even = Robustness(count=100, uncorrupted=60, corrupted=[[60] * STRENGTHS] * len(CORRUPTIONS))
    assert robustness.summarise(even) == robustness.ROBUST.format(accuracy=0.6)


def test_the_time_left_is_estimated_from_the_steps_since_the_first_report():
    left = TimeLeft()
    estimates = [
        left.estimate(Progress("Trying", done, 40), now) for done, now in ((0, 100.0), (1, 101.0), (10, 105.0), (30, 120.0))
    ]
    assert estimates == ["", "", *(f", {TIME_LEFT.format(time=format_duration(seconds))}" for seconds in (15, 7))]
    assert (
        left.estimate(Progress("Another stage", 0, 900), 121.0) == ""
        and left.estimate(Progress("Another stage", 0, 900), 200.0) == ""
    )
    assert left.estimate(Progress("Another stage", 90, 900), 221.0) == f", {TIME_LEFT.format(time=format_duration(15 * 60))}"
