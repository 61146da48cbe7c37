"""A person's collection: images that are added class by class, kept in the studio home until they have been imported.

In: a studio home, a person, and images with the name of their class. Out: a folder to import (`Collection.source`), in
`data/collections/<digest of the person>/`. It stays when an import fails, when the page is loaded again and when the server is started
again. No name from outside is used as a path, except the name of a class, which is checked, and the safe characters of a file's name
behind a number.
"""

import hashlib
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cnn_core.data.archive import is_printable, show_name
from cnn_core.data.image_files import find_other_format
from cnn_core.data.layout import normalise_name
from cnn_core.data.owners import write_owner
from cnn_core.data.system_files import is_system_file
from cnn_core.errors import DataError
from cnn_core.home import Home

MAX_LETTERS = 60
FORBIDDEN = re.compile(r'[/\\:*?"<>|\0]|^[. ]|[. ]$')  # on one of the systems
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names that Windows keeps for devices
NOT_A_CLASS = (
    f'“{{name}}” cannot be the name of a class. Use up to {MAX_LETTERS} letters, digits and spaces, without / \\ : * ? " < > |, and with neither '
    "a space nor a full stop at the beginning or end."
)
NO_SUCH_CLASS = "There is no class “{name}” in the collection. Reload the page."
NOT_WRITTEN = (
    "The collected images cannot be changed ({reason}). Check free space and permissions. The images added before are kept."
)
UNSAFE, MAX_NAME = (
    re.compile(r"[^\w .-]"),
    60,
)  # characters of a file's name that are replaced; how many of the last ones are kept
LEAST_LETTERS = 3  # of names that are compared letter by letter


class Collection:
    """The images that `owner` ("" where nobody signs in) collects; nothing is created before the first image is added."""

    def __init__(self, home: Home, owner: str = "") -> None:
        self._owner = owner
        self.folder = home.data / "collections" / hashlib.sha256(owner.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.source = self.folder / "collection"

    def counts(self) -> dict[str, int]:
        """Count the image files of every class, in alphabetical order."""
        return {
            name: sum(find_other_format(self.source / name, file, None) is None for file in self.files(name))
            for name in self._names()
        }

    def files(self, class_name: str) -> list[str]:
        """Return the names of the files of a class, in the order in which they were added."""
        folder = self._folder_of(class_name)
        return sorted(entry.name for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else []

    def path(self, class_name: str, file: str) -> Path:
        """Return the path of one file of a class. Raises DataError when there is none."""
        path = self._folder_of(class_name) / file
        if Path(file).name != file or not path.is_file():
            raise DataError(NO_SUCH_CLASS.format(name=show_name(class_name)))
        return path

    def add(self, class_name: str, files: Iterable[tuple[str, bytes]]) -> None:
        """Add files (name, content) to a class. Raises DataError when the name cannot be that of a class, or the disk is full."""
        folder = self._folder_of(class_name)
        with _writing():
            folder.mkdir(parents=True, exist_ok=True)
            write_owner(self.folder, self._owner)
            number = self._next_number(class_name)
            for name, content in files:
                number = _save(folder, number, f"{UNSAFE.sub('_', name)[-MAX_NAME:]}", content) + 1

    def remove(self, class_name: str, files: Iterable[str]) -> int:
        """Remove files of a class, and the class with its last one; return their number. Names of other files are ignored."""
        known = set(self.files(class_name))
        chosen = [file for file in files if file in known]
        with _writing():
            for file in chosen:
                (self._folder_of(class_name) / file).unlink(missing_ok=True)
            if len(chosen) == len(known):
                self.remove_class(class_name)
        return len(chosen)

    def remove_class(self, class_name: str) -> None:
        """Remove a class with its images."""
        with _writing():
            if (folder := self._folder_of(class_name)).is_dir():
                shutil.rmtree(folder)

    def rename(self, class_name: str, new: str) -> None:
        """Rename a class. The images join those of a class that is called `new` already. Raises DataError."""
        old, target = self._folder_of(class_name), self._folder_of(new)
        if not old.is_dir():
            raise DataError(NO_SUCH_CLASS.format(name=show_name(class_name)))
        with _writing():
            if not target.exists() or target.samefile(old):
                old.rename(target)
                return
            number = self._next_number(new)
            for file in self.files(class_name):
                (old / file).rename(target / f"{number:05} {file.partition(' ')[2]}")
                number += 1
            shutil.rmtree(old)

    def clear(self) -> None:
        """Remove all collected images."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _names(self) -> list[str]:
        return sorted(entry.name for entry in self.source.iterdir() if entry.is_dir()) if self.source.is_dir() else []

    def _folder_of(self, class_name: str) -> Path:
        return self.source / checked_class_name(class_name)

    def _next_number(self, class_name: str) -> int:
        numbers = [int(file.partition(" ")[0]) for file in self.files(class_name) if file.partition(" ")[0].isdecimal()]
        return max(numbers, default=-1) + 1


def checked_class_name(name: str) -> str:
    """Return the name of a class in one Unicode form (NFC). Raises DataError where it cannot be the name of a folder on every system."""
    normal = normalise_name(name)
    is_long = len(normal) > MAX_LETTERS or len(normal.encode("utf-8", "replace")) > 4 * MAX_LETTERS
    if (
        not normal
        or is_long
        or not is_printable(normal)
        or FORBIDDEN.search(normal)
        or DEVICES.fullmatch(normal)
        or is_system_file(normal)
    ):
        raise DataError(NOT_A_CLASS.format(name=show_name(name)))
    return normal


def find_same_class(name: str, known: Iterable[str]) -> str | None:
    """Return a class whose name differs from `name` only in capitals and spaces, so that both cannot be in one data set; None without one."""
    return next((other for other in known if other != normalise_name(name) and _fold(other) == _fold(name)), None)


def find_similar_class(name: str, known: Iterable[str]) -> str | None:
    """Return a class whose name differs from `name` only in accents, punctuation or one letter, perhaps by mistake; None without one.

    Names that differ in a digit are different on purpose, as are names of one or two letters.
    """
    name, known = normalise_name(name), list(known)
    if name in known:
        return None
    return next((other for other in known if _are_similar(_bare(name), _bare(other))), None)


def _fold(name: str) -> str:
    return "".join(normalise_name(name).casefold().split())


def _bare(name: str) -> str:
    """Return the letters and digits of a name, lower-case and without accents."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def _are_similar(one: str, other: str) -> bool:
    """Whether two names are equal, or one becomes the other when one letter is added, removed, replaced, or changes places with the next."""
    if one == other:
        return bool(one)
    if min(len(one), len(other)) < LEAST_LETTERS or _digits(one) != _digits(other):
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    left, right = one[start:], other[start:]
    is_swap = len(left) > 1 and left[:2] == right[1::-1] and left[2:] == right[2:]
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or is_swap


def _digits(name: str) -> str:
    return "".join(letter for letter in name if letter.isdecimal())


def _save(folder: Path, number: int, name: str, content: bytes) -> int:
    """Write a new file behind the first free number, and return the number. An incomplete file is removed."""
    while True:
        path = folder / f"{number:05} {name}"
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:  # another page adds images at this moment
            number += 1
        except OSError:
            path.unlink(missing_ok=True)
            raise
        else:
            return number


@contextmanager
def _writing() -> Iterator[None]:
    """Change the collection in the block. Raises DataError where the disk is full or may not be written."""
    try:
        yield
    except OSError as error:
        raise DataError(NOT_WRITTEN.format(reason=error.strerror or error)) from None
