"""Classify every image file of a folder or a zip, and write a row for each to a CSV file.

In: a folder or a zip, which are not trusted (see `data.archive`, `data.decoder`), and a Classifier. Out: a generator of Progress whose
value is a PredictionSummary. Nothing is unpacked to the disk, and only a few batches of images are in memory at a time.

Threads read ahead while the model works on the batch before: decoding releases the GIL, and reading a small image takes a quarter of the
time of classifying it. Processes, which an import uses, take longer to start: each of them runs the page's script again.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cnn_core.data.archive import Member, SkippedFile, is_printable, read_member, show_name
from cnn_core.data.decoder import read_bytes
from cnn_core.data.layout import normalise_name
from cnn_core.data.listing import EMPTY_FOLDER, find_images
from cnn_core.errors import DataError, ImageError, RunError
from cnn_core.events import Progress
from cnn_core.files import replacing
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.predictions import ImagePrediction, PredictionSummary, UnreadFile, column_names, to_row
from cnn_core.inference.preprocessing import preprocess_file
from cnn_core.models.saving import ModelCard
from cnn_core.tables import csv_table

MAX_FILES = 200_000
LARGEST_BATCH = 128  # images
BATCH_BYTES = 2**22  # of a batch's files, and of their pixels: a few photographs
READERS = min(4, os.cpu_count() or 1)  # threads: each may hold one image of MAX_PIXELS
AHEAD = 2  # batches for each thread, being read or waiting
REPORT_SECONDS = 0.25

CLASSIFYING = "Classifying images"
TOO_MANY_FILES = "has more than {limit:,} files. Classify its folders one by one."
DIVERGED = "This run diverged: the probabilities of its model are not finite numbers. Choose another run."


@dataclass(frozen=True, order=True)
class ImageFile:
    """A file by its path below the source. `reason`: why it is skipped without being opened, "" otherwise."""

    path: str
    size: int = 0
    member: Member | None = None
    reason: str = ""


@dataclass(frozen=True)
class Batch:
    """Files that were read together. `problems`: one per file, "" for none. `pixels`: (n, S, S, C) uint8 of those without a problem."""

    files: Sequence[ImageFile]
    problems: Sequence[str]
    pixels: np.ndarray


def classify_many(source: Path, classifier: Classifier, table: Path) -> Generator[Progress, None, PredictionSummary]:
    """Classify the images of `source` in the order of their paths and write `table`, as a whole or not at all.

    Raises DataError when the source has no images or cannot be read, or the table cannot be written, RunError when the model diverged.
    """
    files = yield from _list_files(source)
    card, done = classifier.card, 0
    summary, labels = PredictionSummary(card.classes), {normalise_name(name): label for label, name in enumerate(card.classes)}
    with _output_file(table) as file, csv_table(file) as write, closing(_read_ahead(source, files, card)) as batches:
        write(column_names(card.classes))
        for batch in batches:
            for result in _classify(batch, classifier, labels) if batch else ():
                write(to_row(result, card.classes))
                summary.add(result)
                done += 1
            yield Progress(CLASSIFYING, done, len(files))
    return summary


def _list_files(source: Path) -> Generator[Progress, None, list[ImageFile]]:
    """Return every file in the order of the paths. Raises DataError when none is an image, or there are too many."""
    yield Progress("Listing images", 0, 1)
    files: list[ImageFile] = []
    images, reported = 0, time.perf_counter()
    for file in find_images(source):
        if isinstance(file, SkippedFile):
            files += [ImageFile(file.path, reason=file.reason)] if file.reason != EMPTY_FOLDER else []
        else:
            files.append(ImageFile(file.path, file.size, file.member))
            images += 1
        if len(files) > MAX_FILES:
            raise DataError(f"{show_name(source.name)} {TOO_MANY_FILES.format(limit=MAX_FILES)}")
        if time.perf_counter() - reported > REPORT_SECONDS:
            yield Progress(f"Listing images ({len(files):,} files so far)", 0, 1)
            reported = time.perf_counter()
    if not images:
        example = f" Skipped: {files[0].path}: {files[0].reason}." if files else ""
        raise DataError(f"{show_name(source.name)} contains no images. Use JPEG, PNG, WebP, BMP or GIF files.{example}")
    return sorted(files, key=lambda file: file.path)


def _classify(batch: Batch, classifier: Classifier, labels: dict[str, int]) -> Iterator[ImagePrediction | UnreadFile]:
    """Classify the files of a batch, in their order."""
    rows = classifier.probabilities(batch.pixels) if len(batch.pixels) else np.empty((0, len(labels)), np.float32)
    distances = classifier.distances(batch.pixels) if len(batch.pixels) else []
    if not np.isfinite(rows).all():
        raise RunError(DIVERGED)
    images = iter(zip(batch.pixels, rows, distances, strict=True))
    for file, problem in zip(batch.files, batch.problems, strict=True):
        name = file.path if is_printable(file.path) else show_name(file.path)
        if problem:
            yield UnreadFile(name, problem)
            continue
        pixels, probabilities, distance = next(images)
        verdict = classifier.judge(probabilities.max(), distance)
        yield ImagePrediction(name, pixels, probabilities, verdict, _folder_label(file.path, labels))


def _folder_label(path: str, labels: dict[str, int]) -> int | None:
    """Return the class after which the nearest folder above a file is named."""
    folders = reversed(path.split("/")[:-1])
    return next((labels[name] for folder in folders if (name := normalise_name(folder)) in labels), None)


def _read_ahead(source: Path, files: Sequence[ImageFile], card: ModelCard) -> Generator[Batch | None, None, None]:
    """Yield all files in batches, in order, and None while the next one is being read. Closing the generator ends its threads."""
    waiting: deque[Future[Batch]] = deque()
    has_ended = threading.Event()
    with ThreadPoolExecutor(READERS) as readers:
        try:
            for batch in _split_into_batches(files, card):
                waiting.append(readers.submit(_read_batch, source, batch, card, has_ended))
                if len(waiting) >= AHEAD * READERS:
                    yield from _wait_for(waiting.popleft())
            while waiting:
                yield from _wait_for(waiting.popleft())
        finally:
            has_ended.set()
            for future in waiting:
                future.cancel()


def _wait_for(future: "Future[Batch]") -> Iterator[Batch | None]:
    while True:
        try:
            yield future.result(REPORT_SECONDS)
            return
        except TimeoutError:
            yield None


def _split_into_batches(files: Iterable[ImageFile], card: ModelCard) -> Iterator[list[ImageFile]]:
    """Yield consecutive files, as many as make a batch."""
    max_files = max(1, min(LARGEST_BATCH, BATCH_BYTES // (card.image_size**2 * card.channels)))
    batch: list[ImageFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) == max_files or size + file.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    yield batch


def _read_batch(source: Path, files: Sequence[ImageFile], card: ModelCard, has_ended: threading.Event) -> Batch:
    """Read and preprocess the images of the files, until `has_ended`. Raises DataError when the archive is gone."""
    pixels = np.empty((len(files), card.image_size, card.image_size, card.channels), np.uint8)
    problems: list[str] = []
    count = 0
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(source.open("rb")) if any(file.member for file in files) else None
        except OSError as error:
            raise DataError(
                f"{show_name(source.name)} can no longer be opened ({error.strerror}). Put it back and try again."
            ) from None
        for file in files:
            if has_ended.is_set():
                break
            try:
                pixels[count] = _read_image(source, file, archive, card)
            except ImageError as error:
                problems.append(str(error))
            else:
                problems.append("")
                count += 1
    return Batch(files, problems, pixels[:count])


def _read_image(source: Path, file: ImageFile, archive: BinaryIO | None, card: ModelCard) -> np.ndarray:
    """Return one preprocessed image, (S, S, C) uint8. Raises ImageError."""
    if file.reason:
        raise ImageError(f"The file was skipped: {file.reason}.")
    name = show_name(file.path)
    try:
        data = read_member(archive, file.member) if archive and file.member else read_bytes(f"{source}/{file.path}", name)
    except OSError as error:
        raise ImageError(f"{name} cannot be read ({error.strerror or error}). Copy it again.") from None
    return preprocess_file(data, name, card)


@contextmanager
def _output_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is at `path` if the block ends without an error, and not otherwise. Raises DataError when it cannot be written."""
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}). Check free space and permissions, or name another file."
        ) from None
