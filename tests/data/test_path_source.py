"""A folder or zip by its path: its classes and parts, what is left out, what is refused, and that nothing in it is followed or changed."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.path_source import PathSource
from cnn_core.data.source import ImageSet, finish
from cnn_core.errors import DataError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.locks import try_lock
from tests.helpers import COLOURS, drain, is_a_sentence, write_pictures

CLASSES = ("blue", "green", "red")


def load(path: Path, home: Home) -> tuple[ImageSet, ImageSet]:
    source = PathSource(path, home)
    return finish(source.load("train")), finish(source.load("test"))


def refused(path: Path, home: Home) -> str:
    """The sentence with which the folder is refused, at once or when it is loaded."""
    with pytest.raises(DataError) as refusal:
        load(path, home)
    assert is_a_sentence(refusal.value)
    return str(refusal.value)


def pack(folder: Path, archive: Path, above: str = "") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(folder.rglob("*")):
            opened.write(path, above + path.relative_to(folder).as_posix())
    return archive


def nearest_colours(images: ImageSet) -> np.ndarray:
    """Which of the three colours every image is."""
    colours = np.array([COLOURS[name] for name in CLASSES])
    return np.abs(images.images.mean((1, 2))[:, None] - colours).sum(2).argmin(1)


def test_class_folders_alone_give_a_fifth_of_every_class_for_testing(pictures: Path, home: Home):
    info = PathSource(pictures, home).info
    train, test = load(pictures, home)
    assert info.classes == CLASSES and info.channels == 3 and not info.ink and info.name == "pictures"
    assert (info.train_count, info.val_count, info.test_count) == (len(train), 0, len(test)) == (24, 0, 6)
    assert np.bincount(test.labels).tolist() == [2, 2, 2]
    assert train.notes == test.notes == ()


def test_what_is_promised_of_a_folder_is_what_is_loaded(pictures: Path, home: Home, tmp_path: Path):
    write_pictures(tmp_path / "parts" / "train", count=5)
    write_pictures(tmp_path / "parts" / "val", count=2, seed=1)
    write_pictures(tmp_path / "parts" / "test", count=3, seed=2)
    for path in (pictures, tmp_path / "parts", pack(pictures, tmp_path / "packed.zip")):
        promised = PathSource(path, home).info
        load(path, home)
        kept = PathSource(path, home).info
        assert kept.fingerprint != promised.fingerprint
        assert [getattr(kept, name) for name in vars(kept) if name != "fingerprint"] == [
            getattr(promised, name) for name in vars(kept) if name != "fingerprint"
        ]


def test_every_image_comes_once_with_its_own_class(pictures: Path, home: Home):
    train, test = load(pictures, home)
    together = np.concatenate((train.images, test.images))
    assert len({image.tobytes() for image in together}) == 30
    assert together.dtype == np.uint8 and together.shape == (30, 16, 16, 3) and train.labels.dtype == np.int64
    for part in (train, test):
        assert np.array_equal(nearest_colours(part), part.labels)


def test_train_val_and_test_folders_are_taken_as_they_are(tmp_path: Path, home: Home):
    write_pictures(tmp_path / "data" / "train", count=5)
    write_pictures(tmp_path / "data" / "val", count=2, seed=2)
    write_pictures(tmp_path / "data" / "test", count=3, seed=1)
    source = PathSource(tmp_path / "data", home)
    train, val, test = (finish(source.load(part)) for part in ("train", "val", "test"))
    info = source.info
    assert (info.train_count, info.val_count, info.test_count) == (len(train), len(val), len(test)) == (15, 6, 9)
    for part, seed, name in ((val, 2, "alone"), (test, 1, "again")):
        expected = write_pictures(tmp_path / name, count=3, seed=seed)
        shown = np.asarray(Image.open(expected / "blue" / "001.png"))
        assert [any(np.array_equal(image, shown) for image in one.images) for one in (train, val, test)] == [
            one is part for one in (train, val, test)
        ]


def test_images_come_in_the_order_of_their_classes_and_names(tmp_path: Path, home: Home):
    data = tmp_path / "data"
    write_pictures(data / "train", count=12)
    write_pictures(data / "test", count=12, seed=1)
    for part, images in zip(("train", "test"), load(data, home), strict=True):
        files = sorted((data / part).glob("*/*"))
        assert images.labels.tolist() == [CLASSES.index(path.parent.name) for path in files]
        for image, path in zip(images.images, files, strict=True):
            assert path.suffix == ".jpg" or np.array_equal(image, np.asarray(Image.open(path)))


def test_a_train_folder_without_a_test_folder_gives_a_fifth_for_testing(tmp_path: Path, home: Home):
    write_pictures(tmp_path / "data" / "train", count=5)
    info = PathSource(tmp_path / "data", home).info
    train, test = load(tmp_path / "data", home)
    assert (info.classes, info.train_count, info.test_count) == (CLASSES, len(train), len(test)) == (CLASSES, 12, 3)


def test_a_test_folder_may_lack_a_class(tmp_path: Path, home: Home):
    write_pictures(tmp_path / "data" / "train", count=5)
    write_pictures(tmp_path / "data" / "test", ["red"], count=3)
    _, test = load(tmp_path / "data", home)
    assert test.labels.tolist() == [2, 2, 2]


def test_an_empty_folder_and_one_class_are_too_few(tmp_path: Path, home: Home):
    data = tmp_path / "data"
    data.mkdir()
    assert "no class folders" in refused(data, home)
    write_pictures(data, ["red"])
    assert "only one class folder with images (“red”)" in refused(data, home)


def test_a_missing_folder_is_refused(tmp_path: Path, home: Home):
    with pytest.raises(DataError, match="Check the path"):
        load(tmp_path / "gone", home)


def test_a_class_folder_without_images_is_no_class_and_is_named_as_set_aside(pictures: Path, home: Home):
    (pictures / "grey").mkdir()
    (pictures / "white").mkdir()
    (pictures / "white" / "notes.txt").write_text("nothing to see")
    train, _ = load(pictures, home)
    assert PathSource(pictures, home).info.classes == CLASSES
    assert sorted(train.notes) == [
        "Left out: grey: the folder is empty.",
        "Left out: white/notes.txt: it is no JPEG, PNG, WebP, BMP or GIF file.",
    ]


def test_a_test_class_that_training_lacks_is_refused_by_name(tmp_path: Path, home: Home):
    write_pictures(tmp_path / "data" / "train")
    write_pictures(tmp_path / "data" / "test", ["grey", "red"])
    assert "“grey”" in refused(tmp_path / "data", home)


def test_an_empty_test_folder_is_named_and_a_part_of_the_training_images_kept_for_testing(tmp_path: Path, home: Home):
    data = write_pictures(tmp_path / "data" / "train", count=5).parent
    for name in CLASSES:
        (data / "test" / name).mkdir(parents=True)
    train, test = load(data, home)
    assert (len(train), len(test)) == (12, 3)
    assert sorted(train.notes) == [f"Left out: test/{name}: the folder is empty." for name in CLASSES]


def test_a_class_name_that_is_no_text_is_refused_in_words(pictures: Path, home: Home):
    os.rename(pictures / "red", os.fsencode(pictures) + b"/caf\xe9")  # as an old archive leaves it
    refused(pictures, home)


def test_a_file_whose_name_is_no_text_is_left_out_and_named_and_the_rest_goes_on(pictures: Path, home: Home):
    os.rename(pictures / "red" / "001.png", os.fsencode(pictures) + b"/red/caf\xe9.png")
    train, test = load(pictures, home)
    assert len(train) + len(test) == 29 and len(train.notes) == 1 and "red/caf?.png" in train.notes[0]


def test_unreadable_files_are_left_out_and_named_and_the_rest_goes_on(pictures: Path, home: Home):
    (pictures / "red" / "diary.jpg").write_text("no picture")
    (pictures / "blue" / "cut.png").write_bytes((pictures / "blue" / "001.png").read_bytes()[:300])
    (pictures / "blue" / "void.gif").write_bytes(b"")
    train, test = load(pictures, home)
    info = PathSource(pictures, home).info
    assert (info.train_count, info.test_count) == (len(train), len(test)) == (24, 6)
    notes = " ".join(train.notes + test.notes)
    assert len(train.notes + test.notes) == 3 and notes.count("Left out: ") == 3
    assert "red/diary.jpg is not an image" in notes and "blue/cut.png is damaged" in notes and "blue/void.gif is empty" in notes
    for part in (train, test):
        assert np.array_equal(nearest_colours(part), part.labels)


def test_twenty_unreadable_files_are_named_and_more_are_counted(tmp_path: Path, home: Home):
    data = write_pictures(tmp_path / "data" / "train").parent
    write_pictures(data / "test")
    for index in range(33):
        (data / "train" / "red" / f"broken{index:02d}.png").write_text("no picture")
    train, test = load(data, home)
    assert len(train) == 30 and test.notes == ()
    assert len(train.notes) == 21 and train.notes[-1] == "Left out: 13 more files."


def test_a_class_of_which_nothing_can_be_read_is_refused_by_name(pictures: Path, home: Home):
    for path in (pictures / "green").iterdir():
        path.write_text("no picture")
    assert "class “green”" in refused(pictures, home)


def test_a_class_whose_only_readable_image_is_for_testing_is_refused_by_name(tmp_path: Path, home: Home):
    data = write_pictures(tmp_path / "data" / "train").parent
    write_pictures(data / "test", seed=1)
    for path in (data / "train" / "green").iterdir():
        path.write_text("no picture")
    assert "class “green”" in refused(data, home)


def test_test_images_of_which_none_can_be_read_are_refused(tmp_path: Path, home: Home):
    data = write_pictures(tmp_path / "data" / "train").parent
    for path in write_pictures(data / "test").glob("*/*"):
        path.write_text("no picture")
    assert "None of the test images" in refused(data, home)


def test_linked_images_and_linked_class_folders_are_not_followed(tmp_path: Path, pictures: Path, home: Home):
    outside = write_pictures(tmp_path / "outside", ["grey"])
    (pictures / "grey").symlink_to(outside / "grey")
    (pictures / "red" / "linked.png").symlink_to(outside / "grey" / "001.png")
    train, test = load(pictures, home)
    assert PathSource(pictures, home).info.classes == CLASSES
    assert len(train) + len(test) == 30


def test_a_linked_class_folder_of_the_test_part_is_not_followed(tmp_path: Path, home: Home):
    write_pictures(tmp_path / "data" / "train")
    write_pictures(tmp_path / "data" / "test", ["blue", "green"], count=3)
    outside = write_pictures(tmp_path / "outside", ["red"])
    (tmp_path / "data" / "test" / "red").symlink_to(outside / "red")
    assert PathSource(tmp_path / "data", home).info.test_count == 6


def test_hidden_folders_are_ignored_and_other_files_named(pictures: Path, home: Home):
    before = PathSource(pictures, home).info
    write_pictures(pictures / ".cache", ["grey"])
    (pictures / ".git").mkdir()
    (pictures / "readme.md").write_text("about")
    (pictures / "red" / "labels.csv").write_text("a,b")
    assert PathSource(pictures, home).info == before
    train, _ = load(pictures, home)
    notes = " ".join(train.notes)
    assert len(train.notes) == 2 and "readme.md" in notes and "red/labels.csv" in notes


def test_images_in_deeper_folders_count_for_their_class(pictures: Path, home: Home):
    for path in write_pictures(pictures / "red" / "from" / "camera", ["red"], count=5, seed=7).glob("red/*"):
        path.rename(path.parents[1] / path.name)
    train, test = load(pictures, home)
    assert PathSource(pictures, home).info.classes == CLASSES
    assert np.bincount(np.concatenate((train.labels, test.labels))).tolist() == [10, 10, 15]
    for part in (train, test):
        assert np.array_equal(nearest_colours(part), part.labels)


def test_the_same_folder_gives_the_same_parts_every_time(tmp_path: Path, home: Home):
    one, other = write_pictures(tmp_path / "one"), tmp_path / "other"
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
    data = write_pictures(tmp_path / "data", ["blue", "red"], count=5, size=size)
    assert PathSource(data, home).info.image_size == side
    train, _ = load(data, home)
    assert PathSource(data, home).info.image_size == side
    assert train.images.shape == (8, side, side, 3)


def test_images_of_different_sizes_are_scaled_to_64(tmp_path: Path, home: Home):
    data = write_pictures(tmp_path / "data", ["blue"], size=(16, 16))
    write_pictures(data, ["red"], size=(24, 24))
    assert PathSource(data, home).info.image_size == 64


@pytest.mark.parametrize("is_loaded", [False, True], ids=["as listed", "as imported"])
def test_the_fingerprint_changes_with_a_files_content_or_class(pictures: Path, home: Home, is_loaded: bool):
    def fingerprint() -> str:
        if is_loaded:
            load(pictures, home)
        return PathSource(pictures, home).info.fingerprint

    first = fingerprint()
    assert fingerprint() == first
    with (pictures / "red" / "001.png").open("ab") as file:
        file.write(b"\0")
    grown = fingerprint()
    (pictures / "red" / "001.png").rename(pictures / "blue" / "moved.png")
    moved = fingerprint()
    assert len({first, grown, moved}) == 3


def test_an_added_file_is_found_at_the_next_load(pictures: Path, home: Home):
    train, test = load(pictures, home)
    write_pictures(pictures, ["red"], count=15, seed=3)
    again, tested = load(pictures, home)
    assert (len(train) + len(test), len(again) + len(tested)) == (30, 35)


def test_the_first_load_imports_into_the_studio_home_and_the_next_ones_read_no_file(pictures: Path, home: Home):
    source = PathSource(pictures, home)
    assert not source.is_imported and not home.root.exists()
    first, _ = load(pictures, home)
    again = PathSource(pictures, home)
    assert again.is_imported and again.folder.parent == home.data / "sets"
    for path in pictures.glob("*/*"):  # of the same length, so that only a reader would notice
        path.write_bytes(bytes(path.stat().st_size))
    seen, images = drain(PathSource(pictures, home).load("train"))
    assert np.array_equal(images.images, first.images)
    assert isinstance(images.pool, np.memmap) and not images.pool.flags.writeable
    assert [progress.stage for progress in seen] == ["Opening the images"]


def test_a_folder_that_is_gone_is_still_there_once_it_was_imported(pictures: Path, home: Home):
    train, test = load(pictures, home)
    info = PathSource(pictures, home).info
    shutil.rmtree(pictures)
    for before, after in zip((train, test), load(pictures, home), strict=True):
        assert np.array_equal(before.images, after.images) and np.array_equal(before.labels, after.labels)
    assert PathSource(pictures, home).info == info


@pytest.mark.parametrize("above", ["", "everything/"])
def test_a_zip_gives_the_same_images_as_the_folder_that_was_packed(pictures: Path, home: Home, tmp_path: Path, above: str):
    archive = pack(pictures, tmp_path / "packed.zip", above)
    for mine, theirs in zip(load(pictures, home), load(archive, home), strict=True):
        assert np.array_equal(mine.images, theirs.images) and np.array_equal(mine.labels, theirs.labels)
    assert PathSource(archive, home).info.fingerprint == PathSource(pictures, home).info.fingerprint


def test_a_file_that_is_no_zip_is_refused_in_words(home: Home, tmp_path: Path):
    (tmp_path / "notes.zip").write_text("no archive at all")
    assert "notes.zip" in refused(tmp_path / "notes.zip", home)


def test_who_comes_while_another_process_imports_the_same_folder_waits_for_it(pictures: Path, home: Home):
    source = PathSource(pictures, home)
    home.staging_folder(source.folder.name).mkdir(parents=True)
    with try_lock(home.staging_folder(source.folder.name).with_name(f".{source.folder.name}.lock")) as is_mine:
        loading = source.load("train")
        assert is_mine and {next(loading).stage for _ in range(2)} == {"Another process is importing these images"}
    assert len(finish(loading)) == 24


def test_loading_reports_how_far_it_is_and_goes_on_from_there_when_it_was_left(pictures: Path, home: Home):
    for path in (pictures / "red").glob("*.png"):
        for copy in range(300):
            os.link(path, path.with_name(f"{path.stem}-{copy}.png"))
    loading = PathSource(pictures, home).load("train")
    while next(loading).stage != "Reading images":
        pass
    loading.close()
    assert not PathSource(pictures, home).is_imported
    seen, images = drain(PathSource(pictures, home).load("train"))
    assert all(isinstance(progress, Progress) and progress.done <= progress.total for progress in seen)
    reading = [progress for progress in seen if progress.stage == "Reading images"]
    assert {progress.total for progress in reading} == {1530} and [progress.done for progress in reading] == [1530]  # the rest
    assert len(images) == 1530 - round(1510 * 0.2) - 4


def test_loading_changes_nothing_in_the_folder(pictures: Path, home: Home):
    def state() -> list[tuple[str, int, int, bytes]]:
        return [(str(p), p.stat().st_mtime_ns, p.stat().st_mode, p.read_bytes()) for p in sorted(pictures.glob("*/*"))]

    before, folders = state(), sorted(str(p) for p in pictures.rglob("*"))
    load(pictures, home)
    assert state() == before and sorted(str(p) for p in pictures.rglob("*")) == folders
