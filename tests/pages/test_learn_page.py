"""The exercises of the Learn page: a prediction first, then pairs of real runs, then what came out and what was expected."""

from urllib.parse import parse_qsl

import pytest

from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.events import Epoch, Finished, Started
from cnn_core.lessons.attempts import attempts, begin, look
from cnn_core.lessons.cards import LESSONS
from pages.views.learn.duration import measure_pair
from pages.views.learn.pictures import PICTURES
from tests.helpers import drain, write_pictures
from tests.pages.form import buttons, press

CLASSES = tuple("0123456789")
FORM_KEY = "digits-simple-dropout"


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption])


def epoch(number, train, val, loss=0.3):
    return Epoch(number, 12 * number, 0.2, train, loss, val, True, 1.0, 1.0)


def done(store, lesson, figures, prediction="lower", last="finished"):
    """An attempt whose runs have ended with (training, validation) accuracies, A and B in turn; the last one with status `last`."""
    attempt = begin(store, lesson, "digits", prediction, pairs=len(figures) // 2)
    runs = look(store, attempt).runs
    for run, (train, val) in zip(runs, figures, strict=True):
        begun = Started(126_842, "CPU", 719, 719, 359, 12, 20, classes=CLASSES, class_counts=(72,) * 10)
        store.log.append(run.id, [begun, epoch(1, train, val), Finished(0.9, 0.3)])
        store.set_status(run.id, last if run == runs[-1] else "finished")
    return attempt


def test_every_lesson_has_a_card_with_its_picture_its_question_and_links_to_the_glossary(empty, open_page):
    assert PICTURES.keys() == LESSONS.keys()
    for name, lesson in LESSONS.items():
        at = open_page("learn", lesson=name)
        assert not at.exception and not at.error, name
        said = texts(at)
        assert at.subheader[0].value == lesson.title and lesson.question in said and lesson.learn in said
        assert all(f"(learn?view=Glossary&term={term})" in said for term in lesson.terms)
        pictures = [*at.get("plotly_chart"), *at.main.get("html")]
        assert pictures, name
        assert at.query_params["lesson"] == name


def test_the_first_card_that_is_not_done_is_open_at_first_and_a_strange_address_harms_nothing(empty, open_page):
    assert open_page("learn").query_params["lesson"] == "augmentation"
    at = open_page("learn", lesson="<script>" * 100)
    assert at.query_params["lesson"] == "augmentation" and not at.exception and empty.runs() == []
    done(empty, "augmentation", [(1.0, 0.9), (0.9, 0.9)])
    assert open_page("learn").query_params["lesson"] == "dropout"


def test_nothing_can_be_trained_before_a_prediction_is_made(empty, open_page):
    at = open_page("learn", lesson="dropout")
    button = at.button(key="train-dropout")
    assert button.disabled and "Say first what you expect: choose" in texts(at)
    at = at.radio(key="prediction-dropout").set_value("unknown").run()
    assert (
        not at.button(key="train-dropout").disabled
        and empty.runs() == []
        and "Say first what you expect: choose" not in texts(at)
    )


def test_the_settings_of_both_runs_have_their_units_and_the_duration_goes_with_the_pairs(empty, open_page):
    at = open_page("learn", lesson="augmentation")
    assert "random crop 0.0625 (share of the side), rotation 10 (± degrees)" in texts(at)
    assert "6 runs, one after the other: about 15 to 45 s on two cores." in texts(at)
    at = at.number_input(key="pairs-augmentation").set_value(1).run()
    assert "2 runs, one after the other: about 5 to 15 s on two cores." in texts(at)
    assert "batch norm on" in texts(open_page("learn", lesson="batch-norm"))


def test_an_image_and_its_versions_stand_in_one_row_at_every_width(empty, open_page):
    (grid,) = [
        element.proto.body
        for element in open_page("learn", lesson="augmentation").main.get("html")
        if "version 1" in element.proto.body
    ]
    assert 'style="--columns: repeat(3, 1fr)"' in grid and "grid-template-columns: var(--columns, " in grid


def test_the_button_puts_the_pairs_into_the_queue_and_the_page_says_where_they_are(empty, open_page):
    at = open_page("learn", lesson="dropout")
    at.radio(key="prediction-dropout").set_value("lower").run()
    at.number_input(key="pairs-dropout").set_value(2).run()
    at = at.button(key="train-dropout").click().run()
    assert not at.exception and not at.error
    (attempt,) = attempts(empty)
    assert (attempt.lesson, attempt.data, attempt.prediction) == ("dropout", "digits", "lower")
    assert [run.origin for run in empty.created_by("lesson/dropout")] == [
        f"lesson/dropout/{attempt.number}/{place}" for place in ("A0", "B0", "A1", "B1")
    ]
    assert "A0 :material/hourglass_empty: waiting" in texts(at) and "Train both" not in buttons(at) and "Stop" in buttons(at)
    at = press(at, "Stop")
    at = open_page("learn", lesson="dropout")
    assert {run.status for run in empty.runs()} == {"stopped"}
    assert "before a pair was finished. " in at.warning[0].value and "Do the exercise again below." in at.warning[0].value
    assert "Train both" in buttons(at)


def test_those_who_come_before_an_exercise_are_counted_whether_they_wait_or_train(empty, open_page):
    first = begin(empty, "epochs", "digits", "higher", pairs=1)
    begin(empty, "dropout", "digits", "lower", pairs=1)
    assert "2 other runs come before them." in texts(open_page("learn", lesson="dropout"))
    assert "before them" not in texts(open_page("learn", lesson="epochs"))
    a, b = look(empty, first).runs
    empty.set_status(a.id, "running")
    assert "2 other runs come before them." in texts(open_page("learn", lesson="dropout"))
    assert "before them" not in texts(open_page("learn", lesson="epochs"))
    empty.set_status(a.id, "finished")
    empty.set_status(b.id, "running")
    assert "1 other run comes before them." in texts(open_page("learn", lesson="dropout"))


CLEAR = [(1.0, 0.974), (0.98, 0.976), (1.0, 0.979), (0.97, 0.97), (1.0, 0.973), (0.975, 0.976)]


def test_what_came_out_stands_with_its_interval_beside_the_prediction_and_the_explanation(empty, open_page):
    done(empty, "dropout", CLEAR)
    at = open_page("learn", lesson="dropout")
    said = texts(at)
    assert "B's gap between training and validation accuracy is smaller by 2." in said and "n = 3 pairs" in said
    assert (
        "One of the 719 validation images is worth 0.14 points." in said
        and "You expected: smaller. That is what came out." in said
    )
    assert LESSONS["dropout"].why in said and "Besides: B's validation accuracy cannot be told apart" in said
    assert at.get("progress")[0].proto.text == f"1 of {len(LESSONS)} done" and not at.exception


def test_an_effect_within_chance_is_called_that_and_a_wrong_prediction_is_not_scolded(empty, open_page):
    done(empty, "dropout", [(1.0, 0.98), (1.0, 0.97), (1.0, 0.97), (1.0, 0.98), (1.0, 0.98), (1.0, 0.979)])
    said = texts(open_page("learn", lesson="dropout"))
    assert "cannot be told apart from A's" in said and "It may be so, but these pairs cannot show it" in said
    assert "wrong" not in said


def test_the_first_pair_is_told_of_while_the_others_wait(empty, open_page):
    attempt = begin(empty, "dropout", "digits", "lower", pairs=2)
    for run in look(empty, attempt).runs[:2]:
        empty.log.append(run.id, [Started(1, "CPU", 719, 719, 359, 12, 20), epoch(1, 1.0, 0.9), Finished(0.9, 0.3)])
        empty.set_status(run.id, "finished")
    said = texts(open_page("learn", lesson="dropout"))
    assert "**So far.**" in said and "one pair cannot tell this from chance" in said and LESSONS["dropout"].why not in said


def test_a_pair_with_a_run_that_failed_is_left_out_and_the_reason_is_said_where_none_is_left(empty, open_page):
    attempt = done(empty, "dropout", CLEAR[:2], last="failed")
    empty.set_status(look(empty, attempt).runs[1].id, "failed", error="Training diverged. Choose a lower rate.")
    at = open_page("learn", lesson="dropout")
    assert (
        "Training diverged. Choose a lower rate." in at.warning[0].value
        and f"0 of {len(LESSONS)}" in at.get("progress")[0].proto.text
    )
    done(empty, "epochs", CLEAR, last="failed")
    assert "n = 2 pairs" in texts(open_page("learn", lesson="epochs"))


def test_an_exercise_can_be_done_again(empty, open_page):
    done(empty, "dropout", CLEAR)
    at = open_page("learn", lesson="dropout")
    at.radio(key="prediction-dropout").set_value("same").run()
    at.button(key="train-dropout").click().run()
    assert [attempt.prediction for attempt in attempts(empty)] == ["same", "lower"] and len(empty.runs()) == 12


def test_the_settings_of_b_open_in_the_form(empty, open_page):
    done(empty, "dropout", CLEAR)
    (link,) = [
        link.proto for link in open_page("learn", lesson="dropout").get("page_link") if link.proto.label == "Open B in Configure"
    ]
    at = open_page("configure", **dict(parse_qsl(link.query_string)))
    assert at.title[0].value == "Configure a run" and not at.exception and not at.warning
    assert at.session_state[FORM_KEY] == LESSONS["dropout"].settings("B").dropout and len(empty.runs()) == 6


@pytest.mark.parametrize("name, is_offered", [("cifar10-small", True), ("flowers", False)])
def test_photographs_are_offered_where_cifar_is_on_this_machine(empty, open_page, tmp_path, name, is_offered):
    finish(import_files(name, write_pictures(tmp_path / "pictures", count=20), ImportOptions(), empty.home))
    at = open_page("learn", lesson="dropout")
    assert at.selectbox(key="images-dropout").options == ["Digits", *([name] if is_offered else [])]
    if is_offered:
        at = at.selectbox(key="images-dropout").set_value(name).run()
        assert "Measure how long it takes" in buttons(at)
        at = press(at, "Measure how long it takes")
        assert any(caption.value.startswith("About ") for caption in at.caption) and not at.exception


def test_the_time_of_a_pair_is_that_of_both_runs_steps(empty):
    stages, seconds = drain(measure_pair(LESSONS["capacity"], "digits"))
    assert [stage.stage for stage in stages] == ["Measuring A", "Measuring B"] and 0.1 < seconds < 300


def test_where_there_are_no_photographs_a_link_opens_the_data_page_at_cifar(empty, open_page):
    (link,) = [link for link in open_page("learn", lesson="dropout").get("page_link") if "CIFAR-10" in link.label]
    (name, value) = link.proto.query_string.split("=")
    assert open_page("data", **{name: value}).selectbox[0].value == "cifar10"
