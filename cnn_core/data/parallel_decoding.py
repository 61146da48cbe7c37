"""Files to pixels, in helper processes: small images are mostly Python and little decoding, so threads would wait for each other.

In: a Recipe (where the files are, how pixels are made, which map they go into) and rows of neighbouring files. Out: one Reading per row, and the
pixels in the map. Helpers import neither torch nor Streamlit.
"""

import gc
import hashlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cnn_core.data.archive import Member, read_member, show_name
from cnn_core.data.decoder import Fit, read_bytes, read_image, to_pixels
from cnn_core.data.index import Reading
from cnn_core.errors import DataError, ImageError

ALONE = 1000  # images that are read sooner than helpers have started
AHEAD = 3  # chunks for each helper, being read or waiting
GREY_SPREAD = 8  # levels between the channels of a grey picture, which JPEG does not keep exactly equal
LEAST_FALL = 0.15
Rows = list[tuple[int, str, Any]]


@dataclass(frozen=True)
class DecodingOptions:
    """Files below the folder or in the zip `source` become rows (size, size, channels) of the map in the file `images`."""

    source: Path
    images: Path
    size: int
    channels: int
    fit: Fit


@contextmanager
def helpers(total: int) -> Iterator[ProcessPoolExecutor | None]:
    """Helper processes for the block, which begin to start at once, or None where `total` images are not worth that. They have ended when
    the block has."""
    if total <= ALONE:
        yield None
        return
    count = os.cpu_count() or 1
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _prepare_helper) as pool:
        for _ in range(count):
            pool.submit(os.getpid)
        yield pool


def decode_all(recipe: DecodingOptions, chunks: Iterable[Rows], pool: ProcessPoolExecutor | None) -> Iterator[list[Reading]]:
    """The readings of every chunk, in order, read by the helpers in `pool`, or here. Raises DataError when a helper dies."""
    if pool is None:
        yield from (decode_rows(recipe, rows) for rows in chunks)
        return
    waiting: deque[Future[list[Reading]]] = deque()
    try:
        for rows in chunks:
            waiting.append(pool.submit(decode_rows, recipe, rows))
            if len(waiting) >= AHEAD * (os.cpu_count() or 1):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise DataError(
            "A helper process that reads images has ended unexpectedly, perhaps for want of memory. Import again: what was read is kept."
        ) from None
    finally:
        for future in waiting:
            future.cancel()


def _prepare_helper() -> None:
    """In a helper: leave out garbage collection, a tenth of its time, and end when the process that started it has ended, however. It
    would wait for ever, or write into the map of a later import."""
    gc.disable()

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def decode_rows(recipe: DecodingOptions, rows: Rows) -> list[Reading]:
    """Read neighbouring rows into the map; what cannot be read leaves its row black and says why."""
    pixels = np.zeros((len(rows), recipe.size, recipe.size, recipe.channels), np.uint8)
    found: list[tuple[str | None, int, int, bytes]] = []
    with ExitStack() as stack:
        archive = stack.enter_context(recipe.source.open("rb")) if recipe.source.is_file() else None
        for place, (_, path, member) in zip(pixels, rows, strict=True):
            try:
                found.append(_decode(recipe, path, member, archive, place))
            except ImageError as error:
                found.append((str(error), 0, 0, b""))
    np.load(recipe.images, mmap_mode="r+")[[row for row, _, _ in rows]] = pixels
    looks, is_grey = look_of(pixels).tolist(), are_grey(pixels).tolist()
    return [Reading(row, *file, look, grey) for (row, _, _), file, look, grey in zip(rows, found, looks, is_grey, strict=True)]


def _decode(
    recipe: DecodingOptions, path: str, member: list[Any] | None, archive: BinaryIO | None, place: np.ndarray
) -> tuple[None, int, int, bytes]:
    name = show_name(path)
    data = read_member(archive, Member(*member)) if archive else read_bytes(f"{recipe.source}/{path}", name)
    picture = read_image(data, name, draft=2 * recipe.size)
    place[:] = to_pixels(picture.image, recipe.size, recipe.channels, recipe.fit)
    return None, *picture.size, _digest(data)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def describe_pixels(pixels: np.ndarray, first: int) -> list[Reading]:
    """The readings of images (N, S, S, C) that were never files, rows `first` and on."""
    return [
        Reading(first + number, None, image.shape[1], image.shape[0], _digest(image.tobytes()), look, grey)
        for number, (image, look, grey) in enumerate(
            zip(pixels, look_of(pixels).tolist(), are_grey(pixels).tolist(), strict=True)
        )
    ]


def read_file(source: Path, path: str, member: Member | None) -> bytes:
    """One file of a folder, or one member of a zip. Raises ImageError."""
    if member is None:
        return read_bytes(source / path, path)
    with source.open("rb") as archive:
        return read_member(archive, member)


def look_of(pixels: np.ndarray) -> np.ndarray:
    """A 64-bit picture of each image (N, S, S, C), int64: where brightness falls from left to right in a grid of 8 by 9 (dHash, N. Krawetz,
    2013), by more than a share of its deviation: in a plain background it would be the noise that decides."""
    channels = np.moveaxis(pixels, 3, 0)  # added one by one: numpy is slow along an axis of three
    grey = sum(channel.astype(np.float32) for channel in channels) / len(channels)  # (N, S, S)
    small = _averages(8, grey.shape[1]) @ grey @ _averages(9, grey.shape[2]).T  # (N, 8, 9)
    least = LEAST_FALL * small.std((1, 2), keepdims=True)
    bits = (small[:, :, 1:] + least < small[:, :, :-1]).reshape(len(pixels), 64)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64).view(np.int64)


def are_grey(pixels: np.ndarray) -> np.ndarray:
    """Of each image (N, S, S, C) whether it has no colours, (N,) bool."""
    lowest = highest = pixels[..., 0]
    for channel in range(1, pixels.shape[3]):
        lowest, highest = np.minimum(lowest, pixels[..., channel]), np.maximum(highest, pixels[..., channel])
    return (highest - lowest).max((1, 2)) <= GREY_SPREAD


@lru_cache(maxsize=8)
def _averages(count: int, length: int) -> np.ndarray:
    """The matrix (count, length) float32 that averages `length` pixels into `count` equal stretches."""
    edges = np.linspace(0, length, count + 1)
    pixel = np.arange(length)
    shares = np.clip(np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, None)
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32)
