"""Atomic writing: the new file or the old one, never a piece, and no scratch file left."""

from pathlib import Path
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
