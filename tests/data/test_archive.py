"""Good zips: members are read as they were packed, whatever wrote them."""

import errno
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cnn_core.data.archive import OUTSIDE, Member, SkippedFile, list_members, read_member
from cnn_core.data.decoder import CANNOT_OPEN
from cnn_core.errors import DataError, ImageError
from tests.data.imports import Entry, craft_zip, good_files, write_zip
from tests.helpers import is_a_sentence

FILES = {"a/one.txt": b"one", "a/two.bin": bytes(range(256)) * 500, "b/empty.txt": b""}


def contents(path: Path) -> dict[str, bytes]:
    with path.open("rb") as archive:
        return {member.path: read_member(archive, member) for member in list_members(path) if isinstance(member, Member)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_as_they_were_packed(method: int, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w", method) as archive:
        archive.mkdir("a")
        for name, content in FILES.items():
            archive.writestr(name, content)
    assert contents(tmp_path / "set.zip") == FILES


def test_members_that_were_streamed_with_their_sizes_behind_them_are_read(tmp_path: Path):
    packer = "import sys, zipfile; z = zipfile.ZipFile(sys.stdout.buffer, 'w', 8); z.writestr('a/x.bin', bytes(70000)); z.close()"
    packed = subprocess.run([sys.executable, "-c", packer], stdout=subprocess.PIPE, check=True).stdout
    (tmp_path / "set.zip").write_bytes(packed)
    assert contents(tmp_path / "set.zip") == {"a/x.bin": bytes(70000)}


def test_an_archive_with_sizes_of_64_bits_is_read(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, content in FILES.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    assert contents(tmp_path / "set.zip") == FILES


def test_more_members_than_16_bits_count_are_listed(tmp_path: Path):
    path = craft_zip(tmp_path / "set.zip", [Entry(b"a/%d.png" % number, b"", method=0) for number in range(66_000)])
    assert sum(isinstance(member, Member) for member in list_members(path)) == 66_000


def test_an_archive_behind_other_bytes_and_before_a_comment_is_read(tmp_path: Path):
    path = write_zip(tmp_path / "set.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\x05 a comment " * 100
    path.write_bytes(b"#!/bin/sh\n" * 20 + path.read_bytes())
    assert contents(path) == FILES


def test_names_in_other_scripts_are_kept(tmp_path: Path):
    names = ["ژاپن/а.png", "日本/猫.png", "Käse/ü 1.png", "🐱/🐈.png"]
    assert list(contents(write_zip(tmp_path / "set.zip", dict.fromkeys(names, b"x")))) == names


def test_folders_are_no_members(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.mkdir("cat")
        archive.writestr("cat/1.png", b"x")
    assert [member.path for member in list_members(tmp_path / "set.zip")] == ["cat/1.png"]


def test_a_member_that_changed_since_it_was_listed_is_refused(tmp_path: Path):
    path = write_zip(tmp_path / "set.zip", good_files())
    members = list(list_members(path))
    write_zip(path, {"other/name/of/another/length.png": b"another content altogether" * 100})
    for member in members:
        assert isinstance(member, Member)
        with path.open("rb") as archive, pytest.raises(ImageError) as refusal:
            read_member(archive, member)
        assert is_a_sentence(refusal.value) and member.path in str(refusal.value)


def test_an_archive_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=re.escape(CANNOT_OPEN.format(reason=os.strerror(errno.ENOENT)))) as refusal:
        list(list_members(tmp_path / "none.zip"))
    assert is_a_sentence(refusal.value)


def test_a_refusal_says_which_and_why(tmp_path: Path):
    path = craft_zip(tmp_path / "set.zip", [Entry(b"a/1.png", b"x"), Entry(b"../2.png", b"y")])
    assert list(list_members(path))[1] == SkippedFile("../2.png", OUTSIDE)
