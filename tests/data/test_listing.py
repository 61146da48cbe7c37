"""The listing of a folder or a zip: classes, splits, surrounding folders, skipped files and why."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from textwrap import dedent

import pytest

from cnn_core.data.archive import NESTED_ARCHIVE, OTHER_ARCHIVE, UNPRINTABLE, show_name
from cnn_core.data.layout import NO_CLASS, NO_SPLIT
from cnn_core.data.listing import (
    EMPTY_FOLDER,
    FOLDER_ABOVE,
    LABELS_IN_A_TABLE,
    NO_IMAGE,
    NOT_A_FILE,
    NOT_A_SOURCE,
    ListedFile,
    Listing,
    list_source,
)
from cnn_core.errors import DataError
from tests.data.imports import write_folder, write_zip
from tests.helpers import ROOT, is_a_sentence

Kind = str


@pytest.fixture(params=["folder", "zip"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def listed(kind: Kind, root: Path, *paths: str) -> Listing:
    root.mkdir(exist_ok=True)
    files = dict.fromkeys(paths, b"x")
    return list_source(write_folder(root / "flowers", files) if kind == "folder" else write_zip(root / "flowers.zip", files))


def refusal(kind: Kind, root: Path, *paths: str) -> str:
    with pytest.raises(DataError) as error:
        listed(kind, root, *paths)
    assert is_a_sentence(error.value)
    return str(error.value)


def placed(listing: Listing) -> list[tuple[str, str, str | None]]:
    return [(file.path, listing.classes[file.label], file.split) for file in listing.files]


def reasons(listing: Listing) -> dict[str, str]:
    return {one.path: one.reason for one in listing.skipped}


def test_every_folder_is_a_class(kind: Kind, tmp_path: Path):
    listing = listed(kind, tmp_path, "tulip/2.jpg", "tulip/1.png", "rose/x.JPEG", "rose/deep/y.webp", "rose/z.GIF", "rose/a.bmp")
    assert listing.classes == ("rose", "tulip") and not listing.has_splits
    assert placed(listing) == [
        ("rose/a.bmp", "rose", None),
        ("rose/deep/y.webp", "rose", None),
        ("rose/x.JPEG", "rose", None),
        ("rose/z.GIF", "rose", None),
        ("tulip/1.png", "tulip", None),
        ("tulip/2.jpg", "tulip", None),
    ]


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "Validation", "TESTING"), ("train", "valid", "test")])
def test_folders_for_training_validation_and_testing_are_kept_apart(names: tuple[str, ...], kind: Kind, tmp_path: Path):
    listing = listed(kind, tmp_path, *(f"{split}/{flower}/1.jpg" for split in names for flower in ("rose", "tulip")))
    assert listing.classes == ("rose", "tulip") and listing.has_splits
    assert [split for _, _, split in placed(listing)] == ["train", "train", "val", "val", "test", "test"]


def test_a_set_without_a_test_folder_has_no_splits_of_its_own(kind: Kind, tmp_path: Path):
    listing = listed(kind, tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg")
    assert not listing.has_splits and [split for *_, split in placed(listing)] == ["train", "train", "val"]


def test_a_class_may_be_called_test_where_nothing_is_called_train(kind: Kind, tmp_path: Path):
    assert listed(kind, tmp_path, "test/1.jpg", "exam/1.jpg").classes == ("exam", "test")


def test_a_single_outer_folder_is_searched(kind: Kind, tmp_path: Path):
    assert listed(kind, tmp_path, "flowers/rose/1.jpg", "flowers/tulip/1.jpg").classes == ("rose", "tulip")
    deep = listed(kind, tmp_path / "deep", "a/b/train/rose/1.jpg", "a/b/train/tulip/1.jpg", "a/b/test/rose/2.jpg")
    assert deep.classes == ("rose", "tulip") and deep.has_splits


def test_what_systems_leave_behind_is_passed_over_in_silence(kind: Kind, tmp_path: Path):
    rubbish = ["__MACOSX/rose/._1.jpg", ".DS_Store", "rose/.hidden.jpg", ".git/a/b.png", "rose/Thumbs.db", "tulip/Desktop.ini"]
    rubbish += [
        "rose/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg",
        "$RECYCLE.BIN/2.jpg",
        "System Volume Information/x",
        "lost+found/3.jpg",
    ]
    rubbish += [
        ".ipynb_checkpoints/rose/1-checkpoint.jpg",
        "#recycle/rose/4.jpg",
        "rose/ehthumbs.db",
        "rose/Icon\r",
        "tulip/._x.jpg",
    ]
    listing = listed(kind, tmp_path, "rose/1.jpg", "tulip/1.jpg", *rubbish)
    assert len(listing.files) == 2 and not listing.skipped


def test_what_is_no_image_or_stands_in_the_wrong_place_is_set_aside_by_name(kind: Kind, tmp_path: Path):
    listing = listed(kind, tmp_path, "rose/1.jpg", "tulip/1.jpg", "rose/notes.txt", "rose/noname", "cover.jpg", "rose/raw.tiff")
    assert reasons(listing).keys() == {"rose/notes.txt", "rose/noname", "rose/raw.tiff", "cover.jpg"}
    assert reasons(listing)["rose/raw.tiff"] == NO_IMAGE and reasons(listing)["cover.jpg"] == NO_CLASS


def test_what_stands_beside_train_and_test_is_set_aside_by_name(kind: Kind, tmp_path: Path):
    paths = ["train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "more/a/1.jpg", "train/3.jpg"]
    listing = listed(kind, tmp_path, *paths)
    assert reasons(listing)["more/a/1.jpg"] == NO_SPLIT and reasons(listing)["train/3.jpg"] == NO_CLASS


def test_a_class_that_is_only_tested_is_refused(kind: Kind, tmp_path: Path):
    sentence = refusal(kind, tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/c/1.jpg")
    assert "“c”" in sentence


def test_less_than_two_classes_are_refused(kind: Kind, tmp_path: Path):
    assert "“rose”" in refusal(kind, tmp_path / "one", "rose/1.jpg", "rose/2.jpg")
    assert "flowers" in refusal(kind, tmp_path / "flat", "1.jpg", "2.jpg")
    assert f"notes/1.txt: {NO_IMAGE}" in refusal(kind, tmp_path / "text", "notes/1.txt")


def test_classes_that_differ_in_capital_letters_only_are_refused(kind: Kind, tmp_path: Path):
    assert "“Rose” and “rose”" in refusal(kind, tmp_path, "rose/1.jpg", "Rose/1.jpg", "tulip/1.jpg")


def test_the_order_does_not_depend_on_the_disk(tmp_path: Path):
    names = [f"{letter}/{number}.png" for number in range(9) for letter in "ba"]
    one, other = (list_source(write_folder(tmp_path / str(turn), dict.fromkeys(names[::turn], b"x"))) for turn in (1, -1))
    assert one.files == other.files == sorted(one.files)


def test_a_folder_and_a_zip_of_it_give_the_same(tmp_path: Path):
    paths = ["x/train/b/1.jpg", "x/train/a/1.jpg", "x/test/a/2.jpg", "x/test/b/2.jpg", "x/val/b/3.gif", "x/notes.txt"]
    folder, archive = listed("folder", tmp_path, *paths), listed("zip", tmp_path, *paths)
    assert folder.classes == archive.classes and folder.skipped == archive.skipped
    assert folder.files == [ListedFile(*file[:4]) for file in archive.files]


def test_what_is_neither_file_nor_folder_is_named(tmp_path: Path):
    folder = write_folder(tmp_path / "flowers", {"rose/1.jpg": b"x", "tulip/1.jpg": b"x"})
    os.mkfifo(folder / "rose" / "pipe.jpg")
    (folder / "rose" / "link.jpg").symlink_to("/dev/zero")
    assert reasons(list_source(folder)) == {"rose/pipe.jpg": NOT_A_FILE, "rose/link.jpg": NOT_A_FILE}


@pytest.mark.parametrize("table", ["train.csv", "labels/all_labels.tsv", "annotations.json", "Classes.txt"])
@pytest.mark.parametrize("folders", [("train", "test"), ("train",), ("",)])
def test_a_table_of_labels_is_named_where_there_are_no_class_folders(
    table: str, folders: tuple[str, ...], kind: Kind, tmp_path: Path
):
    sentence = refusal(kind, tmp_path, *(f"{folder}/{number}.jpg".lstrip("/") for folder in folders for number in "12"), table)
    assert LABELS_IN_A_TABLE.format(table=table) in sentence


def test_the_script_of_the_docs_makes_class_folders_from_a_table(tmp_path: Path):
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    script = re.search(r"^    import csv.*\n(?:    .*\n|\n)+", text, re.MULTILINE)
    assert script
    write_folder(tmp_path, {"train/1.png": b"x", "train/2.png": b"y", "train.csv": b"id,label\n1,cat\n2,dog\n"})
    subprocess.run([sys.executable, "-c", dedent(script[0])], cwd=tmp_path, check=True)
    assert list_source(tmp_path / "by_class").classes == ("cat", "dog")


def test_split_folders_without_classes_are_refused_by_name(kind: Kind, tmp_path: Path):
    sentence = refusal(kind, tmp_path, "train/1.jpg", "test/2.jpg", "readme.txt")
    assert "“test”, “train”" in sentence and "readme" not in sentence


@pytest.mark.parametrize("below", [(), ("old/3.jpg",)])
def test_the_folder_of_one_class_is_refused_with_what_to_choose_instead(below: tuple[str, ...], kind: Kind, tmp_path: Path):
    where = "flowers" if kind == "folder" else "flowers.zip"
    sentence = refusal(kind, tmp_path, "1.jpg", "2.jpg", *below)
    assert FOLDER_ABOVE.format(where=where) in sentence and NO_CLASS not in sentence


def test_a_class_called_train_is_listed(kind: Kind, tmp_path: Path):
    listing = listed(kind, tmp_path, "bus/1.jpg", "car/1.jpg", "train/1.jpg")
    assert listing.classes == ("bus", "car", "train") and not listing.has_splits and not listing.skipped


@pytest.mark.parametrize("name", ["more.zip", "more.tar", "more.TAR.GZ", "more.7z"])
def test_an_archive_inside_is_named_in_the_refusal(name: str, kind: Kind, tmp_path: Path):
    assert f"{name}: {NESTED_ARCHIVE}" in refusal(kind, tmp_path, "1.jpg", "a/notes.txt", name)


@pytest.mark.parametrize("kind", ["w:", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("name", ["set.tar", "set.tgz", "noname"])
def test_a_tar_archive_is_refused_with_what_to_do(kind: str, name: str, tmp_path: Path):
    with tarfile.open(tmp_path / name, kind) as archive:  # type: ignore[call-overload]  # the mode is a parameter
        archive.add(write_zip(tmp_path / "in.zip", {"a/1.png": b"x"}), "in.zip")
    with pytest.raises(DataError, match=OTHER_ARCHIVE) as error:
        list_source(tmp_path / name)
    assert is_a_sentence(error.value) and name in str(error.value)


def test_an_empty_folder_is_named(tmp_path: Path):
    folder = write_folder(tmp_path / "flowers", {"rose/1.jpg": b"x", "tulip/1.jpg": b"x"})
    (folder / "daisy").mkdir()
    assert reasons(list_source(folder)) == {"daisy": EMPTY_FOLDER}


@pytest.mark.parametrize("name", [b"\x1b[2J.jpg", "\u202egpj.exe.jpg".encode(), b"\xff\xfe.jpg", b"a\nb.jpg"])
def test_a_file_whose_name_cannot_be_shown_is_set_aside_and_shown_harmlessly(name: bytes, tmp_path: Path):
    folder = write_folder(tmp_path / "flowers", {"rose/1.jpg": b"x", "tulip/1.jpg": b"x"})
    Path(os.fsdecode(os.fsencode(folder / "rose") + b"/" + name)).write_bytes(b"x")
    listing = list_source(folder)
    (problem,) = listing.skipped
    assert problem.path == show_name(problem.path) and problem.reason == UNPRINTABLE
    assert len(listing.files) == 2


@pytest.mark.parametrize("name", [b"ro\x07se", b"ros\xff", "\u202eesor".encode(), b"r" * 200])
def test_a_class_whose_name_cannot_be_shown_is_refused(name: bytes, tmp_path: Path):
    folder = write_folder(tmp_path / "flowers", {"rose/1.jpg": b"x", "tulip/1.jpg": b"x"})
    place = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    place.mkdir()
    (place / "1.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="flowers") as error:
        list_source(folder)
    assert is_a_sentence(error.value) and str(error.value).isprintable()


def test_folders_below_a_class_whose_names_cannot_be_shown_are_set_aside(tmp_path: Path):
    folder = write_folder(tmp_path / "flowers", {"rose/1.jpg": b"x", "tulip/1.jpg": b"x"})
    place = Path(os.fsdecode(os.fsencode(folder) + b"/rose/\xff"))
    place.mkdir()
    (place / "1.jpg").write_bytes(b"x")
    (place / "1.txt").write_bytes(b"x")
    listing = list_source(folder)
    assert set(reasons(listing)) == {"rose/?/1.jpg", "rose/?/1.txt"} and len(listing.files) == 2


@pytest.mark.parametrize("path", ["/nowhere/at/all", "nul\0byte", "x" * 5000, "line\nbreak", "/dev/null"])
def test_a_path_without_files_is_refused(path: str):
    with pytest.raises(DataError, match=NOT_A_SOURCE) as error:
        list_source(Path(path))
    assert is_a_sentence(error.value) and str(error.value).isprintable()
