"""The files of an import: every file of a folder or a zip with its class and split, before any is opened.

In: the path of a folder or a zip archive. Out: a Listing: the classes, one ListedFile per image, and a SkippedFile for each skipped file.
Classes and splits are folders (see `data.layout`). In a folder, links are followed to the files and folders that they point to, except to
a folder in which they are themselves. Links in a zip are skipped.
"""

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from cnn_core.data.archive import (
    NESTED_ARCHIVE,
    UNPRINTABLE,
    Member,
    SkippedFile,
    is_other_archive,
    is_printable,
    list_members,
    show_name,
)
from cnn_core.data.decoder import CANNOT_OPEN
from cnn_core.data.image_files import find_other_format
from cnn_core.data.layout import NO_CLASS, Layout, classes_only, find_layout, name_folders
from cnn_core.data.source import SPLITS, Split
from cnn_core.data.system_files import is_system_file
from cnn_core.errors import DataError

NO_IMAGE = "it is not a JPEG, PNG, WebP, BMP or GIF file"
EMPTY_FOLDER = "the folder is empty"
BROKEN_LINK = "it is a link to a file or folder that does not exist: copy the original file or folder to this place"
LINK_LOOP = "it is a link to a folder in which it is itself"
NOT_A_FILE = "it is neither a file nor a folder"
MAX_LINKS = 10_000  # links to folders that are followed: links to each other's folders multiply
TOO_MANY_LINKS = f"more than {MAX_LINKS:,} links to folders were followed before it"
NOT_A_SOURCE = "is neither a folder nor a zip archive on this machine. Check the path."
ONE_CLASS = "only one class folder with images (“{name}”)"
NO_CLASSES = "no class folders with images"
NO_DATA_SET = "{where} has {present}. A data set needs at least two folders, one per class, each with images in it."
FOLDER_ABOVE = "There are images directly in {where}: if it is the folder of one class, choose the folder above it."
UNLABELLED = (
    "has images in {folders} without class folders, so their classes are unknown. Put the images of each class into a folder of their own, "
    "as in train/cat and train/dog."
)
LABELS_IN_A_TABLE = "Labels in a table (“{table}”) are not read; docs/data.md shows how to make the folders from it."
TABLE = re.compile(
    r"(?i).*(label|train|test|annot|class|meta|target|split|truth|info|index|list|data)[^/]*\.(csv|tsv|jsonl?|txt|xlsx?|parquet)"
)


class FoundFile(NamedTuple):
    """One image file: path below the source, with slashes; size in bytes; member of an archive; of a file in a folder what changes with it:
    the times of the last change of its content and of its inode, nanoseconds, and the number of its inode."""

    path: str
    size: int
    member: Member | None = None
    changed: tuple[int, int, int] = (0, 0, 0)


PlacedFile = tuple[Split | None, str, FoundFile]  # split, class, file


class ListedFile(NamedTuple):
    """One image file: path below the source, class as a number, split (None: to be drawn), size in bytes, member of an archive."""

    path: str
    label: int
    split: Split | None
    size: int
    member: Member | None = None


