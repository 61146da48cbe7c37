"""A folder or zip by its path: its classes and parts, what is left out, what is refused, and that nothing in it is changed."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.imported import OPENING, WAITING
from cnn_core.data.importer import READING
from cnn_core.data.layout import SAME_SUBFOLDERS
from cnn_core.data.path_source import PathSource
from cnn_core.data.source import finish
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.locks import try_lock
from tests.data.path_images import CLASSES, load, nearest_colours, pack, refused
from tests.helpers import drain, write_images


def test_class_folders_alone_give_a_fifth_of_every_class_for_testing(image_folder: Path, home: Home):
    info = PathSource(image_folder, home).info
    train, test = load(image_folder, home)
    assert info.classes == CLASSES and info.channels == 3 and not info.ink and info.name == "pictures"
    assert (info.train_count, info.val_count, info.test_count) == (len(train), 0, len(test)) == (24, 0, 6)
    assert np.bincount(test.labels).tolist() == [2, 2, 2]
    assert train.notes == test.notes == ()


def test_what_is_promised_of_a_folder_is_what_is_loaded(image_folder: Path, home: Home, tmp_path: Path):
    write_images(tmp_path / "parts" / "train", count=5)
    write_images(tmp_path / "parts" / "val", count=2, seed=1)
    write_images(tmp_path / "parts" / "test", count=3, seed=2)
    for path in (image_folder, tmp_path / "parts", pack(image_folder, tmp_path / "packed.zip")):
        promised = PathSource(path, home).info
        load(path, home)
        stored = PathSource(path, home).info
        assert stored.fingerprint != promised.fingerprint
        assert [getattr(stored, name) for name in vars(stored) if name != "fingerprint"] == [
            getattr(promised, name) for name in vars(stored) if name != "fingerprint"
        ]


def test_every_image_comes_once_with_its_own_class(image_folder: Path, home: Home):
    train, test = load(image_folder, home)
    together = np.concatenate((train.images, test.images))
    assert len({image.tobytes() for image in together}) == 30
    assert together.dtype == np.uint8 and together.shape == (30, 16, 16, 3) and train.labels.dtype == np.int64
    for split in (train, test):
        assert np.array_equal(nearest_colours(split), split.labels)


def test_train_val_and_test_folders_are_taken_as_they_are(tmp_path: Path, home: Home):
    write_images(tmp_path / "data" / "train", count=5)
    write_images(tmp_path / "data" / "val", count=2, seed=2)
    write_images(tmp_path / "data" / "test", count=3, seed=1)
    source = PathSource(tmp_path / "data", home)
    train, val, test = (finish(source.load(split)) for split in ("train", "val", "test"))
    info = source.info
    assert (info.train_count, info.val_count, info.test_count) == (len(train), len(val), len(test)) == (15, 6, 9)
    for split, seed, name in ((val, 2, "alone"), (test, 1, "again")):
        expected = write_images(tmp_path / name, count=3, seed=seed)
        shown = np.asarray(Image.open(expected / "blue" / "001.png"))
        assert [any(np.array_equal(image, shown) for image in one.images) for one in (train, val, test)] == [
            one is split for one in (train, val, test)
        ]


def test_images_come_in_the_order_of_their_classes_and_names(tmp_path: Path, home: Home):
    data = tmp_path / "data"
    write_images(data / "train", count=12)
    write_images(data / "test", count=12, seed=1)
    for split, images in zip(("train", "test"), load(data, home), strict=True):
        files = sorted((data / split).glob("*/*"))
        assert images.labels.tolist() == [CLASSES.index(path.parent.name) for path in files]
        for image, path in zip(images.images, files, strict=True):
            assert path.suffix == ".jpg" or np.array_equal(image, np.asarray(Image.open(path)))


def test_a_train_folder_without_a_test_folder_gives_a_fifth_for_testing(tmp_path: Path, home: Home):
    write_images(tmp_path / "data" / "train", count=5)
    info = PathSource(tmp_path / "data", home).info
    train, test = load(tmp_path / "data", home)
    assert (info.classes, info.train_count, info.test_count) == (CLASSES, len(train), len(test)) == (CLASSES, 12, 3)


def test_a_test_folder_may_lack_a_class(tmp_path: Path, home: Home):
    write_images(tmp_path / "data" / "train", count=5)
    write_images(tmp_path / "data" / "test", ["red"], count=3)
    _, test = load(tmp_path / "data", home)
    assert test.labels.tolist() == [2, 2, 2]


def test_images_in_deeper_folders_count_for_their_class(image_folder: Path, home: Home):
    for path in write_images(image_folder / "red" / "from" / "camera", ["red"], count=5, seed=7).glob("red/*"):
        path.rename(path.parents[1] / path.name)
    train, test = load(image_folder, home)
    assert PathSource(image_folder, home).info.classes == CLASSES
    assert np.bincount(np.concatenate((train.labels, test.labels))).tolist() == [10, 10, 15]
    for split in (train, test):
        assert np.array_equal(nearest_colours(split), split.labels)


def test_the_same_folder_gives_the_same_parts_every_time(tmp_path: Path, home: Home):
    one, other = write_images(tmp_path / "one"), tmp_path / "other"
    for path in sorted(one.glob("*/*"), key=lambda path: path.name[::-1] + path.parent.name, reverse=True):
        (other / path.parent.name).mkdir(parents=True, exist_ok=True)
        (other / path.parent.name / path.name).write_bytes(path.read_bytes())  # the same files, made in another order
    elsewhere = Home(tmp_path / "elsewhere")
    for mine, again, theirs in zip(load(one, home), load(one, elsewhere), load(other, home), strict=True):
        assert np.array_equal(mine.images, again.images) and np.array_equal(mine.labels, again.labels)
        assert np.array_equal(mine.images, theirs.images) and np.array_equal(mine.labels, theirs.labels)
    infos = [PathSource(path, where).info for path, where in ((one, home), (one, elsewhere), (other, home))]
    assert len({info.fingerprint for info in infos}) == 1


@pytest.mark.parametrize(
    ("size", "side"), [((16, 16), 16), ((64, 64), 64), ((15, 15), 64), ((7, 7), 64), ((65, 65), 64), ((20, 16), 64)]
)
def test_squares_of_one_size_keep_it_and_anything_else_is_scaled_to_64(
    tmp_path: Path, home: Home, size: tuple[int, int], side: int
):
    data = write_images(tmp_path / "data", ["blue", "red"], count=5, size=size)
    assert PathSource(data, home).info.image_size == side
    train, _ = load(data, home)
    assert PathSource(data, home).info.image_size == side
    assert train.images.shape == (8, side, side, 3)


def test_images_of_different_sizes_are_scaled_to_64(tmp_path: Path, home: Home):
    data = write_images(tmp_path / "data", ["blue"], size=(16, 16))
    write_images(data, ["red"], size=(24, 24))
    assert PathSource(data, home).info.image_size == 64


@pytest.mark.parametrize("is_loaded", [False, True], ids=["as listed", "as imported"])
def test_the_fingerprint_changes_with_a_files_content_or_class(image_folder: Path, home: Home, is_loaded: bool):
    def fingerprint() -> str:
        if is_loaded:
            load(image_folder, home)
        return PathSource(image_folder, home).info.fingerprint

    first = fingerprint()
    assert fingerprint() == first
    with (image_folder / "red" / "001.png").open("ab") as file:
        file.write(b"\0")
    grown = fingerprint()
    (image_folder / "red" / "001.png").rename(image_folder / "blue" / "moved.png")
    moved = fingerprint()
    assert len({first, grown, moved}) == 3


def test_an_added_file_is_found_at_the_next_load(image_folder: Path, home: Home):
    train, test = load(image_folder, home)
    write_images(image_folder, ["red"], count=15, seed=3)
    again, tested = load(image_folder, home)
    assert (len(train) + len(test), len(again) + len(tested)) == (30, 35)


def test_the_first_load_imports_into_the_studio_home_and_the_next_ones_read_no_file(image_folder: Path, home: Home):
    source = PathSource(image_folder, home)
    assert not source.is_imported and not home.root.exists()
    first, _ = load(image_folder, home)
    again = PathSource(image_folder, home)
    assert again.is_imported and again.folder.parent == home.data / "sets"
    seen, images = drain(PathSource(image_folder, home).load("train"))
    assert np.array_equal(images.images, first.images)
    assert isinstance(images.pool, np.memmap) and not images.pool.flags.writeable
    assert [progress.stage for progress in seen] == [OPENING]


def test_a_folder_that_is_gone_is_still_there_once_it_was_imported(image_folder: Path, home: Home):
    train, test = load(image_folder, home)
    info = PathSource(image_folder, home).info
    shutil.rmtree(image_folder)
    for before, after in zip((train, test), load(image_folder, home), strict=True):
        assert np.array_equal(before.images, after.images) and np.array_equal(before.labels, after.labels)
    assert PathSource(image_folder, home).info == info


@pytest.mark.parametrize("above", ["", "everything/"])
def test_a_zip_gives_the_same_images_as_the_folder_that_was_packed(image_folder: Path, home: Home, tmp_path: Path, above: str):
    archive = pack(image_folder, tmp_path / "packed.zip", above)
    for mine, theirs in zip(load(image_folder, home), load(archive, home), strict=True):
        assert np.array_equal(mine.images, theirs.images) and np.array_equal(mine.labels, theirs.labels)
    assert PathSource(archive, home).info.fingerprint == PathSource(image_folder, home).info.fingerprint


def test_a_file_that_is_no_zip_is_refused_with_a_message(home: Home, tmp_path: Path):
    (tmp_path / "notes.zip").write_text("no archive at all")
    assert "notes.zip" in refused(tmp_path / "notes.zip", home)


def test_what_the_folders_may_mean_otherwise_is_noted_when_they_are_loaded(tmp_path: Path, home: Home):
    for fold in ("one", "two"):
        write_images(tmp_path / "data" / fold, count=2)
    train, test = load(tmp_path / "data", home)
    folders = "“blue”, “green”, “red”"
    assert train.notes == (SAME_SUBFOLDERS.format(classes="“one”, “two”", folders=folders),) and test.notes == ()


def test_who_comes_while_another_process_imports_the_same_folder_waits_for_it(image_folder: Path, home: Home):
    source = PathSource(image_folder, home)
    home.staging_folder(source.folder.name).mkdir(parents=True)
    with try_lock(home.staging_folder(source.folder.name).with_name(f".{source.folder.name}.lock")) as is_acquired:
        loading = source.load("train")
        assert is_acquired and {next(loading).stage for _ in range(2)} == {WAITING}
    assert len(finish(loading)) == 24


def test_loading_reports_how_far_it_is_and_continues_from_there_when_it_was_left(image_folder: Path, home: Home):
    for path in (image_folder / "red").glob("*.png"):
        for copy in range(300):
            os.link(path, path.with_name(f"{path.stem}-{copy}.png"))
    loading = PathSource(image_folder, home).load("train")
    while next(loading).stage != READING:
        pass
    loading.close()
    assert not PathSource(image_folder, home).is_imported
    seen, images = drain(PathSource(image_folder, home).load("train"))
    assert all(isinstance(progress, Progress) and progress.done <= progress.total for progress in seen)
    reading = [progress for progress in seen if progress.stage == READING]
    assert {progress.total for progress in reading} == {1530} and [progress.done for progress in reading] == [1530]  # the rest
    assert len(images) == 1530 - round(1510 * 0.2) - 4


def test_loading_changes_nothing_in_the_folder(image_folder: Path, home: Home):
    def state() -> list[tuple[str, int, int, bytes]]:
        return [(str(p), p.stat().st_mtime_ns, p.stat().st_mode, p.read_bytes()) for p in sorted(image_folder.glob("*/*"))]

    before, folders = state(), sorted(str(p) for p in image_folder.rglob("*"))
    load(image_folder, home)
    assert state() == before and sorted(str(p) for p in image_folder.rglob("*")) == folders
