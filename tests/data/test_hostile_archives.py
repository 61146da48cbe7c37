"""Zips that lie, lead elsewhere or unpack without end: refused or cleaned by name, in little time and memory, nothing written elsewhere."""

import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from cnn_core.data.archive import (
    ABSOLUTE,
    BACKSLASHES,
    ENCRYPTED_MEMBER,
    LINK_MEMBER,
    MAX_DIRECTORY,
    MAX_MEMBERS,
    NESTED_ARCHIVE,
    OUTSIDE,
    OVERLAPS,
    TOO_LONG,
    TOO_MANY_MEMBERS,
    UNPRINTABLE,
    UNSUPPORTED,
    show_name,
)
from cnn_core.data.decoder import MAX_BYTES
from cnn_core.data.listing import NO_CLASSES
from cnn_core.home import Home
from tests.data.imports import (
    Entry,
    central,
    craft_zip,
    encoded,
    end,
    good_entries,
    good_files,
    local,
    measured_import,
    noise,
    refused_import,
    run_import,
    skipped_files,
    write_zip,
)
from tests.helpers import is_a_sentence

CRC_OF_ZEROS = zlib.crc32(bytes(MAX_BYTES))
MEMBERS = 1_000_000
KERNEL = 20 * 2**20  # bytes


def image_bytes() -> bytes:
    return encoded(noise(77))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../cat/out.png", OUTSIDE),
        ("cat/../../../out.png", OUTSIDE),
        ("/tmp/cat/out.png", ABSOLUTE),
        ("//server/cat/out.png", ABSOLUTE),
        ("C:/cat/out.png", ABSOLUTE),
        ("C:out.png", ABSOLUTE),
        ("cat\\out.png", BACKSLASHES),
        ("..\\..\\cat\\out.png", BACKSLASHES),
        ("cat/\x1b[31mred.png", UNPRINTABLE),
        ("cat/line\nbreak.png", UNPRINTABLE),
        ("cat/\u202egnp.exe.png", UNPRINTABLE),
        ("cat/" + "n" * 300 + ".png", TOO_LONG),
        ("cat/" + "ü" * 150 + ".png", TOO_LONG),
    ],
)
def test_a_member_with_a_misleading_name_is_skipped_files_and_the_rest_imported(
    name: str, reason: str, home: Home, tmp_path: Path
):
    entries = [*good_entries(), Entry(name.encode(), image_bytes(), flags=0x800)]
    source = run_import(home, craft_zip(tmp_path / "set.zip", entries))
    problems = skipped_files(source)
    assert list(problems) == [show_name(name)] and problems[show_name(name)] == reason
    assert source.info.train_count + source.info.test_count == 6
    assert source.info.classes == ("cat", "dog")


def test_a_name_is_not_cut_at_a_zero_byte(home: Home, tmp_path: Path):
    entries = [*good_entries(), Entry(b"cat/a.png\0.exe", image_bytes())]
    problems = skipped_files(run_import(home, craft_zip(tmp_path / "set.zip", entries)))
    assert list(problems) == ["cat/a.png?.exe"] and problems["cat/a.png?.exe"] == UNPRINTABLE


def test_a_link_is_not_followed(home: Home, tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(image_bytes())
    entries = [*good_entries(), Entry(b"cat/link.png", str(tmp_path / "secret.png").encode(), mode=0o120777)]
    problems = skipped_files(run_import(home, craft_zip(tmp_path / "set.zip", entries)))
    assert problems == {"cat/link.png": LINK_MEMBER}


def test_classes_that_cannot_be_told_apart_are_refused(home: Home, tmp_path: Path):
    files = {f"{name}/{number}.png": encoded(noise(number)) for name in ("cat", "Cat") for number in range(3)}
    sentence = refused_import(home, write_zip(tmp_path / "set.zip", files))
    assert "“cat”" in sentence and "“Cat”" in sentence


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 99], ids=["bzip2", "LZMA", "unknown"])
def test_members_that_are_packed_in_unusual_ways_are_skipped_files(method: int, home: Home, tmp_path: Path):
    entries = [*good_entries(), Entry(b"cat/odd.png", image_bytes(), method=method)]
    problems = skipped_files(run_import(home, craft_zip(tmp_path / "set.zip", entries)))
    assert problems["cat/odd.png"] == UNSUPPORTED


def test_real_bzip2_and_lzma_archives_are_refused_with_the_reason(home: Home, tmp_path: Path):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in good_files().items():
                archive.writestr(name, content)
        assert UNSUPPORTED in refused_import(home, path)


