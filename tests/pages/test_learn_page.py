"""The exercises of the Learn page: a prediction, then pairs of real runs, then the result and the verdict on the prediction."""

from urllib.parse import parse_qsl

import pytest

from cnn_core.config.schema import TrainConfig, metadata
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.events import Epoch, Finished, Started
from cnn_core.lessons.attempts import list_attempts, measure_effect, read_runs, start_attempt
from cnn_core.lessons.effect import VERDICTS, describe_effect, describe_resolution, describe_verdict
from cnn_core.lessons.epoch_effects import ALL_EPOCHS, NO_EPOCH, ONE_EPOCH
from cnn_core.lessons.exercises import EXERCISES
from cnn_core.lessons.final_metrics import ACCURACY, GAP
from pages.shared.links import term_link
from pages.shared.run_selection import STATUS
from pages.shared.text import plain
from pages.views.learn.attempt import (
    BANDS,
    DURING,
    NO_PAIR_FINISHED,
    ONE_RUN,
    OPEN_B,
    PRELIMINARY_RESULT,
    REPEAT,
    RESULT,
    SO_FAR,
    runs_ahead,
)
from pages.views.learn.attempt_form import DIGITS_TITLE, GET_PHOTOGRAPHS, PREDICTION_MISSING, digits_duration, measure_pair
from pages.views.learn.exercises import changed_settings, progress_text
from pages.views.learn.illustrations import BEFORE_PREDICTION, DIGIT_VERSIONS, ILLUSTRATIONS
from pages.views.learn.prediction import MARK, PREDICTION, prediction_label
from tests.helpers import drain, write_images
from tests.pages.announcements import announcements

CLASSES = tuple("0123456789")
DROPOUT = EXERCISES["dropout"]
FORM_KEY = "digits-simple-dropout"
# Training and validation accuracy of A0, B0, A1, …: the gap of B is smaller, and its validation accuracy hardly differs.
SMALLER_GAP = [(1.0, 0.974), (0.98, 0.976), (1.0, 0.979), (0.97, 0.97), (1.0, 0.973), (0.975, 0.976)]
SAME_GAP = [(1.0, 0.98), (1.0, 0.97), (1.0, 0.97), (1.0, 0.98), (1.0, 0.98), (1.0, 0.979)]


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption])


def button_keys(at):
    return {button.key for button in at.button}


def link_labels(at):
    return {link.proto.label: link.proto for link in at.get("page_link")}


def epoch(number, train, val, loss=0.3):
    return Epoch(number, 12 * number, 0.2, train, loss, val, True, 1.0, 1.0)


def start(store, run):
    store.log.append(run.id, [Started(126_842, "CPU", 719, 719, 359, 12, 20, classes=CLASSES, class_counts=(72,) * 10)])


