"""A pool of pixels is made once, made again where it is missing or damaged, and by one process at a time."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_core.data.pixel_pool import FREE_SPACE, WAITING, open_pool, pools_of
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.home import POOLS
from cnn_core.locks import try_lock
from tests.helpers import drain, is_a_sentence

SHAPE = (5, 8, 8, 3)
ROWS = np.array([0, 1, 3, 4])


class Maker:
    """Makes images of one colour, and counts them."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, row: int) -> np.ndarray:
        self.rows.append(row)
        return np.full(SHAPE[1:], 10 * row + 7, np.uint8)


def opened(folder: Path, maker: Maker, shape: Any = SHAPE) -> np.ndarray:
    return finish(open_pool(folder, "8-crop", shape, ROWS, maker))


def pool_file(folder: Path) -> Path:
    (path,) = pools_of(folder)
    return path


def test_a_pool_has_every_image_in_its_row_and_is_made_once(tmp_path: Path):
    maker = Maker()
    first, second = opened(tmp_path, maker), opened(tmp_path, maker)
    assert first[:, 0, 0, 0].tolist() == [7, 17, 0, 37, 47] and np.array_equal(first, second)
    assert sorted(maker.rows) == ROWS.tolist() and isinstance(second, np.memmap) and not second.flags.writeable


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwrite(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_array(path: Path) -> None:
    np.save(path, np.zeros((5, 4, 4, 3), np.uint8))


def replace_by_objects(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("damage", [Path.unlink, cut, empty, overwrite, replace_array, replace_by_objects])
def test_a_deleted_or_damaged_pool_is_made_again(damage: Any, tmp_path: Path):
    maker = Maker()
    expected = np.array(opened(tmp_path, maker))
    damage(pool_file(tmp_path))
    assert np.array_equal(opened(tmp_path, maker), expected) and len(maker.rows) == 2 * len(ROWS)


def test_an_interrupted_pool_leaves_nothing_and_the_next_one_is_whole(tmp_path: Path):
    steps = open_pool(tmp_path, "8-crop", SHAPE, ROWS, Maker())
    next(steps)
    steps.close()
    assert not pools_of(tmp_path) and not list((tmp_path / POOLS).glob("*.new"))
    assert opened(tmp_path, Maker())[4, 0, 0, 0] == 47


def test_a_pool_without_room_on_the_disk_is_refused_with_the_remedy_before_it_is_written(tmp_path: Path):
    with pytest.raises(DataError) as refusal:
        opened(tmp_path, Maker(), (10**9, 512, 512, 3))
    assert is_a_sentence(refusal.value) and FREE_SPACE in str(refusal.value) and not list((tmp_path / POOLS).glob("*.n*"))


def test_a_disk_that_fills_while_the_pool_is_written_is_said_with_the_remedy_and_leaves_nothing(tmp_path: Path):
    (tmp_path / POOLS).mkdir()
    (tmp_path / POOLS / "8-crop.new").symlink_to("/dev/full")  # writing to it fails as on a full disk
    with pytest.raises(DataError) as refusal:
        opened(tmp_path, Maker())
    assert is_a_sentence(refusal.value) and FREE_SPACE in str(refusal.value) and not list((tmp_path / POOLS).glob("*.n*"))
    assert opened(tmp_path, Maker())[4, 0, 0, 0] == 47


def test_a_damaged_image_is_an_error_and_leaves_no_pool(tmp_path: Path):
    def fail(row: int) -> np.ndarray:
        raise DataError("This image is damaged.")

    with pytest.raises(DataError):
        finish(open_pool(tmp_path, "8-crop", SHAPE, ROWS, fail))
    assert not list((tmp_path / POOLS).glob("*.n*"))


def test_one_makes_the_pool_while_the_other_waits(tmp_path: Path):
    maker = Maker()
    (tmp_path / POOLS).mkdir()
    with try_lock(tmp_path / POOLS / ".8-crop.lock") as is_acquired:
        assert is_acquired
        steps = open_pool(tmp_path, "8-crop", SHAPE, ROWS, maker)
        assert next(steps).stage == WAITING
    assert drain(steps)[1].shape == SHAPE
    pools: list[np.ndarray] = []
    pool_file(tmp_path).unlink()
    threads = [threading.Thread(target=lambda: pools.append(opened(tmp_path, maker))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(maker.rows) == 2 * len(ROWS) and all(np.array_equal(pools[0], pool) for pool in pools)


def test_without_write_access_the_pool_is_made_for_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path, **options: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        pool = opened(tmp_path, Maker())
    assert pool[:, 0, 0, 0].tolist() == [7, 17, 0, 37, 47] and not pools_of(tmp_path)