def test_an_encrypted_member_is_skipped_files(home: Home, tmp_path: Path):
    entries = [*good_entries(), Entry(b"cat/secret.png", image_bytes(), flags=1)]
    problems = skipped_files(run_import(home, craft_zip(tmp_path / "set.zip", entries)))
    assert problems == {"cat/secret.png": ENCRYPTED_MEMBER}


def test_a_zip_in_a_zip_is_skipped_files_and_not_opened(home: Home, tmp_path: Path):
    inner = write_zip(tmp_path / "inner.zip", good_files()).read_bytes()
    source = run_import(home, write_zip(tmp_path / "set.zip", good_files() | {"cat/more.zip": inner, "cat/named.png": inner}))
    problems = skipped_files(source)
    assert problems["cat/more.zip"] == NESTED_ARCHIVE and is_a_sentence(problems["cat/named.png"])
    assert source.info.train_count + source.info.test_count == 6


@pytest.mark.parametrize(
    "lie",
    [
        {"size": 10},
        {"size": 10_000},
        {"packed": 5},
        {"crc": 1},
        {"size": 0xFFFFFFF0},
        {"offset": 1},
        {"offset": 0x7FFFFFF0},
        {"size": 0},
    ],
    ids=str,
)
def test_a_member_that_is_not_what_its_header_says_is_skipped_files(lie: dict[str, int], home: Home, tmp_path: Path):
    entries = [*good_entries(), Entry(b"cat/liar.png", image_bytes(), **lie)]
    source = run_import(home, craft_zip(tmp_path / "set.zip", entries))
    problems = skipped_files(source)
    assert "cat/liar.png" in problems and all(is_a_sentence(f"{path}: {why.rstrip('.')}.") for path, why in problems.items())
    assert source.info.train_count + source.info.test_count >= 5


def test_a_directory_that_moves_every_member_before_the_file_begins_is_refused(home: Home, tmp_path: Path):
    body = b"".join(local(entry) + entry.raw() for entry in good_entries())
    directory = b"".join(central(entry, 0) for entry in good_entries())
    (tmp_path / "set.zip").write_bytes(body + directory + end(6, len(directory), len(body) + 5000))
    assert "set.zip" in refused_import(home, tmp_path / "set.zip")


@pytest.mark.parametrize("keep", [0, 3, 21, 300])
def test_an_archive_that_is_cut_short_is_refused(keep: int, home: Home, tmp_path: Path):
    whole = write_zip(tmp_path / "set.zip", good_files())
    whole.write_bytes(whole.read_bytes()[:keep])
    assert "set.zip" in refused_import(home, whole)


def test_noise_and_text_called_zip_are_refused(home: Home, tmp_path: Path):
    for content in (b"hello " * 1000, b"PK\x05\x06" + bytes(18), b"PK\x05\x06" * 50, bytes(range(256)) * 100):
        (tmp_path / "set.zip").write_bytes(content)
        refused_import(home, tmp_path / "set.zip")


def test_archives_without_classes_are_refused(home: Home, tmp_path: Path):
    flat = {f"{number}.png": encoded(noise(number)) for number in range(4)}
    assert "flat.zip" in refused_import(home, write_zip(tmp_path / "flat.zip", flat))
    single = {f"cat/{name}": content for name, content in flat.items()}
    assert "“cat”" in refused_import(home, write_zip(tmp_path / "single.zip", single))
    assert "empty.zip" in refused_import(home, write_zip(tmp_path / "empty.zip", {}))


