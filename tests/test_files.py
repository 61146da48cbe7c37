"""Atomic writing: the new file or the old one, never a piece, and no temporary file left."""

import errno
import os
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import BinaryIO

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_core.errors import DataError
from cnn_core.files import Deletion, delete_files, write_atomically


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


NOISE = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)


def write_zip(file: BinaryIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("noise", NOISE.tobytes())


@pytest.mark.parametrize(
    "write",
    [
        lambda file: torch.save({"noise": torch.from_numpy(NOISE)}, file),
        lambda file: np.savez(file, noise=NOISE),
        lambda file: Image.fromarray(NOISE).save(file, format="PNG"),
        write_zip,
    ],
    ids=["torch", "numpy", "pillow", "zipfile"],
)
def test_a_full_disk_is_the_same_error_whichever_library_writes(tmp_path: Path, write: Callable[[BinaryIO], object]):
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    (tmp_path / f".kept.{os.getpid()}-{threading.get_ident()}").symlink_to("/dev/full")
    with pytest.raises(OSError) as error:
        write_atomically(path, write)
    assert error.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old" and [left.name for left in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("kind", [DataError, ValueError])
def test_an_error_that_is_not_of_the_file_system_stays_what_it_is(tmp_path: Path, kind: type[Exception]):
    def write(file: BinaryIO) -> None:
        raise kind("something else")

    with pytest.raises(kind, match="something else"):
        write_atomically(tmp_path / "kept", write)
    assert list(tmp_path.iterdir()) == []


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


def test_a_file_that_cannot_be_deleted_does_not_keep_the_others(tmp_path: Path):
    paths = [tmp_path / name for name in ("one", "folder", "gone", "two")]
    paths[0].write_bytes(b"12345")
    paths[1].mkdir()
    paths[3].write_bytes(b"123")
    deletion = delete_files(paths)
    assert deletion.freed == 8 and [path for path, _ in deletion.left] == [paths[1]] and list(tmp_path.iterdir()) == [paths[1]]
    assert deletion + delete_files(paths[:1]) == deletion and delete_files([]) == Deletion()
