"""Pages of a home with a run that a later version made: the page says so, and all other runs are shown."""

import json
import sqlite3
from contextlib import closing

import pytest

from cnn_core.errors import UnreadableRunError
from cnn_core.runs.run import describe_unreadable
from pages.shared.text import plain


@pytest.fixture
def later(own_trained) -> str:
    """Return a new run with a setting that this version does not know, in the home with the trained run."""
    run = own_trained.create(own_trained.runs()[0].config)
    with closing(sqlite3.connect(own_trained.home.database)) as db, db:
        (config,) = db.execute("select config from runs where id = ?", (run,)).fetchone()
        db.execute("update runs set config = ? where id = ?", (json.dumps({**json.loads(config), "quantise": True}), run))
    return run


def test_the_runs_page_names_it_and_shows_the_others(later, own_trained, open_page):
    at = open_page("runs")
    assert [warning.value for warning in at.warning] == [plain(describe_unreadable([later]))]
    assert list(at.dataframe[0].value["Run"]) == [run.id for run in own_trained.runs()] and not at.exception


def test_the_train_page_names_it_and_shows_another(later, own_trained, open_page):
    at = open_page("train", run=later)
    assert [warning.value for warning in at.warning] == [plain(UnreadableRunError(later))]
    assert at.selectbox[0].value == own_trained.runs()[0].id and not at.exception


@pytest.mark.parametrize("page", ["start", "data", "configure", "train", "search", "evaluate", "gallery", "learn"])
def test_every_other_page_can_be_used(later, open_page, page):
    assert not open_page(page).exception
