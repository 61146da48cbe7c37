"""Runs are told apart on the Runs page by names, columns and seeds; a run in the bin is called that everywhere."""

import pytest

from cnn_core.config.chosen import default_name
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import title
from cnn_core.runs.organizer import RunOrganizer
from pages.shared.run_selection import IN_BIN_OTHER_SHOWN, IS_IN_BIN
from tests.pages.run_table import finished, page_text, table, tick


@pytest.mark.parametrize("page", ["train", "evaluate", "gallery"])
@pytest.mark.parametrize("others", [0, 1])
def test_a_link_to_a_run_in_the_bin_says_so_and_restores_it(own_trained, open_page, page, others):
    run = "0001-digits"
    if others:
        finished(own_trained)
    RunOrganizer(own_trained).remove(run)
    at = open_page(page, run=run)
    is_other_shown = any(box.label == "Run" for box in at.selectbox)
    said = (IN_BIN_OTHER_SHOWN if is_other_shown else IS_IN_BIN).format(run=run)
    assert said in page_text(at) and is_other_shown == (others and page == "train")
    at.button(key=f"restore-{run}").click().run()
    assert said not in page_text(at) and own_trained.run(run).removed is None and not at.exception
    assert at.query_params["run"] in (run, [run])


def test_columns_show_the_settings_that_differ_among_the_shown_runs(empty, open_page):
    finished(empty, model="efficientnet", depth=2)
    finished(empty, learning_rate=0.02, batch_norm=True)
    finished(empty, learning_rate=0.003)
    shown = table(open_page("runs"))
    assert shown[title("learning_rate")].tolist()[:2] == [0.003, 0.02] and shown[title("batch_norm")].tolist()[:2] == [
        "off",
        "on",
    ]
    assert title("depth") not in shown and title("momentum") not in shown
    assert shown["Name"].tolist()[0] == default_name(make_config(learning_rate=0.003)) and (shown["Size"] > 0).all()


def test_a_run_is_repeated_with_a_new_seed(empty, open_page):
    run = finished(empty, learning_rate=0.02)
    tick(open_page("runs"), 0).button(key="repeat-run").click().run()
    repeated = empty.runs()[0]
    assert repeated.id != run and repeated.config == make_config(learning_rate=0.02, seed=1)
    branch = empty.create(make_config(), parent=run, parent_epoch=1)
    assert [row.id for row in empty.runs()].index(branch) == 0
    assert tick(open_page("runs"), 0).button(key="repeat-run").disabled
