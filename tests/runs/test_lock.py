"""Who holds a run: one at most, known to everyone, and nobody any more once its process is dead."""

import signal
from pathlib import Path

import pytest

from cnn_core.errors import RunError
from cnn_core.home import Home
from cnn_core.runs.lock import IS_TRAINED, hold, is_held
from tests.helpers import is_a_sentence, start_process

HOLDER = """
import sys, time
from pathlib import Path
from cnn_core.runs.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_is_held_exactly_while_the_block_runs(tmp_path: Path):
    assert not is_held(tmp_path)
    with hold(tmp_path):
        assert is_held(tmp_path) and is_held(tmp_path)
    assert not is_held(tmp_path)


def test_an_error_lets_go_of_the_run(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        1 / 0  # noqa: B018
    assert not is_held(tmp_path)
    with hold(tmp_path):
        assert is_held(tmp_path)


def test_a_second_holder_is_refused_and_the_first_keeps_the_run(tmp_path: Path):
    with hold(tmp_path):
        with pytest.raises(RunError, match=IS_TRAINED.format(run=tmp_path.name)) as refusal, hold(tmp_path):
            raise AssertionError("two held it")
        assert is_held(tmp_path)
    assert is_a_sentence(refusal.value)


def test_asking_changes_nothing(tmp_path: Path):
    assert not is_held(tmp_path) and list(tmp_path.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path: Path):
    process = start_process(Home(tmp_path), "-c", HOLDER, str(tmp_path))
    assert process.stdout and process.stdout.readline() == "held\n"
    assert is_held(tmp_path)
    with pytest.raises(RunError), hold(tmp_path):
        raise AssertionError("two held it")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not is_held(tmp_path)
    with hold(tmp_path):
        assert is_held(tmp_path)
