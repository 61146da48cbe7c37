"""Links in a folder are followed, but in no circle; the broken ones are skipped by name."""

import itertools
from pathlib import Path

import pytest

from cnn_core.data import listing
from cnn_core.data.listing import BROKEN_LINK, LINK_LOOP, TOO_MANY_LINKS, list_source
from cnn_core.home import Home
from tests.data.imports import are_same, good_files, run_import, write_folder


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "real", good_files())


def reasons(folder: Path) -> dict[str, str]:
    return {file.path: file.reason for file in list_source(folder).skipped}


def test_linked_folders_and_linked_files_are_imported_like_copies(real: Path, home: Home, tmp_path: Path):
    folders, files = tmp_path / "folders", tmp_path / "files"
    folders.mkdir()
    for name in ("cat", "dog"):
        (folders / name).symlink_to(real / name)
        (files / name).mkdir(parents=True)
        for path in (real / name).iterdir():
            (files / name / path.name).symlink_to(path)
    (tmp_path / "whole").symlink_to(real)
    expected = run_import(home, real, "real")
    for folder in (folders, files, tmp_path / "whole"):
        assert are_same(run_import(home, folder, folder.name), expected)


def test_a_linked_class_beside_others_is_not_lost(real: Path, tmp_path: Path):
    (real / "fox").symlink_to(write_folder(tmp_path / "elsewhere", {"1.png": b"x", "deep/2.png": b"x"}), target_is_directory=True)
    found = list_source(real)
    assert found.classes == ("cat", "dog", "fox") and not found.skipped
    assert [file.path for file in found.files if file.label == 2] == ["fox/1.png", "fox/deep/2.png"]


def test_a_name_of_a_link_decides_and_not_that_of_its_file(real: Path, tmp_path: Path):
    blob = write_folder(tmp_path / "blobs", {"3f9a": b"x"}) / "3f9a"
    (real / "cat" / "linked.png").symlink_to(blob)
    assert "cat/linked.png" in [file.path for file in list_source(real).files] and not reasons(real)


@pytest.mark.parametrize("target", ["/nowhere/at/all", "itself"])
def test_a_broken_link_is_skipped_by_name(real: Path, target: str):
    (real / "cat" / "itself").symlink_to(target)
    (real / "broken").symlink_to("/nowhere/at/all", target_is_directory=True)
    assert reasons(real) == {"cat/itself": BROKEN_LINK, "broken": BROKEN_LINK}


def test_a_link_to_a_folder_above_is_skipped_by_name(real: Path):
    (real / "cat" / "up").symlink_to("..", target_is_directory=True)
    (real / "cat" / "here").symlink_to(".", target_is_directory=True)
    assert reasons(real) == {"cat/up": LINK_LOOP, "cat/here": LINK_LOOP} and len(list_source(real).files) == 6


def test_two_folders_that_link_to_each_other_end(real: Path):
    (real / "cat" / "dog").symlink_to("../dog")
    (real / "dog" / "cat").symlink_to("../cat")
    assert reasons(real) == {"cat/dog/cat": LINK_LOOP, "dog/cat/dog": LINK_LOOP} and len(list_source(real).files) == 12


def test_links_that_multiply_are_followed_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listing, "MAX_LINKS", 50)
    folder = write_folder(tmp_path / "set", {f"{name}/1.png": b"x" for name in "abcdef"})
    for one, other in itertools.permutations("abcdef", 2):
        (folder / one / other).symlink_to(folder / other)
    found = list_source(folder)
    assert len(found.files) == 6 + 50 and TOO_MANY_LINKS in {file.reason for file in found.skipped}
