"""Diagnostics on the Train page: findings with their numbers, and a button that opens the form with the run's settings and the change."""

import re

from cnn_core.config.defaults import make_config
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.events import Changed, Epoch, Finished, Started, Steps
from cnn_core.runs import diagnostics
from cnn_core.runs.diagnostics import diagnose
from cnn_core.runs.history import History
from cnn_core.runs.lock import hold
from cnn_core.text import counted
from pages.shared.text import plain
from pages.views.train.diagnostics import NO_PROBLEM, POLL_SECONDS
from tests.helpers import write_images
from tests.pages.form import FIELDS, field, press_start, widgets_of

CLASSES = tuple("abcdefghij")
CHOSEN = {
    "model": "simple",
    "optimizer": "sgd",
    "learning_rate": 0.9,
    "momentum": 0.5,
    "batch_size": 32,
    "width": 2,
    "activation": "gelu",
    "schedule": "step",
    "drop_at": "0.4",
    "rotation": 12.0,
    "patience": 7,
    "seed": 3,
}


def started(epochs=20):
    return Started(500_000, "CPU", 1222, 216, 359, 39, epochs, classes=CLASSES, class_counts=(122,) * 10)


def steps(losses, last, rate=0.9):
    return Steps(1, last, 32 * last, tuple(losses), (0.1,) * len(losses), rate, 1000.0, 1.0, 1.0, 1.0)


def epoch(number, accuracy=0.8):
    return Epoch(number, 39 * number, 0.6, 0.8, 0.6, accuracy, True, 1.0, 1.0)


def leapt(store, **chosen):
    """A stopped run whose loss rose from 2.3 to 9 within its first epoch."""
    run = store.create(make_config(**CHOSEN | chosen))
    store.log.append(run, [started(), steps([2.3] * 19 + [9.0] * 20, 39), epoch(1)])
    store.set_status(run, "stopped")
    return run


def texts(at):
    return " ".join(element.value for element in at.markdown)


def findings_of(store, run):
    """What the engine finds in the run."""
    history = History()
    history.add(store.log.read(run))
    return diagnose(history, store.config_in_force(run), store.run(run).error)


def offers(at):
    """The buttons of the findings, which open the form."""
    return [button for button in at.button if (button.key or "").startswith("diagnostics-")]


def press_offer(at):
    (offer,) = offers(at)
    return offer.click().run()


def test_a_finding_is_shown_with_its_numbers_and_an_offer(empty, open_page):
    run = leapt(empty)
    at = open_page("train", run=run)
    shown = texts(at)
    (finding,) = findings_of(empty, run)
    assert f"**{finding.rule}**" in shown and plain(f"{finding.observation} {finding.remedy}") in shown
    assert re.findall(r"[\d.]*\d", finding.observation) == ["2.3", "10", "9", "29", "0.9"]
    (offer,) = offers(at)
    assert finding.changes == {"learning_rate": 0.02} and "0.02" in offer.label and not at.exception


def test_the_button_opens_the_form_with_the_change_and_everything_else_as_it_was_in_the_run(empty, open_page):
    run = leapt(empty)
    at = press_offer(open_page("train", run=run))
    assert at.button(key="start-training") and not at.exception and not at.error
    expected = make_config(**CHOSEN | {"learning_rate": 0.02})
    shown = [name for name in FIELDS if widgets_of(at, name)]
    assert {name: field(at, name).value for name in shown} == {name: getattr(expected, name) for name in shown}
    assert set(CHOSEN) <= set(shown)
    assert len(empty.runs()) == 1, "nothing is started by looking"
    press_start(at.switch_page("../configure.py").run())  # AppTest forgets where a script has switched to
    assert empty.runs()[0].config == expected and empty.run(run).config == make_config(**CHOSEN)


