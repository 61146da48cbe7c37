"""Import: images from outside become one memory-mapped file and an index, decoded once.

In: a name, and a folder, a zip, or arrays. Out: a generator of Progress; when it ends, the data set is in `data/sets/<name>/`. It is built in
`data/importing/<name>/` and moved there in one rename, so no page reads an incomplete set. An interrupted import continues where it stopped when it is
started again. The original files are only read. A lock that ends with its process allows one import of a name at a time.
"""

import errno
import os
import shutil
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.data.archive import show_name
from cnn_core.data.catalog import CATALOG
from cnn_core.data.decoder import Fit
from cnn_core.data.duplicates import find_duplicates
from cnn_core.data.imported import ImportedSource
from cnn_core.data.index.fingerprint import import_fingerprint
from cnn_core.data.index.index import Index
from cnn_core.data.index.schema import USED
from cnn_core.data.kept_images import append_images
from cnn_core.data.library import check_quality
from cnn_core.data.listing import Listing, list_source
from cnn_core.data.names import IN_CATALOGUE, NAME_TAKEN
from cnn_core.data.owners import write_owner
from cnn_core.data.parallel_decoding import DecodingOptions, decode_all, results_from_pixels, worker_processes
from cnn_core.data.pixel_file import create_pixel_file
from cnn_core.data.source import SPLITS, Split
from cnn_core.data.split_changes import check_fraction, split_set
from cnn_core.data.splits import count_drawn
from cnn_core.data.stored_shape import MAX_SIZE, MIN_SIZE, choose_shape
from cnn_core.data.validation_use import AS_TEST, CHOICES, NOT_A_CHOICE, UNDECIDED, SplitQuestion, UndecidedError
from cnn_core.errors import BusyError, DataError
from cnn_core.events import Progress
from cnn_core.home import IMAGES, INDEX, KEPT, Home
from cnn_core.locks import try_lock

CHUNK_BYTES, MAX_ROWS, KEPT_ROWS = 2**22, 1024, 64
LISTING, READING, SPLITTING = "Listing files", "Reading images", "Splitting"  # the names of stages
NOT_AN_OPTION = "The fit must be crop, pad or stretch, the colour auto, colour or grey. Choose one of these."
FREE_SPACE = "Free some space, then import again; images that were decoded are not decoded again."
UNREADABLE_TEST_IMAGES = "None of the test images can be read."
Importing = Generator[Progress, None, None]
Arrays = tuple[np.ndarray, np.ndarray]  # images (N, S, S, C) uint8, labels (N,)


@dataclass(frozen=True)
class ImportOptions:
    """How images become pixels, and how they are split. Raises DataError where something is out of range.

    image_size: of squares, pixels, None to keep photographs as they are, and for the common size of small images (see `stored_shape`). fit: of
    squares (see `to_pixels`). colour: "auto" is grey where all sampled images are grey. test_share: fraction of the images for testing, where the source has no test folder. seed: of that split.
    validation_as: what validation images are used for where the source has no test folder, "test", "validation", or "" where nobody has
    chosen, which is "validation".
    """

    image_size: int | None = None
    fit: Fit = "crop"
    colour: str = "auto"
    test_share: float = 0.2
    seed: int = 0
    validation_as: str = UNDECIDED

    def __post_init__(self) -> None:
        if self.image_size is not None and not MIN_SIZE <= self.image_size <= MAX_SIZE:
            raise DataError(f"Image size must be {MIN_SIZE} to {MAX_SIZE} pixels. “{self.image_size}” was given.")
        if self.fit not in ("crop", "pad", "stretch") or self.colour not in ("auto", "colour", "grey"):
            raise DataError(NOT_AN_OPTION)
        check_fraction(self.test_share)
        if self.validation_as not in (UNDECIDED, *CHOICES):
            raise DataError(NOT_A_CHOICE)