@dataclass(frozen=True)
class Listing:
    """Classes in alphabetical order; files in the order of split, class and name. `warnings`: sentences on folders that may be meant otherwise.

    `changed`: a digest of inodes and times of the last change of the files of a folder, "" for a zip, whose members have checksums.
    """

    classes: tuple[str, ...]
    files: list[ListedFile]
    skipped: list[SkippedFile]
    warnings: tuple[str, ...] = ()
    changed: str = ""

    @cached_property
    def signature(self) -> str:
        """A digest of all names, sizes, classes and splits, of a zip's checksums too. Stored with a data set: it must stay what it is."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(repr(tuple(file)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    @property
    def has_splits(self) -> bool:
        """Whether the source has test images of its own."""
        return any(file.split == "test" for file in self.files)

    @property
    def has_validation_only(self) -> bool:
        """Whether the source has validation images and no test images."""
        return not self.has_splits and any(file.split == "val" for file in self.files)

    def with_validation_as_test(self) -> "Listing":
        """Return the listing with its validation images as test images. The order of the files stays."""
        return replace(self, files=[file._replace(split="test") if file.split == "val" else file for file in self.files])


def list_source(source: Path, *, is_by_class: bool = False) -> Listing:
    """List the images of a folder or a zip. Raises DataError when it cannot be read or does not hold classes of images.

    is_by_class: every folder directly in `source` is a class, whatever it is called.
    """
    images: list[FoundFile] = []
    skipped: list[SkippedFile] = []
    for file in find_images(source):
        if isinstance(file, SkippedFile):
            skipped.append(file)
        else:
            images.append(file)
    layout = (classes_only if is_by_class else find_layout)([file.path for file in images])
    return _arrange(images, skipped, source, layout)


def find_images(source: Path) -> Iterator[FoundFile | SkippedFile]:
    """Yield every image file of a folder or a zip, in no order, and the skipped files. Raises DataError when it cannot be read."""
    try:
        is_folder, is_file = source.is_dir(), source.is_file()
    except (OSError, ValueError):
        is_folder = is_file = False
    if not (is_folder or is_file):
        raise DataError(f"{show_name(str(source))} {NOT_A_SOURCE}")
    for file in _walk(source) if is_folder else _members(source):
        if isinstance(file, SkippedFile):
            yield file
        elif file.path.lower().endswith(".zip") or is_other_archive(file.path):
            yield SkippedFile(show_name(file.path), NESTED_ARCHIVE)
        else:
            other = find_other_format(source, file.path, file.member)
            yield file if other is None else SkippedFile(show_name(file.path), other or NO_IMAGE)


def _arrange(images: list[FoundFile], skipped: list[SkippedFile], source: Path, layout: Layout) -> Listing:
    """Return the images with the classes and splits of `layout`."""
    if layout.unlabelled:
        sentence = UNLABELLED.format(folders=name_folders([show_name(name) for name in layout.unlabelled]))
        raise DataError(f"{show_name(source.name)} {sentence}{_explain_table(skipped)}")
    placed: list[PlacedFile] = []
    for file, place in zip(images, layout.places, strict=True):
        if isinstance(place, str):
            skipped.append(SkippedFile(show_name(file.path), place))
        elif not is_printable(file.path) and is_printable(place.name):
            skipped.append(SkippedFile(show_name(file.path), UNPRINTABLE))
        else:
            placed.append((*place, file))
    classes = _check_classes(placed, skipped, source)
    label = {name: number for number, name in enumerate(classes)}
    order = {None: 0} | {split: number for number, split in enumerate(SPLITS)}
    placed.sort(key=lambda one: (order[one[0]], label[one[1]], one[2].path))
    files = [ListedFile(file.path, label[name], split, file.size, file.member) for split, name, file in placed]
    changed = hashlib.sha256(repr([file.changed for *_, file in placed]).encode()).hexdigest() if source.is_dir() else ""
    return Listing(classes, files, skipped, layout.warnings, changed)


def _explain_table(skipped: Sequence[SkippedFile]) -> str:
    """Return a sentence on the table of labels among the skipped files, if there is one."""
    table = next((file.path for file in skipped if file.reason == NO_IMAGE and TABLE.fullmatch(file.path)), None)
    return f" {LABELS_IN_A_TABLE.format(table=table)}" if table else ""


def _check_classes(placed: Sequence[PlacedFile], skipped: Sequence[SkippedFile], source: Path) -> tuple[str, ...]:
    """Return the classes in alphabetical order. Raises DataError where they cannot be the classes of a data set."""
    counts = Counter(name for split, name, *_ in placed if split in (None, "train"))
    where = show_name(source.name)
    for split in ("val", "test"):
        if unknown := sorted({name for other, name, *_ in placed if other == split} - counts.keys()):
            raise DataError(
                f"{where} has {split} images of a class “{show_name(unknown[0])}” that has no training images. Rename or remove that folder."
            )
    if len(counts) < 2:
        present = ONE_CLASS.format(name=show_name(*counts)) if counts else NO_CLASSES
        sentence = NO_DATA_SET.format(where=where, present=present)
        raise DataError(f"{sentence}{_explain_skipped(where, skipped)}{_explain_table(skipped)}")
    for name in counts:
        if show_name(name) != name:
            raise DataError(f"{where} has a class folder whose name cannot be shown (“{show_name(name)}”). Rename that folder.")
    spellings: dict[str, str] = {}
    for name in sorted(counts):
        other = spellings.setdefault(name.lower(), name)
        if other != name:
            raise DataError(
                f"{where} has classes “{other}” and “{name}”, which differ in capital letters only. Rename one, or put their images into one folder."
            )
    return tuple(sorted(counts))


def _explain_skipped(where: str, skipped: Sequence[SkippedFile]) -> str:
    """Return a sentence on why there are no classes: the folder of one class was chosen, else the first of the skipped files with its reason."""
    archives = [file for file in skipped if file.reason == NESTED_ARCHIVE]
    if not archives and any(file.reason == NO_CLASS for file in skipped):
        return f" {FOLDER_ABOVE.format(where=where)}"
    return "".join(f" Skipped: {file.path}: {file.reason}." for file in (archives or skipped)[:1])


def _walk(folder: Path) -> Iterator[FoundFile | SkippedFile]:
    """Yield every file below `folder`, through links too; an empty folder, a broken link and a loop as SkippedFile."""
    below: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]  # path, and (device, inode) of the folders above
    links = 0
    while below:
        parent, above = below.pop()
        is_empty = True
        try:
            facts = os.stat(folder / parent)
            above |= {(facts.st_dev, facts.st_ino)}
            with os.scandir(folder / parent) as entries:
                for entry in entries:
                    is_empty = False
                    if is_system_file(entry.name):
                        continue
                    path = f"{parent}/{entry.name}" if parent else entry.name
                    try:
                        facts = entry.stat()  # of what a link points to
                    except OSError as error:
                        reason = BROKEN_LINK if entry.is_symlink() else f"it cannot be opened ({error.strerror})"
                        yield SkippedFile(show_name(path), reason)
                        continue
                    if stat.S_ISREG(facts.st_mode):
                        yield FoundFile(path, facts.st_size, changed=(facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino))
                    elif not stat.S_ISDIR(facts.st_mode):
                        yield SkippedFile(show_name(path), NOT_A_FILE)
                    elif entry.is_symlink() and (facts.st_dev, facts.st_ino) in above:
                        yield SkippedFile(show_name(path), LINK_LOOP)
                    elif entry.is_symlink() and links >= MAX_LINKS:
                        yield SkippedFile(show_name(path), TOO_MANY_LINKS)
                    else:
                        links += entry.is_symlink()
                        below.append((path, above))
        except OSError as error:
            if not parent:
                raise DataError(f"{folder} {CANNOT_OPEN.format(reason=error.strerror)}") from None
            yield SkippedFile(show_name(parent), f"the folder cannot be opened ({error.strerror})")
        else:
            if is_empty and parent:
                yield SkippedFile(show_name(parent), EMPTY_FOLDER)


def _members(archive: Path) -> Iterator[FoundFile | SkippedFile]:
    for member in list_members(archive):
        yield member if isinstance(member, SkippedFile) else FoundFile(member.path, member.size, member)
