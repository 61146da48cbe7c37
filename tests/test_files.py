"""Atomic writing: the new file or the old one, never a piece, and no temporary file left."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import BinaryIO

import pytest

from cnn_core.files import write_atomically


def test_a_file_is_written_and_replaced_whole(tmp_path: Path):
    for content in (b"first, and longer", b"second"):
        write_atomically(tmp_path / "card.json", lambda file, content=content: file.write(content))
        assert (tmp_path / "card.json").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_until_the_last_byte_is_written_readers_see_the_old_file(tmp_path: Path):
    path = tmp_path / "card.json"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"new, half")
        file.flush()
        assert path.read_bytes() == b"old"
        file.write(b" and the rest")

    write_atomically(path, write)
    assert path.read_bytes() == b"new, half and the rest"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "card.json"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, write)
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_threads_that_write_the_same_file_at_once_all_succeed_and_leave_a_whole_one(tmp_path: Path):
    path, begin = tmp_path / "kept", Barrier(8)

    def write(number: int) -> None:
        for _ in range(20):
            begin.wait()
            write_atomically(path, lambda file: file.write(bytes([number]) * 10_000))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    content = path.read_bytes()
    assert len(content) == 10_000 and len(set(content)) == 1
    assert [left.name for left in tmp_path.iterdir()] == ["kept"]