def overlapping(path: Path, count: int) -> Path:
    """After D. Fifield, A better zip bomb (2019): every member's deflated stream quotes the headers of all later ones in stored blocks, and
    all end in one kernel, so that each unpacks to the whole of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(bytes(KERNEL)) + packer.flush()
    entries, body = [], b""
    for number in reversed(range(count)):
        name = f"{'cat' if number % 2 else 'dog'}/{number}.png".encode()
        entries.append(Entry(name, b"", size=KERNEL, packed=len(data), crc=0))
        header = local(entries[-1])
        body = header + data
        data = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF) + body
    offset, listed = 0, b""
    for entry in reversed(entries):
        listed += central(entry, offset)
        offset += len(local(entry)) + 5  # of the stored block's own header
    path.write_bytes(body + listed + end(count, len(listed), len(body)))
    return path


def test_members_that_share_their_bytes_are_refused_before_they_are_unpacked(home: Home, tmp_path: Path):
    bomb = overlapping(tmp_path / "bomb.zip", 250)
    first = zlib.decompressobj(-15).decompress(bomb.read_bytes()[len(local(Entry(b"dog/0.png", b""))) :])
    assert len(first) > KERNEL and bomb.stat().st_size < 100_000
    assert OVERLAPS in measured_import(home, bomb).error


def test_members_at_one_place_are_refused_and_the_rest_imported(home: Home, tmp_path: Path):
    shared = [Entry(f"cat/again{number}.png".encode(), image_bytes(), offset=0) for number in range(5)]
    source = run_import(home, craft_zip(tmp_path / "set.zip", [*good_entries(), *shared]))
    assert {path for path, why in skipped_files(source).items() if why == OVERLAPS} == {
        "cat/0.png",
        *(f"cat/again{number}.png" for number in range(5)),
    }


@pytest.mark.parametrize("claimed", [None, 100])
def test_a_deflate_bomb_is_not_unpacked(claimed: int | None, home: Home, tmp_path: Path):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()

    class Bomb(Entry):
        def raw(self) -> bytes:
            return raw

    bombs = [Bomb(f"cat/bomb{number}.png".encode(), b"", size=claimed or 100 * 2**20) for number in range(10)]
    measured = measured_import(home, craft_zip(tmp_path / "set.zip", [*good_entries(), *bombs]))
    assert measured.error == ""


def test_many_members_of_the_largest_size_stay_within_the_memory(home: Home, tmp_path: Path):
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    raw = packer.compress(bytes(MAX_BYTES)) + packer.flush()

    class Large(Entry):
        def raw(self) -> bytes:
            return raw

    large = [Large(f"cat/large{number}.png".encode(), b"", size=MAX_BYTES, crc=CRC_OF_ZEROS) for number in range(3)]
    assert measured_import(home, craft_zip(tmp_path / "set.zip", [*good_entries(), *large])).error == ""


@pytest.fixture(scope="module")
def directory() -> bytes:
    """The directory of an archive with a million members."""
    head = ("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0)
    return b"".join(
        struct.pack(*head, 9, 0, 0, 0, 0, 0, 0) + (b"%d/%07d" % (number % 2, number))[:9] for number in range(MEMBERS)
    )


@pytest.mark.parametrize("claimed", [MEMBERS, 3, 0])
def test_a_million_members_are_refused_whatever_the_end_record_says(claimed: int, directory: bytes, home: Home, tmp_path: Path):
    (tmp_path / "many.zip").write_bytes(directory + end(claimed, len(directory), 0))
    assert TOO_MANY_MEMBERS in measured_import(home, tmp_path / "many.zip").error


def large_end(size: int, *, mark: int = 0) -> bytes:
    """The end records of an archive with sizes of 64 bits."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 3, 3, size, 0)
    return record + struct.pack("<4sLQL", b"PK\x06\x07", 0, mark, 1)


@pytest.mark.parametrize("hiding", ["plain", "decoy", "comment"])
def test_a_million_members_in_an_archive_of_64_bits_are_refused(hiding: str, directory: bytes, home: Home, tmp_path: Path):
    records = large_end(len(directory))
    if hiding == "decoy":  # a second, smaller record inside the first
        records = records[:8] + b"PK\x06\x06" + records[12:]
    comment = b"c" * 65_535 if hiding == "comment" else b""
    (tmp_path / "many.zip").write_bytes(directory + records + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, comment))
    assert TOO_MANY_MEMBERS in measured_import(home, tmp_path / "many.zip").error


def test_a_directory_that_claims_more_bytes_than_there_are_is_refused(home: Home, tmp_path: Path):
    for size in (10_000, MAX_DIRECTORY + 1, 0xFFFFFFFE):
        body = b"".join(local(entry) + entry.raw() for entry in good_entries())
        (tmp_path / "set.zip").write_bytes(body + end(6, size, 0))
        refused_import(home, tmp_path / "set.zip")


def test_as_many_members_as_are_allowed_are_listed_in_little_memory(directory: bytes, home: Home, tmp_path: Path):
    allowed = directory[: MAX_MEMBERS * 55]
    (tmp_path / "many.zip").write_bytes(allowed + end(MAX_MEMBERS & 0xFFFF, len(allowed), 0))
    assert NO_CLASSES in measured_import(home, tmp_path / "many.zip").error


def test_a_name_is_shown_without_what_would_mislead():
    assert show_name("a\x1b[31m\u202eb\ud800") == "a?[31m?b?"
    assert len(show_name("n" * 300)) < 120 and show_name("bär 🐻.png") == "bär 🐻.png"
