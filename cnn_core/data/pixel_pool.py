"""The pixels of a data set at the size of a run, made once from its stored images and kept in its folder for later runs.

In: a data set's folder, a number of images and a function that makes one of them. Out: a memory-mapped pool (M, S, S, C) uint8. A pool has the rows
of the index, excluded images included, so corrections and splits need no other pool; it is made again where it is missing or damaged. One process makes
it while others wait. In a studio home that cannot be written it is made anew for every process.
"""

import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from cnn_core.data.pixel_file import create_pixel_file
from cnn_core.errors import DataError
from cnn_core.events import Progress
from cnn_core.files import Deletion, delete_files
from cnn_core.home import POOLS
from cnn_core.locks import READ_ONLY, try_lock

PREPARING, WAITING = "Preparing the images", "Another process is preparing these images"  # the names of stages
WAIT_SECONDS = 0.2
MADE_AT_ONCE = 64  # images between two reports
CHECKED_BYTES = 2**27  # of the pixels, evenly spread, which tell whether a pool is damaged: all of a small one
DIGEST_BYTES = 16  # after the pixels
NOT_WRITTEN = "The images of data set “{name}” cannot be prepared at {side} pixels ({reason}). {remedy}"
FREE_SPACE = "Free some space, or choose a smaller image size."
CHECK_PERMISSIONS = "Check the permissions of the studio home."
Shape = tuple[int, int, int, int]  # M, S, S, C
MakeImage = Callable[[int], np.ndarray]  # from a row to pixels (S, S, C) uint8
Preparing = Generator[Progress, None, np.ndarray]


def open_pool(folder: Path, name: str, shape: Shape, rows: np.ndarray, make_image: MakeImage) -> Preparing:
    """Return the pool called `name` of the data set in `folder`, made if it is missing or damaged. Yields Progress.

    shape: of the pool. rows: (N,) int64, those that have an image; the others are black. Raises DataError where an image is damaged or the disk is full.
    """
    path = folder / POOLS / f"{name}.npy"
    while (pool := _read(path, shape)) is None:
        try:
            path.parent.mkdir(exist_ok=True)
            with try_lock(path.with_name(f".{name}.lock")) as is_acquired:
                if is_acquired and _read(path, shape) is None:
                    yield from _make(path, shape, rows, make_image)
        except OSError as error:
            if error.errno in READ_ONLY:
                return (yield from _make_temporary(folder.name, shape, rows, make_image))
            raise _refusal(folder.name, shape, error) from None
        if not is_acquired:
            yield Progress(WAITING, 0, 1)
            time.sleep(WAIT_SECONDS)
    return pool


def pools_of(folder: Path) -> list[Path]:
    """Return the files of all pools of the data set in `folder`, which can be deleted at any time."""
    return sorted(path for path in (folder / POOLS).glob("*.npy") if path.is_file())


def delete_pools(folder: Path) -> Deletion:
    """Delete all pools of the data set in `folder`. A run that uses one keeps it until it ends."""
    return delete_files(pools_of(folder))


def _refusal(name: str, shape: Shape, error: OSError) -> DataError:
    remedy = FREE_SPACE if error.errno in (errno.ENOSPC, errno.EDQUOT) else CHECK_PERMISSIONS
    return DataError(NOT_WRITTEN.format(name=name, side=shape[1], reason=error.strerror or error, remedy=remedy))


def _make(path: Path, shape: Shape, rows: np.ndarray, make_image: MakeImage) -> Generator[Progress, None, None]:
    """Write the pool and a digest of its pixels, and move it to its place. Raises OSError."""
    scratch = path.with_suffix(".new")
    try:
        pixels = create_pixel_file(scratch, shape)
        yield from _fill(pixels, rows, make_image)
        pixels.flush()  # type: ignore[attr-defined]  # it is a memory map
        with scratch.open("ab") as file:
            file.write(_digest(pixels))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _make_temporary(name: str, shape: Shape, rows: np.ndarray, make_image: MakeImage) -> Preparing:
    """Return a pool in the folder for temporary files, which is deleted when nothing uses it any more. Raises DataError."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            pixels = create_pixel_file(Path(folder) / "pool.npy", shape)
        except OSError as error:
            raise _refusal(name, shape, error) from None
        yield from _fill(pixels, rows, make_image)
        pool: np.ndarray = np.load(Path(folder) / "pool.npy", mmap_mode="r")
        return pool


def _fill(pixels: np.ndarray, rows: np.ndarray, make_image: MakeImage) -> Generator[Progress, None, None]:
    def make(row: int) -> None:
        pixels[row] = make_image(row)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # decoding and resizing do not hold the GIL
        for start in range(0, len(rows), MADE_AT_ONCE):
            yield Progress(PREPARING, start, len(rows))
            _finish(threads.map(make, rows[start : start + MADE_AT_ONCE].tolist()))


def _finish(results: Iterable[None]) -> None:
    for _ in results:
        pass


def _read(path: Path, shape: Shape) -> np.ndarray | None:
    """Return the pool at `path`; None where there is none, or it is damaged or of another shape."""
    try:
        facts = path.stat()
        pool: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        is_whole = pool.dtype == np.uint8 and pool.shape == shape
        return pool if is_whole and _is_intact(path, facts.st_ino, facts.st_size, facts.st_mtime_ns) else None
    except (OSError, ValueError, EOFError, SyntaxError):
        return None


@lru_cache(maxsize=64)  # a run opens a pool once for every split
def _is_intact(path: Path, *version: int) -> bool:
    """Whether the digest at the end of the file is that of its pixels. version: tells apart files at one path."""
    with path.open("rb") as file:
        file.seek(-DIGEST_BYTES, os.SEEK_END)
        return file.read() == _digest(np.load(path, mmap_mode="r", allow_pickle=False))


def _digest(pool: np.ndarray) -> bytes:
    """Return a digest of the images of the pool, of a large pool of some that are evenly spread."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for row in range(0, len(pool), max(1, -(-pool.nbytes // CHECKED_BYTES))):
        digest.update(pool[row].tobytes())
    return digest.digest()