def test_what_was_changed_while_the_run_trained_is_in_the_form_too(empty, open_page):
    run = empty.create(make_config(**CHOSEN))
    leap = steps([2.3] * 19 + [9.0] * 20, 39)
    empty.log.append(run, [started(), Changed(1, {"epochs": 33, "learning_rate": 0.8}), leap, epoch(1)])
    empty.set_status(run, "stopped")
    at = press_offer(open_page("train", run=run))
    assert (field(at, "epochs").value, field(at, "learning_rate").value) == (33, 0.02)


def test_a_folder_is_selected_in_the_form(empty, open_page, tmp_path):
    folder = write_images(tmp_path / "pictures")
    at = press_offer(open_page("train", run=leapt(empty, data=str(folder))))
    assert (field(at, "data").value, at.text_input[0].value) == ("folder", str(folder)) and not at.exception


def test_an_imported_data_set_is_selected_in_the_form_by_its_name(empty, open_page, tmp_path):
    finish(import_files("flowers", write_images(tmp_path / "pictures"), ImportOptions(), empty.home))
    at = press_offer(open_page("train", run=leapt(empty, data="flowers")))
    assert field(at, "data").value == "flowers" and not at.exception and not at.error


def test_a_trained_run_shows_its_findings_or_that_there_are_none(trained, open_page):
    expected = [f"**{finding.rule}**" for finding in findings_of(trained, "0001-digits")]
    at = open_page("train", run="0001-digits")
    rules = {name for name in vars(diagnostics).values() if isinstance(name, str)}
    assert [element.value for element in at.markdown if element.value.strip("*") in rules] == expected
    is_calm = NO_PROBLEM.format(epochs=counted(3, "epoch")) in [caption.value for caption in at.caption]
    assert is_calm != bool(expected)


def test_no_findings_is_shown_after_one_healthy_epoch_and_not_before(empty, open_page):
    run = empty.create(make_config(), status="running")
    with hold(empty.home.run_folder(run)):
        empty.log.append(run, [started(), steps([2.3 - 0.03 * step for step in range(39)], 39, 0.001)])
        at = open_page("train", run=run)
        calm = NO_PROBLEM.format(epochs=counted(1, "epoch"))
        assert not at.header and calm not in [caption.value for caption in at.caption]
        empty.log.append(run, [epoch(1)])
        at.run()
        assert calm in [caption.value for caption in at.caption]
        assert not at.exception


def test_later_findings_appear_at_the_next_update(empty, open_page):
    run = empty.create(make_config(epochs=4))
    empty.log.append(run, [started(4), *(epoch(number, 0.2 * number) for number in (1, 2, 3, 4))])
    at = open_page("train", run=run)
    assert not offers(at)
    empty.log.append(run, [Finished(0.8, 0.6)])
    empty.set_status(run, "finished")
    at.run()
    (finding,) = findings_of(empty, run)
    (offer,) = offers(at)
    assert f"**{finding.rule}**" in texts(at) and finding.changes == {"epochs": 8} and "8" in offer.label


def test_a_diverged_run_is_offered_its_remedy_though_no_epoch_was_done(empty, open_page):
    run = empty.create(make_config(learning_rate=0.5))
    empty.log.append(run, [started()])
    empty.set_status(run, "failed", error="The loss became nan at step 7: training diverged. Choose a learning rate below 0.5.")
    at = press_offer(open_page("train", run=run))
    assert field(at, "learning_rate").value == 0.001 and not at.exception


def test_a_class_name_from_outside_is_shown_as_it_is(empty, open_page):
    run = empty.create(make_config())
    name = "![x](http://192.0.2.1/x.png)"
    empty.log.append(run, [Started(1, "CPU", 1010, 100, 100, 20, 5, classes=(name, "b"), class_counts=(1000, 10))])
    empty.set_status(run, "stopped")
    shown = texts(open_page("train", run=run))
    (finding,) = findings_of(empty, run)
    assert name in finding.observation and "1,000" in finding.observation
    assert plain(f"{finding.observation} {finding.remedy}") in shown and "![x]" not in shown


def test_diagnostics_are_not_updated_more_often_than_every_few_seconds():
    assert POLL_SECONDS >= 5
