"""Importing: images from outside become one memory-mapped file and an index, decoded once.

In: a name, and a folder, a zip, or arrays. Out: a generator of Progress whose end leaves the set in `data/sets/<name>/`. It is built in
`data/importing/<name>/` and moved in one piece, so that nothing is half-visible; an import that was interrupted goes on from where it
was when it is asked for again. The original files are only read. One import of a name at a time, by a lock that dies with its process.
"""

import errno
import os
import shutil
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.data.archive import show_name
from cnn_core.data.catalog import CATALOG
from cnn_core.data.decoder import Fit, read_image
from cnn_core.data.duplicates import find_duplicates
from cnn_core.data.imported import ImportedSource
from cnn_core.data.index import USED, Index
from cnn_core.data.library import check_quality
from cnn_core.data.listing import Listing, list_source
from cnn_core.data.owners import write_owner
from cnn_core.data.parallel_decoding import DecodingOptions, decode_all, describe_pixels, helpers, read_file
from cnn_core.data.source import PARTS, Part
from cnn_core.data.splits import stratified_split
from cnn_core.data.version import fingerprint
from cnn_core.errors import BusyError, DataError, ImageError
from cnn_core.events import Progress
from cnn_core.home import IMAGES, INDEX, Home
from cnn_core.locks import try_lock

SMALLEST, LARGEST = 16, 224
COMMON_SIZE = 64  # pixels: images that all are squares of one side up to this keep it, all others become this
SPARE_BYTES = 100 * 2**20  # for the index, and so that the disk is not filled to the brim
SAMPLE = 200
CHUNK_BYTES, MOST_ROWS = 2**22, 1024
Importing = Generator[Progress, None, None]
Arrays = tuple[np.ndarray, np.ndarray]  # images (N, S, S, C) uint8, labels (N,)


@dataclass(frozen=True)
class ImportOptions:
    """How images become pixels, and how they are split. Raises DataError where something is out of range.

    image_size: pixels, None to keep what the images have in common (else 64). fit: see `to_pixels`. colour: "auto" is grey where all sampled
    images are. test_share, seed: of the split where the source has no test folder.
    """

    image_size: int | None = None
    fit: Fit = "crop"
    colour: str = "auto"
    test_share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.image_size is not None and not SMALLEST <= self.image_size <= LARGEST:
            raise DataError(f"Image size must be {SMALLEST} to {LARGEST} pixels. “{self.image_size}” was given.")
        if self.fit not in ("crop", "pad", "stretch") or self.colour not in ("auto", "colour", "grey"):
            raise DataError("Images can be cropped, padded or stretched, in colour or grey. Choose one of these.")
        if not 0.01 <= self.test_share <= 0.9:
            raise DataError(f"The share of test images must be 0.01 to 0.9. “{self.test_share}” was given.")


def import_files(
    name: str, source: Path, options: ImportOptions, home: Home, listing: Listing | None = None, *, owner: str = ""
) -> Importing:
    """Import a folder or a zip as set `name`. Raises DataError; what was read until then is kept for the next try of the same files.

    `listing`: of the source, where the caller has just made one. `owner`: whose the set is, "" where nobody signs in.
    """
    if name in CATALOG:
        raise DataError(f"“{name}” is a set of the catalogue. Choose another name.")
    with _staging(name, home) as folder:
        yield Progress("Listing files", 0, 1)
        index = Index(folder / INDEX)
        facts = index.facts() if index.path.exists() else {}
        listing = listing or list_source(source)
        with helpers(len(listing.files)) as pool:
            described = {"source": str(source), "signature": listing.signature, "options": asdict(options)}
            if any(facts.get(key) != value for key, value in described.items()):
                _clear(folder)
                facts = described | _list(source, listing, options, index)
            write_owner(folder, owner)
            del listing
            total = index.count()
            _make_map(folder, facts, total)
            index.note(**facts)  # last: a listing without its map is made anew
            yield from _decode(index, source, folder, facts, pool)
        yield from _complete(index, folder, facts)
        _publish(folder, home.set_folder(name))


