"""Decoding in worker processes: small images take more Python time than decoding time, so threads would wait for each other.

In: DecodingOptions and rows of neighbouring files. Out: one DecodingResult per row, and the pixels in the memory-mapped file. Worker
processes import neither torch nor Streamlit.
"""

import gc
import hashlib
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from cnn_core.data.archive import Member, read_member, show_name
from cnn_core.data.conversions import kinds_of
from cnn_core.data.decoder import Fit, read_bytes, read_image, to_pixels
from cnn_core.data.index.schema import DecodingResult
from cnn_core.data.kept_images import KEPT_SIDE, encode
from cnn_core.errors import DataError, ImageError

MAX_IN_PROCESS = 1000  # images that one process decodes in the time in which worker processes start
AHEAD = 3  # chunks per worker process, running or waiting
GREY_SPREAD = 8  # levels between the channels of a grey image, which JPEG compression makes slightly different
MIN_FALL = 0.15  # standard deviations
Rows = list[tuple[int, str, Any]]


@dataclass(frozen=True)
class DecodingOptions:
    """Files in the folder or zip `source` become rows (size, size, channels) of the memory-mapped file `images`. keeps: they are also encoded."""

    source: Path
    images: Path
    size: int
    channels: int
    fit: Fit
    keeps: bool = False


@contextmanager
def worker_processes(total: int) -> Iterator[ProcessPoolExecutor | None]:
    """Start worker processes for the block, or none where `total` images are too few. They end with the block."""
    if total <= MAX_IN_PROCESS:
        yield None
        return
    count = os.cpu_count() or 1
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _prepare_worker) as pool:
        with _hidden_main():
            for _ in range(count):
                pool.submit(os.getpid)
        yield pool


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Hide the main module during the block: a process that is spawned runs it first, and in a server it is the script of a page."""
    main, empty = sys.modules["__main__"], ModuleType("__main__")
    sys.modules["__main__"] = empty
    try:
        yield
    finally:
        if sys.modules["__main__"] is empty:  # otherwise a script has begun in another thread
            sys.modules["__main__"] = main


def decode_all(
    options: DecodingOptions, chunks: Iterable[Rows], pool: ProcessPoolExecutor | None
) -> Iterator[list[DecodingResult]]:
    """Yield the results of every chunk, in order, decoded by `pool`, or in this process. Raises DataError when a worker process dies."""
    if pool is None:
        yield from (decode_rows(options, rows) for rows in chunks)
        return
    waiting: deque[Future[list[DecodingResult]]] = deque()
    try:
        for rows in chunks:
            waiting.append(pool.submit(decode_rows, options, rows))
            if len(waiting) >= AHEAD * (os.cpu_count() or 1):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise DataError(
            "A process that decodes images ended unexpectedly, perhaps for lack of memory. Import again; decoded images are not decoded again."
        ) from None
    finally:
        for future in waiting:
            future.cancel()


def _prepare_worker() -> None:
    """Switch off garbage collection, which takes a tenth of the time, and end this process when its parent has ended.

    Otherwise it would wait forever, or write into the pixels of a later import.
    """
    gc.disable()
    parent = multiprocessing.parent_process()
    assert parent, "this runs in a worker process"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def decode_rows(options: DecodingOptions, rows: Rows) -> list[DecodingResult]:
    """Decode neighbouring rows into the memory-mapped file; the row of a file that cannot be read is black, and its result states the problem."""
    pixels = np.zeros((len(rows), options.size, options.size, options.channels), np.uint8)
    files: list[tuple[str | None, int, int, bytes]] = []
    rest: list[tuple[tuple[str, ...], bytes]] = []
    with ExitStack() as stack:
        archive = stack.enter_context(options.source.open("rb")) if options.source.is_file() else None
        for image, (_, path, member) in zip(pixels, rows, strict=True):
            try:
                file, kinds, encoded = _decode(options, path, member, archive, image)
            except ImageError as error:
                file, kinds, encoded = (str(error), 0, 0, b""), (), b""
            files.append(file)
            rest.append((kinds, encoded))
    np.load(options.images, mmap_mode="r+")[[row for row, _, _ in rows]] = pixels
    hashes, is_grey = difference_hash(pixels).tolist(), are_grey(pixels).tolist()
    return [
        DecodingResult(row, *file, image_hash, grey, kinds, encoded)
        for (row, _, _), file, image_hash, grey, (kinds, encoded) in zip(rows, files, hashes, is_grey, rest, strict=True)
    ]


def _decode(
    options: DecodingOptions, path: str, member: list[Any] | None, archive: BinaryIO | None, pixels: np.ndarray
) -> tuple[tuple[str | None, int, int, bytes], tuple[str, ...], bytes]:
    """Decode one file into `pixels` (S, S, C); return no problem, width, height and digest, the kinds of conversion, and the encoded image,
    empty where it is not kept. Raises ImageError."""
    name = show_name(path)
    data = read_member(archive, Member(*member)) if archive and member else read_bytes(f"{options.source}/{path}", name)
    decoded = read_image(data, name, draft=KEPT_SIDE if options.keeps else 2 * options.size)
    encoded, image = encode(decoded) if options.keeps else (b"", decoded.image)
    pixels[:] = to_pixels(image, options.size, options.channels, options.fit)
    return (None, *decoded.size, digest_of(data)), kinds_of(decoded.notes), encoded


def digest_of(data: bytes) -> bytes:
    """Return the digest of a file's content that the index stores."""
    return hashlib.blake2b(data, digest_size=16).digest()