def complete(store, exercise, accuracies, prediction="lower", last_status="finished"):
    """An attempt whose runs have ended with these accuracies; the last run has status `last_status`."""
    attempt = start_attempt(store, exercise, "digits", prediction, pairs=len(accuracies) // 2)
    runs = read_runs(store, attempt).runs
    for run, (train, val) in zip(runs, accuracies, strict=True):
        start(store, run)
        store.log.append(run.id, [epoch(1, train, val), Finished(0.9, 0.3)])
        store.set_status(run.id, last_status if run == runs[-1] else "finished")
    return attempt


def test_every_exercise_is_shown_with_its_illustration_its_question_and_links_to_the_glossary(empty, open_page):
    assert ILLUSTRATIONS.keys() == EXERCISES.keys()
    for name, exercise in EXERCISES.items():
        at = open_page("learn", lesson=name)
        assert not at.exception and not at.error, name
        shown = texts(at)
        assert at.header[0].value == exercise.title and exercise.question in shown and exercise.introduction in shown
        assert all(term_link(term, "").removeprefix("[]") in shown for term in exercise.terms)
        assert [*at.get("plotly_chart"), *at.main.get("html")], name
        assert at.query_params["lesson"] == name


def test_the_first_exercise_that_is_not_completed_is_selected_and_an_unknown_address_is_ignored(empty, open_page):
    assert open_page("learn").query_params["lesson"] == "augmentation"
    at = open_page("learn", lesson="<script>" * 100)
    assert at.query_params["lesson"] == "augmentation" and not at.exception and empty.runs() == []
    complete(empty, "augmentation", [(1.0, 0.9), (0.9, 0.9)])
    assert open_page("learn").query_params["lesson"] == "dropout"


def test_no_run_can_be_started_before_a_prediction(empty, open_page):
    at = open_page("learn", lesson="dropout")
    assert at.button(key="train-dropout").disabled and PREDICTION_MISSING in texts(at)
    at = at.radio(key="prediction-dropout").set_value("unknown").run()
    assert not at.button(key="train-dropout").disabled and PREDICTION_MISSING not in texts(at)
    assert empty.runs() == []


def test_the_settings_of_both_runs_are_shown_with_their_units(empty, open_page):
    crop, rotation, batch_norm = (TrainConfig.model_fields[name].title.lower() for name in ("crop", "rotation", "batch_norm"))
    expected = f"{crop} 0.0625, {rotation} 10 {metadata('rotation').unit}"
    assert (
        changed_settings(EXERCISES["augmentation"], "B") == expected and metadata("rotation").unit and not metadata("crop").unit
    )
    assert expected in texts(open_page("learn", lesson="augmentation"))
    assert changed_settings(EXERCISES["batch-norm"], "B") == f"{batch_norm} on"
    assert f"{batch_norm} on" in texts(open_page("learn", lesson="batch-norm"))


def test_the_estimated_time_depends_on_the_number_of_pairs(empty, open_page):
    assert "15 to 45 s" in digits_duration(3) and "5 to 15 s" in digits_duration(1)
    at = open_page("learn", lesson="augmentation")
    assert digits_duration(3) in texts(at)
    at = at.number_input(key="pairs-augmentation").set_value(1).run()
    assert digits_duration(1) in texts(at) and digits_duration(3) not in texts(at)


def test_an_image_and_its_versions_are_in_one_row_at_every_width(empty, open_page):
    html = [element.proto.body for element in open_page("learn", lesson="augmentation").main.get("html")]
    (grid,) = [body for body in html if DIGIT_VERSIONS[1] in body]
    assert f'style="--columns: repeat({len(DIGIT_VERSIONS)}, 1fr)"' in grid and "grid-template-columns: var(--columns, " in grid


def test_the_button_queues_the_pairs_and_the_page_shows_their_status(empty, open_page):
    at = open_page("learn", lesson="dropout")
    at.radio(key="prediction-dropout").set_value("lower").run()
    at.number_input(key="pairs-dropout").set_value(2).run()
    at = at.button(key="train-dropout").click().run()
    assert not at.exception and not at.error
    (attempt,) = list_attempts(empty)
    assert (attempt.exercise, attempt.data, attempt.prediction) == ("dropout", "digits", "lower")
    origins = [f"lesson/dropout/{attempt.number}/{label}" for label in ("A0", "B0", "A1", "B1")]
    assert [run.origin for run in empty.created_by("lesson/dropout")] == origins
    icon, _, word = STATUS["queued"]
    assert ONE_RUN.format(run="A0", icon=icon, status=word) in texts(at) and button_keys(at) & {
        "train-dropout",
        "stop-attempt",
    } == {"stop-attempt"}
    at.button(key="stop-attempt").click().run()
    at = open_page("learn", lesson="dropout")
    assert {run.status for run in empty.runs()} == {"stopped"}
    assert NO_PAIR_FINISHED in at.warning[0].value and REPEAT in at.warning[0].value
    assert button_keys(at) & {"train-dropout", "stop-attempt"} == {"train-dropout"}


def test_runs_of_others_are_counted_if_they_wait_or_train_first(empty, open_page, monkeypatch):
    monkeypatch.setattr("cnn_core.runs.run.GRACE_SECONDS", 3600)  # no process holds these runs
    assert runs_ahead(0) == "" and "1" in runs_ahead(1) and "2" in runs_ahead(2)
    first = start_attempt(empty, "epochs", "digits", "higher", pairs=1)
    start_attempt(empty, "dropout", "digits", "lower", pairs=1)

    def shown(lesson):
        found = texts(open_page("learn", lesson=lesson))
        return [count for count in (1, 2, 3) if runs_ahead(count) in found]

    assert (shown("dropout"), shown("epochs")) == ([2], [])
    a, b = read_runs(empty, first).runs
    empty.set_status(a.id, "running")
    assert (shown("dropout"), shown("epochs")) == ([2], [])
    empty.set_status(a.id, "finished")
    empty.set_status(b.id, "running")
    assert shown("dropout") == [1]


def test_the_result_is_shown_with_its_interval_the_verdict_and_the_explanation(empty, open_page):
    found = read_runs(empty, complete(empty, "dropout", SMALLER_GAP))
    gap, accuracy = measure_effect(empty, found, GAP), measure_effect(empty, found, ACCURACY)
    assert (gap.direction, accuracy.direction) == ("lower", "same")
    at = open_page("learn", lesson="dropout")
    shown = texts(at)
    assert RESULT in shown and plain(describe_effect(gap)) in shown and plain(describe_effect(accuracy)) in shown
    assert describe_resolution(gap, 719) in shown and VERDICTS["confirmed"] in shown
    assert announcements(at) == [describe_verdict(gap, "lower")]
    assert DROPOUT.explanation in shown and not at.exception
    assert at.get("progress")[0].proto.text == progress_text(1)


def test_a_difference_that_is_not_significant_does_not_confirm_the_prediction(empty, open_page):
    effect = measure_effect(empty, read_runs(empty, complete(empty, "dropout", SAME_GAP)), GAP)
    shown = texts(open_page("learn", lesson="dropout"))
    assert effect.direction == "same" and plain(describe_effect(effect)) in shown
    assert plain(describe_verdict(effect, "lower")) in shown and VERDICTS["different"] not in shown


def test_the_first_finished_pair_gives_a_preliminary_result_while_the_others_wait(empty, open_page):
    attempt = start_attempt(empty, "dropout", "digits", "lower", pairs=2)
    for run in read_runs(empty, attempt).runs[:2]:
        start(empty, run)
        empty.log.append(run.id, [epoch(1, 1.0, 0.9), Finished(0.9, 0.3)])
        empty.set_status(run.id, "finished")
    effect = measure_effect(empty, read_runs(empty, attempt), GAP)
    at = open_page("learn", lesson="dropout")
    shown = texts(at)
    assert announcements(at) == [""], "the outcome is announced when all have ended"
    assert PRELIMINARY_RESULT in shown and plain(describe_effect(effect)) in shown and len(effect.pairs) == 1
    assert RESULT not in shown and DROPOUT.explanation not in shown


def test_a_pair_with_a_failed_run_is_left_out_and_its_error_is_shown_if_no_pair_is_left(empty, open_page):
    attempt = complete(empty, "dropout", SMALLER_GAP[:2], last_status="failed")
    error = "Training diverged. Choose a lower learning rate."
    empty.set_status(read_runs(empty, attempt).runs[1].id, "failed", error=error)
    at = open_page("learn", lesson="dropout")
    assert error in at.warning[0].value and at.get("progress")[0].proto.text == progress_text(0)
    effect = measure_effect(empty, read_runs(empty, complete(empty, "epochs", SMALLER_GAP, last_status="failed")), ACCURACY)
    assert len(effect.pairs) == 2 and plain(describe_effect(effect)) in texts(open_page("learn", lesson="epochs"))


def test_the_prediction_stays_visible_while_the_runs_train_and_the_curves_are_compared_with_it(empty, open_page):
    attempt = start_attempt(empty, "epochs", "digits", "higher", pairs=2)
    a, b = read_runs(empty, attempt).runs[:2]
    label = prediction_label(ACCURACY, "higher")

    def shown():
        found = texts(open_page("learn", lesson="epochs"))
        assert PREDICTION in found and f"[{label}]" in found and DURING not in found
        return found

    assert SO_FAR not in shown()
    start(empty, a)
    empty.log.append(a.id, [epoch(1, 1.0, 0.6), Finished(0.6, 0.3)])
    empty.set_status(a.id, "finished")
    start(empty, b)
    empty.log.append(b.id, [epoch(1, 1.0, 0.7)])
    found = shown()
    assert f"{SO_FAR} {ONE_EPOCH}" in found and PRELIMINARY_RESULT not in found
    empty.log.append(b.id, [epoch(2, 1.0, 0.8)])
    assert ALL_EPOCHS.format(total=2) in shown()


@pytest.mark.parametrize("prediction, is_right", [("lower", True), ("higher", False), ("unknown", False)])
def test_a_right_prediction_gets_a_mark(empty, open_page, prediction, is_right):
    complete(empty, "dropout", SMALLER_GAP, prediction)
    at = open_page("learn", lesson="dropout")
    found = texts(at)
    assert (MARK in [element.proto.body for element in at.main.get("html")]) == is_right and not at.exception
    assert (f"{DURING} {NO_EPOCH}" in found) == (prediction == "higher") and (ONE_EPOCH in found) == is_right
    assert f"[{prediction_label(GAP, prediction)}]" in found and BANDS in found
    assert "prefers-reduced-motion" in MARK and 'aria-hidden="true"' in MARK


@pytest.mark.parametrize("name", BEFORE_PREDICTION)
def test_an_illustration_that_shows_the_outcome_appears_after_the_prediction(empty, open_page, name):
    def shown():
        (chart,) = open_page("learn", lesson=name).main.get("plotly_chart")
        return chart.proto.spec

    before, metric = shown(), EXERCISES[name].metric
    assert metric.title not in before and "Momentum" not in before
    start_attempt(empty, name, "digits", "higher", pairs=1)
    assert shown() != before


def test_an_exercise_can_be_repeated(empty, open_page):
    complete(empty, "dropout", SMALLER_GAP)
    at = open_page("learn", lesson="dropout")
    at.radio(key="prediction-dropout").set_value("same").run()
    at.button(key="train-dropout").click().run()
    assert [attempt.prediction for attempt in list_attempts(empty)] == ["same", "lower"] and len(empty.runs()) == 12


def test_the_settings_of_b_open_in_the_form(empty, open_page):
    complete(empty, "dropout", SMALLER_GAP)
    link = link_labels(open_page("learn", lesson="dropout"))[OPEN_B]
    at = open_page("configure", **dict(parse_qsl(link.query_string)))
    assert not at.exception and not at.warning
    assert at.session_state[FORM_KEY] == DROPOUT.settings("B").dropout and len(empty.runs()) == 6


@pytest.mark.parametrize("name, is_offered", [("cifar10-small", True), ("flowers", False)])
def test_photographs_can_be_chosen_if_cifar_is_on_this_machine(empty, open_page, tmp_path, name, is_offered):
    finish(import_files(name, write_images(tmp_path / "pictures", count=20), ImportOptions(), empty.home))
    at = open_page("learn", lesson="dropout")
    assert at.selectbox(key="images-dropout").options == [DIGITS_TITLE, *([name] if is_offered else [])]
    assert "measure-dropout" not in button_keys(at)
    if is_offered:
        at = at.selectbox(key="images-dropout").set_value(name).run()
        before = len(at.caption)
        at = at.button(key="measure-dropout").click().run()
        assert len(at.caption) == before + 1 and not at.exception and not at.error


def test_the_measured_time_of_a_pair_is_that_of_both_runs(empty):
    stages, seconds = drain(measure_pair(EXERCISES["capacity"], "digits"))
    assert [(stage.done, stage.total) for stage in stages] == [(0, 2), (1, 2)] and 0.1 < seconds < 300


def test_without_photographs_a_link_opens_cifar_on_the_data_page(empty, open_page):
    link = link_labels(open_page("learn", lesson="dropout"))[GET_PHOTOGRAPHS]
    assert open_page("data", **dict(parse_qsl(link.query_string))).selectbox[0].value == "cifar10"