def import_arrays(name: str, parts: dict[Part, Arrays], facts: dict[str, Any], home: Home) -> Importing:
    """Keep arrays as set `name`. `facts`: its title and classes, and what else is said of it (see `ImportedSource`). Raises DataError."""
    with _staging(name, home) as folder:
        _clear(folder)
        index, total = Index.create(folder / INDEX), sum(len(labels) for _, labels in parts.values())
        shape = next(iter(parts.values()))[0].shape[1:]
        facts = {
            "source": "",
            "options": asdict(ImportOptions()),
            "image_size": shape[0],
            "channels": shape[2],
            "has_parts": True,
        } | facts
        index.add(
            (
                (f"{part}/{number:06}", int(label), part, int(np.prod(shape)), None)
                for part, (_, labels) in parts.items()
                for number, label in enumerate(labels)
            ),
            (),
        )
        _make_map(folder, facts, total)
        index.note(**facts)
        yield from _copy(index, [images for images, _ in parts.values()], folder, total)
        yield from _complete(index, folder, facts)
        _publish(folder, home.set_folder(name))


def _list(source: Path, listing: Listing, options: ImportOptions, index: Index) -> dict[str, Any]:
    """Put the listing into a new index; gives what is known of the set now."""
    image_size, channels = choose_form(source, listing, options)
    Index.create(index.path)
    index.add(((f.path, f.label, f.part, f.size, f.member) for f in listing.files), listing.refused)
    return {
        "title": show_name(source.stem if source.is_file() else source.name),
        "classes": listing.classes,
        "image_size": image_size,
        "channels": channels,
        "has_parts": listing.has_parts,
    }


