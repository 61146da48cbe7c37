"""Locks have one holder at a time and are released when their process ends."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cnn_core.home import Home
from cnn_core.locks import is_locked, try_lock
from tests.helpers import start_process


def test_a_lock_has_one_holder_at_a_time(tmp_path: Path):
    with try_lock(tmp_path / ".lock") as first, try_lock(tmp_path / ".lock") as second:
        assert first and not second
    with try_lock(tmp_path / ".lock") as again:
        assert again


def test_a_lock_is_released_when_its_process_is_killed(tmp_path: Path):
    script = "import sys, time\nfrom pathlib import Path\nfrom cnn_core.locks import try_lock\n"
    script += "with try_lock(Path(sys.argv[1])) as is_acquired:\n    print(is_acquired, flush=True)\n    time.sleep(300)"
    process = start_process(Home(tmp_path), "-c", script, str(tmp_path / ".lock"))
    try:
        assert process.stdout and process.stdout.readline() == "True\n"
        with try_lock(tmp_path / ".lock") as is_acquired:
            assert not is_acquired
    finally:
        process.kill()
        process.communicate()
    with try_lock(tmp_path / ".lock") as is_acquired:
        assert is_acquired


def test_a_lock_in_a_missing_folder_is_an_error(tmp_path: Path):
    with pytest.raises(OSError), try_lock(tmp_path / "missing" / ".lock"):
        pass


def test_is_locked_neither_creates_the_file_nor_blocks_other_holders(tmp_path: Path):
    path = tmp_path / ".lock"
    assert not is_locked(path) and not path.exists()
    with try_lock(path) as is_acquired:
        assert is_acquired and is_locked(path)
    assert not is_locked(path)

    def poll(_: int) -> None:
        for _ in range(200):
            is_locked(path)

    with ThreadPoolExecutor(2) as threads:
        polls = threads.map(poll, range(2))
        for _ in range(50):
            with try_lock(path) as is_acquired:
                assert is_acquired
        list(polls)
