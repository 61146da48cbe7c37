"""How often test images were looked at: every network once, whoever looks, and of every data set on its own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cnn_core.home import Home
from cnn_core.metrics.evaluated_models import count_models, models_evaluated, record_usage


def test_every_network_counts_once_and_the_present_one_with_them(tmp_path: Path):
    home = Home(tmp_path)
    assert not models_evaluated(home, "digits") and count_models(home, "digits", "0001-digits", None) == 1
    assert not list(tmp_path.iterdir())  # asking is no look
    for run, epoch in [("0001-digits", None), ("0001-digits", 2), ("0001-digits", None), ("0002-digits", None)]:
        record_usage(home, "digits", run, epoch)
    assert len(models_evaluated(home, "digits")) == 3
    assert count_models(home, "digits", "0001-digits", 2) == 3 and count_models(home, "digits", "0001-digits", 3) == 4


def test_every_data_set_has_a_count_of_its_own_also_one_that_is_a_path(tmp_path: Path):
    home = Home(tmp_path / "studio")
    for data in ("digits", "/some/where/../else", "../../digits"):
        record_usage(home, data, "0001-x", None)
        assert len(models_evaluated(home, data)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["studio"]


def test_sessions_that_look_at_the_same_moment_lose_no_look(tmp_path: Path):
    home = Home(tmp_path)
    with ThreadPoolExecutor(16) as sessions:
        list(sessions.map(lambda number: record_usage(home, "digits", f"{number % 40:04d}-digits", None), range(400)))
    assert len(models_evaluated(home, "digits")) == 40


def test_a_home_that_cannot_be_written_to_counts_nothing_and_breaks_nothing(tmp_path: Path):
    (tmp_path / "looks").write_text("a file where a folder should be")
    record_usage(Home(tmp_path), "digits", "0001-digits", None)
    assert not models_evaluated(Home(tmp_path), "digits") and count_models(Home(tmp_path), "digits", "0001-digits", None) == 1