def import_files(
    name: str,
    source: Path,
    options: ImportOptions,
    home: Home,
    listing: Listing | None = None,
    *,
    owner: str = "",
    asks: bool = False,
) -> Importing:
    """Import a folder or a zip as data set `name`. Raises DataError; images that were decoded are reused when it is started again.

    `listing`: of the source, if the caller has one. `owner`: the person it belongs to, "" where nobody signs in. `asks`: raise
    UndecidedError where it is not chosen what validation images without test images are used for.
    """
    if name in CATALOG:
        raise DataError(IN_CATALOGUE.format(name=name))
    with _staging(name, home) as folder:
        yield Progress(LISTING, 0, 1)
        index = Index(folder / INDEX)
        facts = index.facts() if index.path.exists() else {}
        listing = listing or list_source(source)
        if asks and (question := find_question(listing, options)):
            raise UndecidedError(question)
        if not listing.has_validation_only:
            options = replace(options, validation_as=UNDECIDED)  # there is nothing to choose
        with worker_processes(len(listing.files)) as pool:
            state = {"signature": listing.signature, "changed": listing.changed}
            described = {"source": str(source), **state, "options": asdict(options)}
            if any(facts.get(key) != value for key, value in described.items()):
                _clear(folder)
                facts = described | _create_index(source, listing, options, index)
            write_owner(folder, owner)
            del listing
            total = index.count()
            _create_pixel_file(folder, facts, total)
            index.set_facts(**facts)  # last: without them the next import starts again
            yield from _decode(index, source, folder, facts, pool)
        yield from _complete(index, folder, facts)
        _publish(folder, home.set_folder(name))


def import_arrays(name: str, splits: dict[Split, Arrays], facts: dict[str, Any], home: Home) -> Importing:
    """Import arrays as data set `name`. `facts`: its title and classes, and other facts (see `ImportedSource`). Raises DataError."""
    with _staging(name, home) as folder:
        _clear(folder)
        index, total = Index.create(folder / INDEX), sum(len(labels) for _, labels in splits.values())
        shape = next(iter(splits.values()))[0].shape[1:]
        facts = {
            "source": "",
            "options": asdict(ImportOptions()),
            "image_size": shape[0],
            "channels": shape[2],
            "has_parts": True,
        } | facts
        index.imports.add_files(
            (
                (f"{split}/{number:06}", int(label), split, int(np.prod(shape)), None)
                for split, (_, labels) in splits.items()
                for number, label in enumerate(labels)
            ),
            (),
        )
        _create_pixel_file(folder, facts, total)
        index.set_facts(**facts)
        yield from _copy(index, [images for images, _ in splits.values()], folder, total)
        yield from _complete(index, folder, facts)
        _publish(folder, home.set_folder(name))


def _create_index(source: Path, listing: Listing, options: ImportOptions, index: Index) -> dict[str, Any]:
    """Create the index with the files of the listing; return its facts."""
    shape = choose_shape(source, listing, options.image_size, options.fit, options.colour)
    Index.create(index.path)
    if listing.has_validation_only and options.validation_as == AS_TEST:
        listing = listing.with_validation_as_test()
    index.imports.add_files(((f.path, f.label, f.split, f.size, f.member) for f in listing.files), listing.skipped)
    return {
        "title": show_name(source.stem if source.is_file() else source.name),
        "classes": listing.classes,
        **shape._asdict(),
        "has_parts": listing.has_splits,
        "warnings": listing.warnings,
    }


def find_question(listing: Listing, options: ImportOptions) -> SplitQuestion | None:
    """Return the question what validation images are used for; None where there is nothing to ask."""
    if options.validation_as or not listing.has_validation_only:
        return None
    labels = [file.label for file in listing.files if file.split != "val"]
    drawn = sum(count_drawn(int(count), options.test_share) for count in np.bincount(labels))
    return SplitQuestion(len(labels), len(listing.files) - len(labels), drawn)


