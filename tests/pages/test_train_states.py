"""The states of a run on the Train page: all places say the same, and what went wrong is said once, with what to do."""

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from cnn_core.runs.lock import hold
from pages.shared.run_selection import STATUS
from pages.views.train.diagnostics import NO_PROBLEM
from tests.pages.manual_run import epoch, started, steps
from tests.pages.test_train_page import badges, keys, live_data, named


def test_all_places_that_name_a_status_say_the_same_whatever_run_is_shown(own_trained, open_page):
    own, other = own_trained.create(make_config()), own_trained.create(make_config(), status="running")
    with hold(own_trained.home.run_folder(other)):
        for shown, status in (
            (own, "queued"),
            (other, "running"),
            (other, "paused"),
            (other, "stopped"),
            ("0001-digits", "finished"),
        ):
            if shown == other:
                own_trained.set_status(other, status)
            at = open_page("train", run=shown)
            runs, word = own_trained.runs(), STATUS[status][2]
            listed = dict(zip([run.id for run in runs], at.selectbox[0].options, strict=True))
            assert word in badges(at) and live_data(at)["label"] == word.capitalize() and live_data(at)["status"] == status
            assert all(f" · {STATUS[run.status][2]}" in listed[run.id] for run in runs)
            assert live_data(at)["active"] == {run.id: run.status for run in runs if run.is_active}


def test_a_failed_run_shows_its_error_and_a_way_to_change_its_settings(empty, open_page):
    run = empty.create(make_config(epochs=7))
    empty.log.append(run, [started(), steps(1, 10), epoch(1, 10)])
    empty.set_status(run, "failed", error="The disk is full. Free some space, then resume the run.")
    at = open_page("train", run=run)
    assert [error.value for error in at.error] == [empty.run(run).error]
    assert STATUS["failed"][2] in badges(at)
    assert not [element for element in at.caption if element.value.startswith(NO_PROBLEM.partition("{")[0])]
    assert f"stop-{run}" not in keys(at)
    at.button(key=f"configure-{run}").click().run()
    assert named(at.number_input, title("epochs")).value == 7 and not at.exception


def test_an_error_that_the_diagnostics_explain_is_said_once(empty, open_page):
    run = empty.create(make_config())
    empty.set_status(run, "failed", error="The loss became nan at step 7: training diverged. Choose a lower learning rate.")
    empty.log.append(run, [started(), steps(1, 7)])
    at = open_page("train", run=run)
    texts = [element.value for element in (*at.error, *at.markdown)]
    assert sum("nan at step 7" in text for text in texts) == 1 and not at.error
    assert f"configure-{run}" not in keys(at) and not at.exception
