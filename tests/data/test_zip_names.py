"""Names of members as their writer saw them: with and without the UTF-8 mark, from many systems, with backslashes, in one Unicode form."""

import struct
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from cnn_core.data.archive import BACKSLASHES, OUTSIDE, Member, SkippedFile, list_members
from cnn_core.data.listing import list_source
from tests.data.imports import Entry, central, craft_zip, end, local

UNIX, FAT, NTFS = 3, 0, 10


@dataclass
class Made(Entry):
    """An entry of another system, with an extra field."""

    system: int = UNIX
    extra: bytes = b""


def zip_of(path: Path, entries: list[Made]) -> Path:
    body, directory = b"", b""
    for entry in entries:
        head = bytearray(central(entry, len(body)))
        head[5] = entry.system  # the upper byte of "version made by"
        head[30:32] = struct.pack("<H", len(entry.extra))
        directory += bytes(head) + entry.extra
        body += local(entry) + entry.raw()
    path.write_bytes(body + directory + end(len(entries), len(directory), len(body)))
    return path


def names(path: Path) -> list[str]:
    return [member.path for member in list_members(path)]


def written(tmp_path: Path, folders: list[str], encoding: str, system: int = FAT) -> list[str]:
    entries = [Made(f"pics/{name}/1.png".encode(encoding), b"x", system=system) for name in folders]
    return [path.split("/")[1] for path in names(zip_of(tmp_path / "set.zip", entries))]


def unicode_path(name: str, raw: bytes) -> bytes:
    """The Info-ZIP Unicode path field of `name` for an entry whose name is `raw`."""
    data = struct.pack("<BI", 1, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x7075, len(data)) + data


@pytest.mark.parametrize(
    ("encoding", "folders"),
    [
        ("utf-8", ["Äpfel", "Möhren"]),
        ("utf-8", ["りんご", "собака"]),
        ("cp932", ["りんご", "みかん"]),
        ("cp932", ["犬", "猫"]),
        ("cp932", ["トマト", "ネコ"]),
        ("cp932", ["表", "ソース"]),  # with the byte of a backslash
        ("cp437", ["Äpfel", "Möhren"]),
        ("cp437", ["café", "thé", "plain"]),
        ("cp437", ["Müll", "Straße"]),
        ("cp850", ["maçã", "ação"]),
        ("cp850", ["Øl", "Ålesund"]),
        ("cp866", ["собака", "Кошка"]),
        ("gb2312", ["苹果", "香蕉"]),
        ("cp1252", ["café", "Größe"]),
    ],
)
def test_names_without_the_mark_are_read_in_the_encoding_that_fits_all_of_them(encoding: str, folders: list[str], tmp_path: Path):
    assert written(tmp_path, folders, encoding) == folders


def test_the_same_letters_in_two_unicode_forms_are_one_name(tmp_path: Path):
    forms = [unicodedata.normalize(form, "Äpfel") for form in ("NFC", "NFD")]
    assert written(tmp_path, forms, "utf-8", UNIX) == ["Äpfel", "Äpfel"]
    marked = [Made(f"{name}/1.png".encode(), b"x", flags=0x800) for name in (*forms, "thé")]
    assert list_source(zip_of(tmp_path / "marked.zip", marked)).classes == ("thé", forms[0])


def test_a_unicode_path_field_counts_if_its_checksum_fits_the_name(tmp_path: Path):
    raw = "├¤/1.png".encode("cp850")
    entries = [
        Made(raw, b"x", extra=struct.pack("<HHI", 0x5455, 4, 0) + unicode_path("猫/1.png", raw)),
        Made("é/1.png".encode("cp437"), b"x", extra=unicode_path("犬/1.png", b"another")),
        Made("é/2.png".encode("cp437"), b"x", extra=struct.pack("<HH", 0x7075, 3) + b"\1xx"),
    ]
    assert names(zip_of(tmp_path / "set.zip", entries)) == ["猫/1.png", "é/1.png", "é/2.png"]


@pytest.mark.parametrize("system", [FAT, NTFS, UNIX])
def test_backslashes_separate_folders_where_no_slash_does(system: int, tmp_path: Path):
    raw = [rb"pics\apple\1.png", rb"pics\pear\1.png", b"pics\\empty\\"]
    archive = zip_of(tmp_path / "set.zip", [Made(name, b"x" if name.endswith(b"g") else b"", system=system) for name in raw])
    assert names(archive) == ["pics/apple/1.png", "pics/pear/1.png"]
    assert list_source(archive).classes == ("apple", "pear")


@pytest.mark.parametrize("name", [rb"..\..\out.png", rb"a\..\..\out.png"])
def test_a_path_with_backslashes_that_leads_outside_is_skipped(name: bytes, tmp_path: Path):
    (skipped,) = list_members(zip_of(tmp_path / "set.zip", [Made(name, b"x", system=FAT)]))
    assert isinstance(skipped, SkippedFile) and skipped.reason == OUTSIDE


def test_beside_slashes_a_backslash_from_another_system_is_part_of_a_name(tmp_path: Path):
    entries = [Made(rb"a\1.png", b"x", system=FAT), Made(rb"a\2.png", b"x", system=UNIX), Made(b"a/3.png", b"x")]
    first, second, _ = list_members(zip_of(tmp_path / "set.zip", entries))
    assert isinstance(first, Member) and first.path == "a/1.png"
    assert isinstance(second, SkippedFile) and second.reason == BACKSLASHES


def test_paths_that_begin_with_a_full_stop_are_those_of_the_folder(tmp_path: Path):
    entries = [Entry(b"./cat/1.png", b"x"), Entry(b"cat//2.png", b"x"), Entry(b"./", b"", method=0)]
    assert names(craft_zip(tmp_path / "set.zip", entries)) == ["cat/1.png", "cat/2.png"]