def _decode(index: Index, source: Path, folder: Path, facts: dict[str, Any], pool: ProcessPoolExecutor | None) -> Importing:
    size, channels = facts["image_size"], facts["channels"]
    keeps = bool(facts.get("kept_side"))  # an import that an earlier version began keeps none
    decoding = DecodingOptions(source, folder / IMAGES, size, channels, facts["options"]["fit"], keeps)
    rows = KEPT_ROWS if keeps else min(MAX_ROWS, max(16, CHUNK_BYTES // (size * size * channels)))
    done, total = index.count("is_read"), index.count()
    for results in decode_all(decoding, index.imports.pending_files(rows), pool):
        kept = append_images(folder, ((one.row, one.encoded) for one in results if one.encoded)) if keeps else ()
        index.imports.save_results(results, kept)
        done += len(results)
        yield Progress(READING, done, total)


def _copy(index: Index, arrays: list[np.ndarray], folder: Path, total: int) -> Importing:
    images, row = np.load(folder / IMAGES, mmap_mode="r+"), 0
    for array in arrays:
        for start in range(0, len(array), MAX_ROWS):
            pixels = array[start : start + MAX_ROWS]
            images[row : row + len(pixels)] = pixels
            index.imports.save_results(results_from_pixels(pixels, row))
            row += len(pixels)
            yield Progress("Copying images", row, total)


def _complete(index: Index, folder: Path, facts: dict[str, Any]) -> Importing:
    """Split the data set, find its duplicates and compute its fingerprint. Raises DataError when a class has no images."""
    yield Progress(SPLITTING, 0, 1)
    _check_classes(index, facts)
    options = facts["options"]
    if not index.count(f"part = {SPLITS.index('test')}"):
        split_set(index, options["test_share"], options["seed"])
    index.imports.create_lookup_indexes()
    yield from find_duplicates(index, np.load(folder / IMAGES, mmap_mode="r"))
    index.set_facts(fingerprint=import_fingerprint(index))
    imported = ImportedSource(folder)
    check_quality(imported)  # cached, so that a page need not compute it for a large data set
    imported.count(USED)


def _check_classes(index: Index, facts: dict[str, Any]) -> None:
    """Raise DataError where a class has no readable training image, or none of the test images can be read."""
    (labels,) = index.columns(f"problem is null and (part is null or part = {SPLITS.index('train')})", "label")
    counts = np.bincount(labels, minlength=len(facts["classes"]))
    if not counts.min():
        missing = facts["classes"][int(counts.argmin())]
        example = next((file.reason for file in index.skipped_files(1)), "")
        raise DataError(
            f"None of the images of class “{missing}” can be read. Save them again as JPEG, PNG, WebP, BMP or GIF, or remove that folder. {example}".rstrip()
        )
    is_test = f"part = {SPLITS.index('test')}"
    if index.count(is_test) and not index.count(f"problem is null and {is_test}"):
        raise DataError(
            f"{UNREADABLE_TEST_IMAGES} Save them again as JPEG, PNG, WebP, BMP or GIF, or remove the test folder, so "
            "that a fraction of the training images is used for testing."
        )


@contextmanager
def _staging(name: str, home: Home) -> Iterator[Path]:
    """Lock and return the folder in which data set `name` is built. Raises DataError when the name is taken or the disk is full."""
    folder, target = home.staging_folder(name), home.set_folder(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with try_lock(home.set_lock(name)) as is_acquired:
            if not is_acquired:
                raise BusyError(name)
            if target.exists():
                raise DataError(NAME_TAKEN.format(name=name))
            yield folder
    except OSError as error:
        remedy = FREE_SPACE if error.errno == errno.ENOSPC else "Check the permissions."
        raise DataError(f"Data set “{name}” cannot be written ({error.strerror or error}). {remedy}") from None


def _clear(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _create_pixel_file(folder: Path, facts: dict[str, Any], total: int) -> None:
    """Create the file for the squares of all images, unless it is there."""
    path, side = folder / IMAGES, facts["image_size"]
    if not path.exists():
        scratch = path.with_suffix(".new")
        create_pixel_file(scratch, (total, side, side, facts["channels"]))
        scratch.rename(path)


def _publish(folder: Path, target: Path) -> None:
    """Flush the files to the disk and move the data set to its place."""
    for path in filter(Path.exists, (folder / IMAGES, folder / KEPT, folder / INDEX)):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
