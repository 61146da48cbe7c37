"""A training process is killed at random moments, also while it saves: nothing acknowledged is lost, and the run goes on as if nothing had been."""

from pathlib import Path

from benchmarks.kill import TARGETS, kill_repeatedly

KILLS = len(TARGETS)  # `python -m benchmarks.kill` does it a hundred times


def test_after_a_kill_at_any_point_the_store_is_intact_and_the_resumed_run_is_the_same_to_the_bit(tmp_path: Path):
    outcomes = kill_repeatedly(tmp_path, KILLS, seed=1)
    assert len(outcomes) == KILLS and all(outcome.is_good for outcome in outcomes), outcomes
