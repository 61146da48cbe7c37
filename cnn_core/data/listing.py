"""The files of an import: every file of a folder or a zip with its class and split, before any is opened.

In: the path of a folder or a zip archive. Out: a Listing: the classes, one ListedFile per image, and a SkippedFile for each skipped file.
A class is a folder; `train`, `val` and `test` folders may contain the class folders, and a single folder around everything is ignored.
Links are not followed.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from cnn_core.data.archive import UNPRINTABLE, Member, SkippedFile, is_printable, list_members, show_name
from cnn_core.data.decoder import CANNOT_OPEN
from cnn_core.data.image_files import find_other_format
from cnn_core.data.source import SPLITS, Split
from cnn_core.errors import DataError

SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test",
}  # fmt: skip
IGNORED = frozenset(("__MACOSX", "Thumbs.db", "desktop.ini"))
NO_IMAGE = "it is not a JPEG, PNG, WebP, BMP or GIF file"
EMPTY_FOLDER = "the folder is empty"
NO_SPLIT = "it is not in one of the folders train, val and test"
NO_CLASS = "it is beside the class folders, not in one"
NOT_A_SOURCE = "is neither a folder nor a zip archive on this machine. Check the path."
ONE_CLASS = "only one class folder with images (“{name}”)"
NO_CLASSES = "no class folders with images"
FoundFile = tuple[str, int, Member | None]  # path below the source, size in bytes, member of an archive
PlacedFile = tuple[Split | None, str, str, int, Member | None]  # split, class, path, size in bytes, member of an archive


class ListedFile(NamedTuple):
    """One image file: path below the source, class as a number, split (None: to be drawn), size in bytes, member of an archive."""

    path: str
    label: int
    split: Split | None
    size: int
    member: Member | None = None


@dataclass(frozen=True)
class Listing:
    """Classes in alphabetical order; files in the order of split, class and name."""

    classes: tuple[str, ...]
    files: list[ListedFile]
    skipped: list[SkippedFile]

    @cached_property
    def signature(self) -> str:
        """A digest of all names, sizes, classes and splits: it changes when the files change."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(repr(tuple(file)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    @property
    def has_splits(self) -> bool:
        """Whether the source has test images of its own."""
        return any(file.split == "test" for file in self.files)


def list_source(source: Path) -> Listing:
    """List the images of a folder or a zip. Raises DataError when it cannot be read or does not hold classes of images."""
    images: list[FoundFile] = []
    skipped: list[SkippedFile] = []
    for file in find_images(source):
        if isinstance(file, SkippedFile):
            skipped.append(file)
        else:
            images.append(file)
    return _arrange(images, skipped, source)


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
        elif not any(map(_is_ignored, file[0].split("/"))):
            other = find_other_format(source, file[0], file[2])
            yield file if other is None else SkippedFile(show_name(file[0]), other or NO_IMAGE)


def _arrange(images: list[FoundFile], skipped: list[SkippedFile], source: Path) -> Listing:
    """Read classes and splits from the paths."""
    above = _common_folders([path for path, _, _ in images])
    tops = {path.split("/")[above].casefold() for path, _, _ in images if path.count("/") > above}
    has_splits = any(SPLIT_FOLDERS.get(top) == "train" for top in tops)
    placed: list[PlacedFile] = []
    for path, size, member in images:
        folders = path.split("/")[above:]
        split = SPLIT_FOLDERS.get(folders[0].casefold()) if has_splits else None
        if has_splits and split is None:
            skipped.append(SkippedFile(show_name(path), NO_SPLIT))
        elif len(folders) < (3 if has_splits else 2):
            skipped.append(SkippedFile(show_name(path), NO_CLASS))
        elif not is_printable(path) and is_printable(folders[1 if has_splits else 0]):
            skipped.append(SkippedFile(show_name(path), UNPRINTABLE))
        else:
            placed.append((split, folders[1 if has_splits else 0], path, size, member))
    classes = _check_classes(placed, skipped, source)
    label = {name: number for number, name in enumerate(classes)}
    order = {None: 0} | {split: number for number, split in enumerate(SPLITS)}
    placed.sort(key=lambda file: (order[file[0]], label[file[1]], file[2]))
    return Listing(
        classes, [ListedFile(path, label[name], split, size, member) for split, name, path, size, member in placed], skipped
    )


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
        example = f" Skipped: {skipped[0].path}: {skipped[0].reason}." if skipped else ""
        raise DataError(
            f"{where} has {present}. A data set needs at least two folders, one per class, each with images in it.{example}"
        )
    for name in counts:
        if show_name(name) != name:
            raise DataError(f"{where} has a class folder whose name cannot be shown (“{show_name(name)}”). Rename that folder.")
    spellings: dict[str, str] = {}
    for name in sorted(counts):
        other = spellings.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise DataError(
                f"{where} has classes “{other}” and “{name}”, which differ in capital letters only. Rename one, or put their images into one folder."
            )
    return tuple(sorted(counts))


def _common_folders(paths: Sequence[str]) -> int:
    """Count the folders that contain everything: `flowers/` around `flowers/rose/1.jpg` and `flowers/tulip/1.jpg` is one."""
    above = 0
    while paths:
        firsts = {path.split("/", above + 1)[above] for path in paths if path.count("/") > above}
        is_deep = all(path.count("/") >= above + 2 for path in paths)
        if len(firsts) != 1 or not is_deep or next(iter(firsts)).casefold() in SPLIT_FOLDERS:
            break
        above += 1
    return above


def _walk(folder: Path) -> Iterator[FoundFile | SkippedFile]:
    """Yield every regular file below `folder`: its path relative to `folder`, with slashes, and its size. An empty folder is yielded as a SkippedFile."""
    below = [""]
    while below:
        parent, is_empty = below.pop(), True
        try:
            with os.scandir(folder / parent) as entries:
                for entry in entries:
                    is_empty = False
                    path = f"{parent}/{entry.name}" if parent else entry.name
                    if _is_ignored(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(path)
                    elif entry.is_file(follow_symlinks=False):
                        yield path, entry.stat(follow_symlinks=False).st_size, None
        except OSError as error:
            if not parent:
                raise DataError(f"{folder} {CANNOT_OPEN.format(reason=error.strerror)}") from None
            yield SkippedFile(show_name(parent), f"the folder cannot be opened ({error.strerror})")
        else:
            if is_empty and parent:
                yield SkippedFile(show_name(parent), EMPTY_FOLDER)


def _is_ignored(name: str) -> bool:
    """Whether a file or folder was left by the operating system; such files are not reported."""
    return name.startswith(".") or name in IGNORED


def _members(archive: Path) -> Iterator[FoundFile | SkippedFile]:
    for member in list_members(archive):
        yield member if isinstance(member, SkippedFile) else (member.path, member.size, member)
