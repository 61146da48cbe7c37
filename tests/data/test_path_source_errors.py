"""Folders with missing classes, unreadable files, links and odd names: what is skipped, and what is an error."""

import os
from pathlib import Path

import numpy as np
import pytest

from cnn_core.data.imported import LONE_IMAGES, SINGLE_IMAGES, SKIPPED
from cnn_core.data.importer import UNREADABLE_TEST_IMAGES
from cnn_core.data.listing import EMPTY_FOLDER, NO_IMAGE
from cnn_core.data.path_source import PathSource
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.data.path_images import CLASSES, load, nearest_colours, refused
from tests.helpers import is_a_sentence, write_images


def test_an_empty_folder_and_one_class_are_too_few(tmp_path: Path, home: Home):
    data = tmp_path / "data"
    data.mkdir()
    assert "data" in refused(data, home)
    write_images(data, ["red"])
    assert "“red”" in refused(data, home)


def test_a_missing_folder_is_refused(tmp_path: Path, home: Home):
    with pytest.raises(DataError, match="gone"):
        load(tmp_path / "gone", home)


def test_a_class_folder_without_images_is_no_class_and_is_named_as_skipped(image_folder: Path, home: Home):
    (image_folder / "grey").mkdir()
    (image_folder / "white").mkdir()
    (image_folder / "white" / "notes.txt").write_text("nothing to see")
    train, _ = load(image_folder, home)
    assert PathSource(image_folder, home).info.classes == CLASSES
    assert sorted(train.notes) == [
        f"{SKIPPED} grey: {EMPTY_FOLDER}.",
        f"{SKIPPED} white/notes.txt: {NO_IMAGE}.",
    ]


def test_a_test_class_that_training_lacks_is_refused_by_name(tmp_path: Path, home: Home):
    write_images(tmp_path / "data" / "train")
    write_images(tmp_path / "data" / "test", ["grey", "red"])
    assert "“grey”" in refused(tmp_path / "data", home)


def test_an_empty_test_folder_is_reported_and_replaced_by_a_split_of_the_training_images(tmp_path: Path, home: Home):
    data = write_images(tmp_path / "data" / "train", count=5).parent
    for name in CLASSES:
        (data / "test" / name).mkdir(parents=True)
    train, test = load(data, home)
    assert (len(train), len(test)) == (12, 3)
    assert sorted(train.notes) == [f"{SKIPPED} test/{name}: {EMPTY_FOLDER}." for name in CLASSES]


def test_a_class_name_that_is_no_text_is_refused_with_a_message(image_folder: Path, home: Home):
    os.rename(image_folder / "red", os.fsencode(image_folder) + b"/caf\xe9")  # as an old archive leaves it
    refused(image_folder, home)


def test_a_file_whose_name_is_no_text_is_left_out_and_named_and_the_rest_continues(image_folder: Path, home: Home):
    os.rename(image_folder / "red" / "001.png", os.fsencode(image_folder) + b"/red/caf\xe9.png")
    train, test = load(image_folder, home)
    assert len(train) + len(test) == 29 and len(train.notes) == 1 and "red/caf?.png" in train.notes[0]


def test_unreadable_files_are_left_out_and_named_and_the_rest_continues(image_folder: Path, home: Home):
    (image_folder / "red" / "diary.jpg").write_text("no image")
    (image_folder / "blue" / "cut.png").write_bytes((image_folder / "blue" / "001.png").read_bytes()[:300])
    (image_folder / "blue" / "void.gif").write_bytes(b"")
    train, test = load(image_folder, home)
    info = PathSource(image_folder, home).info
    assert (info.train_count, info.test_count) == (len(train), len(test)) == (24, 6)
    notes = " ".join(train.notes + test.notes)
    assert len(train.notes + test.notes) == 3 and notes.count(SKIPPED) == 3
    assert all(name in notes for name in ("red/diary.jpg", "blue/cut.png", "blue/void.gif"))
    for split in (train, test):
        assert np.array_equal(nearest_colours(split), split.labels)


