"""Many pictures at once: every image file of a folder or a zip classified, and a row for each written to a CSV file as it comes.

In: a folder or a zip, which are not trusted (see `data.archive`, `data.image_file`), and a Classifier. Out: a generator of Progress whose value is a
Tally. Nothing is unpacked to the disk, and never more than a few batches of pictures are in memory.

Threads read ahead while the network works on the batch before. Decoding lets go of the interpreter, reading a small picture takes a quarter of
what classifying it takes, and helper processes, as an import has them, would first have to start: from a page, each by running that
page's script again.
"""

import os
import threading
import time
import unicodedata
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from cnn_core.data.archive import Member, SkippedFile, is_printable, read_member, show_name
from cnn_core.data.decoder import read_bytes, read_image
from cnn_core.data.listing import EMPTY_FOLDER, find_images
from cnn_core.errors import DataError, ImageError, RunError
from cnn_core.events import Progress
from cnn_core.files import replacing
from cnn_core.inference.predictions import ImagePrediction, Tally, UnreadFile, columns, to_row
from cnn_core.inference.preprocessing import received
from cnn_core.models.saving import ModelCard
from cnn_core.tables import csv_table

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier

MOST_FILES = 200_000
LARGEST_BATCH = 128  # pictures
BATCH_BYTES = 2**22  # of a batch's files, and of what they become: a few photographs at once
READERS = min(4, os.cpu_count() or 1)  # threads: each may hold one picture of MAX_PIXELS
AHEAD = 2  # batches for each reader, being read or waiting
REPORT_SECONDS = 0.25


@dataclass(frozen=True, order=True)
class ImageFile:
    """One file: its path below the source; or, set aside before it was opened, why."""

    path: str
    size: int = 0
    member: Member | None = None
    reason: str = ""


@dataclass(frozen=True)
class Batch:
    """Files that were read together: `pixels` (n, S, S, C) uint8 of those without a problem, in their order."""

    files: Sequence[ImageFile]
    problems: Sequence[str]
    pixels: np.ndarray


def classify_many(source: Path, classifier: "Classifier", table: Path) -> Generator[Progress, None, Tally]:
    """Classify the pictures of `source`, in the order of their paths, and write `table`, which is there when all is done, or not at all.

    Raises DataError when the source holds no picture or cannot be read, or the table cannot be written, RunError when the network diverged.
    """
    files = yield from _list(source)
    card, done = classifier.card, 0
    tally, labels = Tally(card.classes), {_normal(name): label for label, name in enumerate(card.classes)}
    with _whole(table) as out, csv_table(out) as write, closing(_read_ahead(source, files, card)) as batches:
        write(columns(card.classes))
        for batch in batches:
            for one in _answer(batch, classifier, labels) if batch else ():
                write(to_row(one, card.classes))
                tally.add(one)
                done += 1
            yield Progress("Classifying pictures", done, len(files))
    return tally


def _list(source: Path) -> Generator[Progress, None, list[ImageFile]]:
    """Every file in the order of the paths. Raises DataError when none of them is a picture, or there are too many."""
    yield Progress("Listing pictures", 0, 1)
    files, pictures, reported = [], 0, time.perf_counter()
    for one in find_images(source):
        if isinstance(one, SkippedFile):
            files += [ImageFile(one.path, reason=one.reason)] if one.reason != EMPTY_FOLDER else []
        else:
            files.append(ImageFile(*one))
            pictures += 1
        if len(files) > MOST_FILES:
            raise DataError(
                f"{show_name(source.name)} has more than {MOST_FILES:,} files. Take one of its folders after the other."
            )
        if time.perf_counter() - reported > REPORT_SECONDS:
            yield Progress(f"Listing pictures ({len(files):,} files so far)", 0, 1)
            reported = time.perf_counter()
    if not pictures:
        example = f" Set aside: {files[0].path}: {files[0].reason}." if files else ""
        raise DataError(f"{show_name(source.name)} has no pictures in it. Use JPEG, PNG, WebP, BMP or GIF files.{example}")
    return sorted(files, key=lambda file: file.path)