def results_from_pixels(pixels: np.ndarray, first: int) -> list[DecodingResult]:
    """Return the results for images (N, S, S, C) that were never files, rows `first` and on."""
    return [
        DecodingResult(first + number, None, image.shape[1], image.shape[0], digest_of(image.tobytes()), image_hash, grey)
        for number, (image, image_hash, grey) in enumerate(
            zip(pixels, difference_hash(pixels).tolist(), are_grey(pixels).tolist(), strict=True)
        )
    ]


def read_file(source: Path, path: str, member: Member | None) -> bytes:
    """Read one file of a folder, or one member of a zip. Raises ImageError."""
    if member is None:
        return read_bytes(source / path, path)
    with source.open("rb") as archive:
        return read_member(archive, member)


def difference_hash(pixels: np.ndarray) -> np.ndarray:
    """Return the 64-bit difference hash of each image (N, S, S, C), int64: where brightness falls from left to right in a grid of 8 by 9
    (dHash, N. Krawetz, 2013), by more than MIN_FALL standard deviations, so that noise in a plain background does not decide."""
    channels = np.moveaxis(pixels, 3, 0)  # added one by one: numpy is slow along an axis of three
    grey: np.ndarray = sum(channel.astype(np.float32) for channel in channels) / len(channels)  # (N, S, S)
    small = _averages(8, grey.shape[1]) @ grey @ _averages(9, grey.shape[2]).T  # (N, 8, 9)
    least = MIN_FALL * small.std((1, 2), keepdims=True)
    bits = (small[:, :, 1:] + least < small[:, :, :-1]).reshape(len(pixels), 64)
    hashes: np.ndarray = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64).view(np.int64)
    return hashes


def are_grey(pixels: np.ndarray) -> np.ndarray:
    """Whether each image (N, S, S, C) has no colours, (N,) bool."""
    lowest = highest = pixels[..., 0]
    for channel in range(1, pixels.shape[3]):
        lowest, highest = np.minimum(lowest, pixels[..., channel]), np.maximum(highest, pixels[..., channel])
    is_grey: np.ndarray = (highest - lowest).max((1, 2)) <= GREY_SPREAD
    return is_grey


@lru_cache(maxsize=8)
def _averages(count: int, length: int) -> np.ndarray:
    """Return the matrix (count, length) float32 that averages `length` pixels into `count` equal intervals."""
    edges = np.linspace(0, length, count + 1)
    pixel = np.arange(length)
    weights = np.clip(np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, None)
    averages: np.ndarray = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return averages