def test_twenty_unreadable_files_are_named_and_more_are_counted(tmp_path: Path, home: Home):
    data = write_images(tmp_path / "data" / "train").parent
    write_images(data / "test")
    for index in range(33):
        (data / "train" / "red" / f"broken{index:02d}.png").write_text("no image")
    train, test = load(data, home)
    assert len(train) == 30 and test.notes == ()
    assert len(train.notes) == 21 and train.notes[-1].startswith(f"{SKIPPED} 13 ")


def test_a_class_of_which_nothing_can_be_read_is_refused_by_name(image_folder: Path, home: Home):
    for path in (image_folder / "green").iterdir():
        path.write_text("no image")
    assert "class “green”" in refused(image_folder, home)


def test_a_class_whose_only_readable_image_is_for_testing_is_refused_by_name(tmp_path: Path, home: Home):
    data = write_images(tmp_path / "data" / "train").parent
    write_images(data / "test", seed=1)
    for path in (data / "train" / "green").iterdir():
        path.write_text("no image")
    assert "class “green”" in refused(data, home)


def test_test_images_of_which_none_can_be_read_are_refused(tmp_path: Path, home: Home):
    data = write_images(tmp_path / "data" / "train").parent
    for path in write_images(data / "test").glob("*/*"):
        path.write_text("no image")
    assert UNREADABLE_TEST_IMAGES in refused(data, home)


def test_linked_images_and_linked_class_folders_are_followed(tmp_path: Path, image_folder: Path, home: Home):
    outside = write_images(tmp_path / "outside", ["grey"])
    (image_folder / "grey").symlink_to(outside / "grey")
    (image_folder / "red" / "linked.png").symlink_to(outside / "grey" / "001.png")
    train, test = load(image_folder, home)
    assert PathSource(image_folder, home).info.classes == ("blue", "green", "grey", "red")
    assert len(train) + len(test) == 41


def test_a_linked_class_folder_of_the_test_split_is_followed(tmp_path: Path, home: Home):
    write_images(tmp_path / "data" / "train")
    write_images(tmp_path / "data" / "test", ["blue", "green"], count=3)
    outside = write_images(tmp_path / "outside", ["red"])
    (tmp_path / "data" / "test" / "red").symlink_to(outside / "red")
    assert PathSource(tmp_path / "data", home).info.test_count == 16


def test_hidden_folders_are_ignored_and_other_files_named(image_folder: Path, home: Home):
    before = PathSource(image_folder, home).info
    write_images(image_folder / ".cache", ["grey"])
    (image_folder / ".git").mkdir()
    (image_folder / "readme.md").write_text("about")
    (image_folder / "red" / "labels.csv").write_text("a,b")
    assert PathSource(image_folder, home).info == before
    train, _ = load(image_folder, home)
    notes = " ".join(train.notes)
    assert len(train.notes) == 2 and "readme.md" in notes and "red/labels.csv" in notes


def test_one_image_of_each_class_is_refused_with_the_number_that_is_needed(tmp_path: Path, home: Home):
    folder = write_images(tmp_path / "pictures", ("blue", "red"), count=1)
    with pytest.raises(DataError) as refusal:
        finish(PathSource(folder, home).load("train"))
    assert str(refusal.value) == SINGLE_IMAGES and is_a_sentence(refusal.value)
    write_images(folder, ("blue", "red"), count=3)
    assert len(finish(PathSource(folder, home).load("test"))) == 2


def test_classes_with_a_single_training_image_are_named(tmp_path: Path, home: Home):
    folder = write_images(tmp_path / "pictures", ("blue", "red"), count=6)
    write_images(folder, ("green",), count=1)
    said = LONE_IMAGES.format(names="“green”")
    assert said in finish(PathSource(folder, home).load("train")).notes and is_a_sentence(said)
    write_images(folder, ("green",), count=3)
    assert said not in finish(PathSource(folder, home).load("train")).notes
