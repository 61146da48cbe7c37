"""Untrusted zip archives: listed and read without writing a file by a name from the archive.

In: the path of a zip. Out: its members with the offset of their bytes, and the bytes of one member. Python's zipfile reads the directory;
this module checks what zipfile does not: the size of that directory before it is read, members that share bytes (42 kB that unpack to
gigabytes; D. Fifield, A better zip bomb, 2019), false sizes, methods and names.
"""

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cnn_core.data.decoder import CANNOT_OPEN, MAX_BYTES, TOO_LARGE
from cnn_core.data.system_files import is_in_system_folder
from cnn_core.data.zip_names import decode_names
from cnn_core.errors import DataError, ImageError

MAX_MEMBERS = 100_000
MAX_DIRECTORY = 64 * 2**20  # bytes
MAX_NAME = 255  # bytes, of one folder or file, the limit of file systems
END, END_SIZE, MAX_COMMENT = b"PK\x05\x06", 22, 2**16
ZIP64_END, ZIP64_END_SIZE = b"PK\x06\x06", 56  # end record of an archive with 64-bit sizes
ZIP64_LOCATOR, ZIP64_LOCATOR_SIZE = b"PK\x06\x07", 20  # between that record and the usual end record
HEADER, HEADER_SIZE = b"PK\x01\x02", 46  # of a member, in the directory
LOCAL, LOCAL_SIZE = b"PK\x03\x04", 30  # of a member, before its bytes
OTHER_ARCHIVES = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")  # by the end of the name,
OTHER_HEADERS = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
)  # or by the first bytes,
TAR_MARK, TAR_MARK_AT = b"ustar", 257  # or by this mark
DRIVE_SEPARATOR, LINK, FILE_TYPE = ":", 0o120000, 0o170000
ENCRYPTED = 0x1
ALLOWED_MARKS = "\u200c\u200d"  # zero-width joiner and non-joiner, used in Persian and in emoji
ABSOLUTE = "its name is an absolute path"
BACKSLASHES = "its name has backslashes: rename the file, or pack its folder again with another program"
OTHER_ARCHIVE = "is an archive, but not a zip archive. Unpack it, then give the unpacked folder."
NESTED_ARCHIVE = "it is an archive: unpack it, then give the unpacked folder"
NOT_AN_ARCHIVE = "is not a zip archive, or is incomplete. Create or copy it again."
TOO_MANY_MEMBERS = (
    f"has more than {MAX_MEMBERS:,} members. Unpack it on the machine that runs the studio and import that folder by its path."
)
TOO_LONG = f"its name is longer than {MAX_NAME} bytes"
LINK_MEMBER = "it is a link: pack the file itself"
UNSUPPORTED = "its compression method is not supported (only stored and deflated members are read)"
OVERLAPS = "it shares its bytes with another file"
OUTSIDE = "its name leads out of the archive"
ENCRYPTED_MEMBER = "it is encrypted"
WRONG_SIZE = "does not have the size that the archive states, or is damaged. Create the archive again."
UNPRINTABLE = "its name has control characters or marks that change the direction of writing"


class Member(NamedTuple):
    """One file in an archive: offset of its header, size of its packed bytes, compression method, checksum."""

    path: str
    size: int
    offset: int
    packed: int
    method: int
    crc: int


@dataclass(frozen=True)
class SkippedFile:
    """One file that is not imported, with the reason."""

    path: str
    reason: str

    @property
    def explanation(self) -> str:
        """The reason as it follows the name and a colon: "it is empty." A reason of the decoder begins with the name instead of "it"."""
        name = f"{self.path} "
        about = f"it {self.reason.removeprefix(name)}" if self.reason.startswith(name) else self.reason
        return f"{about.rstrip('.')}."


def list_members(archive: Path) -> Iterator[Member | SkippedFile]:
    """Yield every file in the archive, in its order, unsafe ones as SkippedFile, those of the system not at all.

    Paths have slashes and are in NFC (see `zip_names`). Raises DataError when the archive cannot be read.
    """
    _check_directory(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError, RecursionError):
        raise DataError(f"{archive.name} is not a readable zip archive, or is damaged. Create it again.") from None
    sharing = _find_overlaps(infos)
    for info, path in zip(infos, decode_names(infos), strict=True):
        if path.endswith("/") or ("\\" not in path and is_in_system_folder(path)):
            continue
        if reason := _find_problem(info, path) or (OVERLAPS if info.header_offset in sharing else None):
            yield SkippedFile(show_name(path), reason)
        else:
            clean = "/".join(part for part in path.split("/") if part not in ("", "."))  # "./cats/1.png" is "cats/1.png"
            yield Member(clean, info.file_size, info.header_offset, info.compress_size, info.compress_type, info.CRC)


def read_member(archive: BinaryIO, member: Member) -> bytes:
    """Read a member, at most MAX_BYTES of it. Raises ImageError when size or checksum are wrong."""
    name = show_name(member.path)
    if not seek_member(archive, member):
        raise ImageError(f"{name} is not where the archive says. Create the archive again.")
    data = archive.read(min(member.packed, MAX_BYTES + 1))
    if member.method == zipfile.ZIP_DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, min(member.size, MAX_BYTES) + 1)
        except zlib.error:
            raise ImageError(f"{name} is damaged inside the archive. Create the archive again.") from None
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} {TOO_LARGE}")
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise ImageError(f"{name} {WRONG_SIZE}")
    return data