def choose_form(source: Path, listing: Listing, options: ImportOptions) -> tuple[int, int]:
    """Image size (pixels) and channels: as chosen, else what a sample of the images has in common."""
    sample = (
        listing.files[:: max(1, len(listing.files) // SAMPLE)] if options.image_size is None or options.colour == "auto" else []
    )
    sizes, is_grey = set(), bool(sample)
    for file in sample:
        try:
            picture = read_image(read_file(source, file.path, file.member), file.path, draft=LARGEST)
        except ImageError:
            continue
        sizes.add(picture.size)
        is_grey = is_grey and picture.is_grey
    width, height = sizes.pop() if len(sizes) == 1 else (0, 0)
    common = width if width == height and SMALLEST <= width <= COMMON_SIZE else COMMON_SIZE
    return options.image_size or common, 1 if (options.colour == "grey" or (options.colour == "auto" and is_grey)) else 3


def _decode(index: Index, source: Path, folder: Path, facts: dict[str, Any], pool: ProcessPoolExecutor | None) -> Importing:
    size, channels = facts["image_size"], facts["channels"]
    recipe = DecodingOptions(source, folder / IMAGES, size, channels, facts["options"]["fit"])
    rows = min(MOST_ROWS, max(16, CHUNK_BYTES // (size * size * channels)))
    done, total = index.count("is_read"), index.count()
    for readings in decode_all(recipe, index.unread(rows), pool):
        index.keep(readings)
        done += len(readings)
        yield Progress("Reading images", done, total)


def _copy(index: Index, arrays: list[np.ndarray], folder: Path, total: int) -> Importing:
    images, row = np.load(folder / IMAGES, mmap_mode="r+"), 0
    for array in arrays:
        for start in range(0, len(array), MOST_ROWS):
            pixels = array[start : start + MOST_ROWS]
            images[row : row + len(pixels)] = pixels
            index.keep(describe_pixels(pixels, row))
            row += len(pixels)
            yield Progress("Copying images", row, total)


def _complete(index: Index, folder: Path, facts: dict[str, Any]) -> Importing:
    """What is done once all pixels are there: the split, the search for duplicates, the fingerprint. Raises DataError when it is of no use."""
    yield Progress("Splitting", 0, 1)
    _check_classes(index, facts)
    options = facts["options"]
    if not index.count(f"part = {PARTS.index('test')}"):
        split(index, options["test_share"], options["seed"])
    index.finish()
    yield from find_duplicates(index, np.load(folder / IMAGES, mmap_mode="r"))
    index.note(fingerprint=fingerprint(index))
    imported = ImportedSource(folder)
    check_quality(imported)  # kept, so that the first look at a large set need not wait for it
    imported.count(USED)


def split(index: Index, test_share: float, seed: int) -> None:
    """Keep a share of every class for testing, seeded; images that the source itself calls validation stay so."""
    rows, labels = index.columns(f"problem is null and part is not {PARTS.index('val')}", "row", "label")
    train, test = stratified_split(labels, test_share, seed)
    index.assign(
        {PARTS.index("train"): rows[train], PARTS.index("test"): rows[test]}, split={"test_share": test_share, "seed": seed}
    )


def resplit(index: Index, test_share: float, seed: int) -> None:
    """Split a set anew that does not say itself what is for testing. Raises DataError. It is another version of the data then."""
    ImportOptions(test_share=test_share, seed=seed)
    split(index, test_share, seed)
    index.note(fingerprint=fingerprint(index))


def _check_classes(index: Index, facts: dict[str, Any]) -> None:
    """Refuse a set of which a class has no readable image to train on, or whose test images are all unreadable. Raises DataError."""
    (labels,) = index.columns(f"problem is null and (part is null or part = {PARTS.index('train')})", "label")
    counts = np.bincount(labels, minlength=len(facts["classes"]))
    if not counts.min():
        missing = facts["classes"][int(counts.argmin())]
        example = next((one.reason for one in index.problems(1)), "")
        raise DataError(
            f"None of the images of class “{missing}” can be read. Save them again as JPEG, PNG, WebP, BMP or GIF, or remove that folder. {example}".rstrip()
        )
    is_test = f"part = {PARTS.index('test')}"
    if index.count(is_test) and not index.count(f"problem is null and {is_test}"):
        raise DataError(
            "None of the test images can be read. Save them again as JPEG, PNG, WebP, BMP or GIF, or remove the test folder, "
            "and a part of the training images is kept for testing."
        )


@contextmanager
def _staging(name: str, home: Home) -> Iterator[Path]:
    """The folder in which set `name` is built, held for the block. Raises DataError when the name is taken or the disk is full."""
    folder, place = home.staging_folder(name), home.set_folder(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with try_lock(folder.with_name(f".{name}.lock")) as is_mine:
            if not is_mine:
                raise BusyError(f"“{name}” is being imported right now. Wait until that is done, or choose another name.")
            if place.exists():
                raise DataError(f"There is a data set “{name}” already. Choose another name, or remove that set first.")
            yield folder
    except OSError as error:
        remedy = (
            "Free some space, then import again: what was read is kept." if error.errno == errno.ENOSPC else "Check permissions."
        )
        raise DataError(f"Data set “{name}” cannot be written ({error.strerror or error}). {remedy}") from None


def _clear(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _make_map(folder: Path, facts: dict[str, Any], total: int) -> None:
    """The file for all pixels, its disk space taken now: written through memory, a full disk would be noticed by no one who could say so."""
    path, side = folder / IMAGES, facts["image_size"]
    if path.exists():
        return
    need = total * side * side * facts["channels"]
    if shutil.disk_usage(folder).free < need + SPARE_BYTES:
        raise OSError(errno.ENOSPC, f"{need / 1e9:.1f} GB are needed for {total:,} images")
    scratch = path.with_suffix(".new")
    np.lib.format.open_memmap(scratch, "w+", np.uint8, (total, side, side, facts["channels"]))
    if hasattr(os, "posix_fallocate"):
        with scratch.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, scratch.stat().st_size)
    scratch.rename(path)


def _publish(folder: Path, place: Path) -> None:
    """Make the set visible, whole."""
    for name in (IMAGES, INDEX):
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
