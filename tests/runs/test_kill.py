"""A training process is killed at random moments, also while it saves: nothing acknowledged is lost, and the run goes on as if nothing had been."""

from pathlib import Path

from benchmarks.kill import TARGETS, kill_repeatedly

KILLS = 2 * len(TARGETS)  # `python -m benchmarks.kill` does it a hundred times


def test_after_a_kill_anywhere_the_store_holds_what_it_acknowledged_and_the_run_goes_on_to_the_very_same_bits(tmp_path: Path):
    outcomes = kill_repeatedly(tmp_path, KILLS, seed=1)
    assert len(outcomes) == KILLS and all(outcome.is_good for outcome in outcomes), outcomes
