"""What an import will read: every file of a folder or a zip with its class and part, before any is opened.

In: the path of a folder or a zip archive. Out: a Listing: the classes, one File per image, and a Refused for each file that is set aside.
A class is a folder; `train`, `val` and `test` folders may stand above the class folders, and one folder around everything is
looked through. Links are not followed.
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
from cnn_core.data.decoder import SUFFIXES
from cnn_core.data.source import PARTS, Part
from cnn_core.errors import DataError

PART_FOLDERS: dict[str, Part] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test",
}  # fmt: skip
IGNORED = frozenset(("__MACOSX", "Thumbs.db", "desktop.ini"))
NO_IMAGE = "it is no JPEG, PNG, WebP, BMP or GIF file"
EMPTY_FOLDER = "the folder is empty"
Found = tuple[str, int, Member | None]  # path below the source, size in bytes, and, in an archive, where its bytes are


class ListedFile(NamedTuple):
    """One image file: its path below the source, its class as a number, its part (None: to be split), its size in bytes, and, of
    an archive's member, where its bytes are."""

    path: str
    label: int
    part: Part | None
    size: int
    member: Member | None = None


@dataclass(frozen=True)
class Listing:
    """Classes in the order of their names; files in the order of part, class and name."""

    classes: tuple[str, ...]
    files: list[ListedFile]
    refused: list[SkippedFile]

    @cached_property
    def signature(self) -> str:
        """Two listings with the same one name the same files, of the same sizes, at the same places."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(repr(tuple(file)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    @property
    def has_parts(self) -> bool:
        """Whether the source says itself which images are for testing."""
        return any(file.part == "test" for file in self.files)


def list_source(source: Path) -> Listing:
    """The images in a folder or a zip. Raises DataError when it cannot be read or does not hold classes of images."""
    found: list[Found] = []
    refused: list[SkippedFile] = []
    for one in find_images(source):
        if isinstance(one, SkippedFile):
            refused.append(one)
        else:
            found.append(one)
    return _arrange(found, refused, source)


def find_images(source: Path) -> Iterator[Found | SkippedFile]:
    """Every image file in a folder or a zip, in no order, and a Refused for what is set aside. Raises DataError when it cannot be read."""
    try:
        is_folder, is_file = source.is_dir(), source.is_file()
    except (OSError, ValueError):
        is_folder = is_file = False
    if not (is_folder or is_file):
        raise DataError(f"{show_name(str(source))} is neither a folder nor a zip archive on this machine. Check the path.")
    for one in _walk(source) if is_folder else _members(source):
        if isinstance(one, SkippedFile):
            yield one
        elif not any(map(_is_ignored, one[0].split("/"))):
            is_image = os.path.splitext(one[0].rpartition("/")[2])[1].lower() in SUFFIXES
            yield one if is_image else SkippedFile(show_name(one[0]), NO_IMAGE)


def _arrange(found: list[Found], refused: list[SkippedFile], source: Path) -> Listing:
    """Classes and parts, read off the paths."""
    above = _common_folders([path for path, _, _ in found])
    tops = {path.split("/")[above].casefold() for path, _, _ in found if path.count("/") > above}
    has_parts = any(PART_FOLDERS.get(top) == "train" for top in tops)
    placed: list[tuple[Part | None, str, str, int, Member | None]] = []
    for path, size, member in found:
        steps = path.split("/")[above:]
        part = PART_FOLDERS.get(steps[0].casefold()) if has_parts else None
        if has_parts and part is None:
            refused.append(SkippedFile(show_name(path), "it is in none of the folders train, val and test"))
        elif len(steps) < (3 if has_parts else 2):
            refused.append(SkippedFile(show_name(path), "it lies beside the class folders, not in one"))
        elif not is_printable(path) and is_printable(steps[1 if has_parts else 0]):
            refused.append(SkippedFile(show_name(path), UNPRINTABLE))
        else:
            placed.append((part, steps[1 if has_parts else 0], path, size, member))
    classes = _check_classes(placed, refused, source)
    label = {name: number for number, name in enumerate(classes)}
    order = {None: 0} | {part: number for number, part in enumerate(PARTS)}
    placed.sort(key=lambda file: (order[file[0]], label[file[1]], file[2]))
    return Listing(
        classes, [ListedFile(path, label[name], part, size, member) for part, name, path, size, member in placed], refused
    )


def _check_classes(
    placed: Sequence[tuple[Part | None, str, str, int, Member | None]], refused: Sequence[SkippedFile], source: Path
) -> tuple[str, ...]:
    """The classes' names in order. Raises DataError where they cannot be the classes of a data set."""
    counts = Counter(name for part, name, *_ in placed if part in (None, "train"))
    where = show_name(source.name)
    for part in ("val", "test"):
        if unknown := sorted({name for p, name, *_ in placed if p == part} - counts.keys()):
            raise DataError(
                f"{where} has {part} images of a class “{show_name(unknown[0])}” that has no training images. Rename or remove that folder."
            )
    if len(counts) < 2:
        found = (
            f"only one class folder with images (“{show_name(*counts)}”)" if counts else "no class folders with images in them"
        )
        example = f" Set aside: {refused[0].path}: {refused[0].reason}." if refused else ""
        raise DataError(
            f"{where} has {found}. A data set needs at least two folders, one per class, each with images in it.{example}"
        )
    for name in counts:
        if show_name(name) != name:
            raise DataError(f"{where} has a class folder whose name cannot be shown (“{show_name(name)}”). Rename that folder.")
    alike: dict[str, str] = {}
    for name in sorted(counts):
        other = alike.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise DataError(
                f"{where} has classes “{other}” and “{name}”, which differ in capital letters only. Rename one, or put their images together."
            )
    return tuple(sorted(counts))


def _common_folders(paths: Sequence[str]) -> int:
    """How many folders stand around everything and say nothing: `flowers/` around `flowers/rose/1.jpg` and `flowers/tulip/1.jpg`."""
    above = 0
    while paths:
        firsts = {path.split("/", above + 1)[above] for path in paths if path.count("/") > above}
        is_deep = all(path.count("/") >= above + 2 for path in paths)
        if len(firsts) != 1 or not is_deep or next(iter(firsts)).casefold() in PART_FOLDERS:
            break
        above += 1
    return above


def _walk(folder: Path) -> Iterator[Found | SkippedFile]:
    """Every regular file below `folder`: its path from there, with slashes, and its size. Empty folders are refused by name."""
    below = [""]
    while below:
        here, is_empty = below.pop(), True
        try:
            with os.scandir(folder / here) as entries:
                for entry in entries:
                    is_empty = False
                    path = f"{here}/{entry.name}" if here else entry.name
                    if _is_ignored(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(path)
                    elif entry.is_file(follow_symlinks=False):
                        yield path, entry.stat(follow_symlinks=False).st_size, None
        except OSError as error:
            if not here:
                raise DataError(f"{folder} cannot be opened ({error.strerror}). Check the path and its permissions.") from None
            yield SkippedFile(show_name(here), f"the folder cannot be opened ({error.strerror})")
        else:
            if is_empty and here:
                yield SkippedFile(show_name(here), EMPTY_FOLDER)


def _is_ignored(name: str) -> bool:
    """Whether a file or folder is what systems leave behind, which nobody need be told of."""
    return name.startswith(".") or name in IGNORED


def _members(archive: Path) -> Iterator[Found | SkippedFile]:
    for member in list_members(archive):
        yield member if isinstance(member, SkippedFile) else (member.path, member.size, member)