def seek_member(archive: BinaryIO, member: Member) -> bool:
    """Move to the first packed byte of a member. Returns False where there is no member at its offset."""
    archive.seek(member.offset)
    header = archive.read(LOCAL_SIZE)
    if len(header) < LOCAL_SIZE or header[:4] != LOCAL:
        return False
    archive.seek(sum(struct.unpack("<26xHH", header)), 1)  # behind its name and its extra fields
    return True


def show_name(name: str) -> str:
    """Return a name for display: shortened, with question marks for what does not print or changes the direction of writing."""
    text = name if is_printable(name) else "".join("?" if _is_unprintable(letter) else letter for letter in name)
    return text if len(text) <= 120 else f"{text[:80]}…{text[-30:]}"


def check_name(path: str) -> str | None:
    """Return why a member's path is unsafe, or None. No file is written by these names, but they would mislead a reader."""
    if "\\" in path:
        return BACKSLASHES
    if path.startswith("/") or DRIVE_SEPARATOR in path.partition("/")[0]:
        return ABSOLUTE
    parts = path.split("/")
    if ".." in parts:
        return OUTSIDE
    if len(path) * 4 > MAX_NAME and any(len(part.encode("utf-8", "replace")) > MAX_NAME for part in parts):
        return TOO_LONG
    if not is_printable(path):
        return UNPRINTABLE
    return None


def _find_problem(info: zipfile.ZipInfo, path: str) -> str | None:
    """Return why a member, by its decoded path, is skipped, or None."""
    if info.flag_bits & ENCRYPTED:
        return ENCRYPTED_MEMBER
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return UNSUPPORTED
    if (info.external_attr >> 16) & FILE_TYPE == LINK:
        return LINK_MEMBER
    if info.header_offset < 0:
        return "it is not where the archive says"
    if info.file_size > MAX_BYTES:
        return f"it is larger than {MAX_BYTES // 2**20} MB"
    return check_name(path)


def is_printable(name: str) -> bool:
    """Whether a name can be shown as it is: no control characters, no marks that change the direction of writing, no broken bytes."""
    return name.isprintable() or not any(_is_unprintable(letter) for letter in name)  # the first test is fast and stricter


def _is_unprintable(letter: str) -> bool:
    return letter not in ALLOWED_MARKS and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def is_other_archive(name: str, content: bytes = b"") -> bool:
    """Whether a file, by its name or the beginning of its content, is an archive that is not a zip."""
    return name.lower().endswith(OTHER_ARCHIVES) or content.startswith(OTHER_HEADERS) or content[TAR_MARK_AT:] == TAR_MARK


def _find_overlaps(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Return the header offsets of members whose bytes overlap with those of another member."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    overlaps: set[int] = set()
    end, last = 0, -1
    for info in ordered:
        if info.header_offset < end:
            overlaps |= {info.header_offset, last}
        if (own_end := info.header_offset + LOCAL_SIZE + len(info.orig_filename) + info.compress_size) > end:
            end, last = own_end, info.header_offset
    return overlaps


def _check_directory(archive: Path) -> None:
    """Raise DataError for an archive whose directory would take too long or too much memory to read, before it is read."""
    try:
        with archive.open("rb") as file:
            is_other = is_other_archive("", file.read(TAR_MARK_AT + len(TAR_MARK)))
            length = file.seek(0, 2)
            begin = file.seek(max(0, length - END_SIZE - MAX_COMMENT - ZIP64_END_SIZE - ZIP64_LOCATOR_SIZE))
            tail = file.read()
            at = tail.rfind(END)
            if is_other or at < 0 or len(tail) - at < END_SIZE:
                is_other = is_other or is_other_archive(archive.name)
                raise DataError(f"{show_name(archive.name)} {OTHER_ARCHIVE if is_other else NOT_AN_ARCHIVE}")
            size = struct.unpack("<12xI6x", tail[at : at + END_SIZE])[0]
            zip64 = (
                at - ZIP64_LOCATOR_SIZE - ZIP64_END_SIZE
            )  # where zipfile expects it: at another place it would be another directory
            if zip64 >= 0 and tail.startswith(ZIP64_END, zip64) and tail.startswith(ZIP64_LOCATOR, at - ZIP64_LOCATOR_SIZE):
                at, size = zip64, struct.unpack_from("<40xQ", tail, zip64)[0]
            file.seek(max(0, begin + at - size))
            is_too_large = size > MAX_DIRECTORY or _count_headers(file.read(size)) > MAX_MEMBERS
    except OSError as error:
        raise DataError(f"{archive} {CANNOT_OPEN.format(reason=error.strerror)}") from None
    if is_too_large:
        raise DataError(f"{archive.name} {TOO_MANY_MEMBERS}")


def _count_headers(directory: bytes) -> int:
    """Count the members of a directory, up to MAX_MEMBERS + 1. The number in its end record may be wrong."""
    count = at = 0
    while directory[at : at + 4] == HEADER and len(directory) - at >= HEADER_SIZE and count <= MAX_MEMBERS:
        at += HEADER_SIZE + sum(struct.unpack_from("<3H", directory, at + 28))
        count += 1
    return count