def _answer(batch: Batch, classifier: "Classifier", labels: dict[str, int]) -> Iterator[ImagePrediction | UnreadFile]:
    """What is said of each of the batch's files."""
    shares = classifier.probabilities(batch.pixels) if len(batch.pixels) else np.empty((0, len(labels)), np.float32)
    if not np.isfinite(shares).all():
        raise RunError("This run diverged: its probabilities are no numbers, so it has no answers. Choose another run.")
    rows = iter(zip(batch.pixels, shares, strict=True))
    for file, problem in zip(batch.files, batch.problems, strict=True):
        name = file.path if is_printable(file.path) else show_name(file.path)
        if problem:
            yield UnreadFile(name, problem)
            continue
        pixels, probabilities = next(rows)
        threshold = classifier.calibration.threshold
        is_sure = bool(probabilities.max() >= threshold) if threshold else None
        yield ImagePrediction(name, pixels, probabilities, is_sure, _folder_label(file.path, labels))


def _folder_label(path: str, labels: dict[str, int]) -> int | None:
    """The class that the nearest folder above a file is named like."""
    above = reversed(path.split("/")[:-1])
    return next((labels[name] for folder in above if (name := _normal(folder)) in labels), None)


def _normal(name: str) -> str:
    """One form of a name: file systems write "é" as one letter or as two."""
    return unicodedata.normalize("NFC", name)


def _read_ahead(source: Path, files: Sequence[ImageFile], card: ModelCard) -> Iterator[Batch | None]:
    """All files in batches, in order, and None where the next one is not read yet after a while. Ends its threads when it is closed."""
    waiting: deque[Future[Batch]] = deque()
    is_over = threading.Event()
    with ThreadPoolExecutor(READERS) as readers:
        try:
            for batch in _cut(files, card):
                waiting.append(readers.submit(_read, source, batch, card, is_over))
                if len(waiting) >= AHEAD * READERS:
                    yield from _wait_for(waiting.popleft())
            while waiting:
                yield from _wait_for(waiting.popleft())
        finally:
            is_over.set()
            for future in waiting:
                future.cancel()


def _wait_for(future: "Future[Batch]") -> Iterator[Batch | None]:
    while True:
        try:
            yield future.result(REPORT_SECONDS)
            return
        except TimeoutError:
            yield None


def _cut(files: Iterable[ImageFile], card: ModelCard) -> Iterator[list[ImageFile]]:
    """Neighbouring files, as many as make a batch."""
    most = max(1, min(LARGEST_BATCH, BATCH_BYTES // (card.image_size**2 * card.channels)))
    batch, size = [], 0
    for file in files:
        if batch and (len(batch) == most or size + file.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    yield batch


def _read(source: Path, files: Sequence[ImageFile], card: ModelCard, is_over: threading.Event) -> Batch:
    """In a reader: the files' pictures, made ready for the network; nothing more once it `is_over`. Raises DataError when the archive is gone."""
    pixels = np.empty((len(files), card.image_size, card.image_size, card.channels), np.uint8)
    problems, count = [], 0
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(source.open("rb")) if any(file.member for file in files) else None
        except OSError as error:
            raise DataError(
                f"{show_name(source.name)} can no longer be opened ({error.strerror}). Leave it in its place."
            ) from None
        for file in files:
            if is_over.is_set():
                break
            try:
                pixels[count] = _ready(source, file, archive, card)
            except ImageError as error:
                problems.append(str(error))
            else:
                problems.append("")
                count += 1
    return Batch(files, problems, pixels[:count])


def _ready(source: Path, file: ImageFile, archive: BinaryIO | None, card: ModelCard) -> np.ndarray:
    """One picture as the network receives it, (S, S, C) uint8. It is decoded in full, as a single one is: the answers are the same. Raises ImageError."""
    if file.reason:
        raise ImageError(f"It was set aside: {file.reason}.")
    name = show_name(file.path)
    try:
        data = read_member(archive, file.member) if file.member else read_bytes(f"{source}/{file.path}", name)
    except OSError as error:
        raise ImageError(f"{name} cannot be read ({error.strerror or error}). Copy it again.") from None
    return received(read_image(data, name).image, card)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is at `path` when the block has ended well, and not at all when it has not. Raises DataError when it cannot be written."""
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}). Check free space and permissions, or name another file."
        ) from None
