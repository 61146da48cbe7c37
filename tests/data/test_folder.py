"""A folder of images: its classes and parts, what is left out, what is refused, and that nothing in it is followed or changed."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.folder import FolderSource
from cnn_core.data.source import ImageSet, finish
from cnn_core.errors import DataError
from tests.helpers import COLOURS, drain, is_a_sentence, write_pictures


def load(folder: Path) -> tuple[ImageSet, ImageSet]:
    source = FolderSource(folder)
    return finish(source.load("train")), finish(source.load("test"))


def refused(folder: Path) -> str:
    """The sentence with which the folder is refused, at once or when it is loaded."""
    with pytest.raises(DataError) as refusal:
        load(folder)
    assert is_a_sentence(refusal.value)
    return str(refusal.value)


def test_class_folders_alone_give_a_fifth_of_every_class_for_testing(pictures: Path):
    info = FolderSource(pictures).info
    train, test = load(pictures)
    assert info.classes == ("blue", "green", "red") and info.channels == 3 and not info.ink and info.name == "pictures"
    assert (info.train_count, info.test_count) == (len(train), len(test)) == (24, 6)
    assert np.bincount(test.labels).tolist() == [2, 2, 2]
    assert train.notes == test.notes == ()


def test_every_image_comes_once_with_its_own_class(pictures: Path):
    train, test = load(pictures)
    together = np.concatenate((train.images, test.images))
    assert len({image.tobytes() for image in together}) == 30
    assert together.dtype == np.uint8 and together.shape == (30, 16, 16, 3) and train.labels.dtype == np.int64
    colours = np.array([COLOURS[name] for name in ("blue", "green", "red")])
    for part in (train, test):
        distance = np.abs(part.images.mean((1, 2))[:, None] - colours).sum(2)
        assert np.array_equal(distance.argmin(1), part.labels)


def test_train_and_test_folders_are_taken_as_they_are(tmp_path: Path):
    write_pictures(tmp_path / "train", count=5)
    write_pictures(tmp_path / "test", count=3, seed=1)
    info = FolderSource(tmp_path).info
    train, test = load(tmp_path)
    assert (info.train_count, info.test_count) == (len(train), len(test)) == (15, 9)
    expected = write_pictures(tmp_path / "alone", count=3, seed=1)
    shown = np.asarray(Image.open(expected / "blue" / "001.png"))
    assert any(np.array_equal(image, shown) for image in test.images)
    assert not any(np.array_equal(image, shown) for image in train.images)


def test_images_come_in_the_order_of_their_classes_and_names(tmp_path: Path):
    write_pictures(tmp_path / "train", count=12)
    write_pictures(tmp_path / "test", count=12, seed=1)
    for part, images in zip(("train", "test"), load(tmp_path), strict=True):
        files = sorted((tmp_path / part).glob("*/*"))
        assert images.labels.tolist() == [("blue", "green", "red").index(path.parent.name) for path in files]
        for image, path in zip(images.images, files, strict=True):
            assert path.suffix == ".jpg" or np.array_equal(image, np.asarray(Image.open(path)))


def test_a_train_folder_without_a_test_folder_gives_a_fifth_for_testing(tmp_path: Path):
    write_pictures(tmp_path / "train", count=5)
    info = FolderSource(tmp_path).info
    assert (info.classes, info.train_count, info.test_count) == (("blue", "green", "red"), 12, 3)


def test_a_test_folder_may_lack_a_class(tmp_path: Path):
    write_pictures(tmp_path / "train", count=5)
    write_pictures(tmp_path / "test", ["red"], count=3)
    _, test = load(tmp_path)
    assert test.labels.tolist() == [2, 2, 2]


def test_an_empty_folder_and_one_class_are_too_few(tmp_path: Path):
    assert "no class folders" in refused(tmp_path)
    write_pictures(tmp_path, ["red"])
    assert "only one class folder (“red”)" in refused(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path):
    assert "cannot be opened" in refused(tmp_path / "gone")


def test_a_class_folder_without_images_is_refused_by_name(pictures: Path):
    (pictures / "grey").mkdir()
    (pictures / "grey" / "notes.txt").write_text("nothing to see")
    assert str(pictures / "grey") in refused(pictures)


def test_a_test_class_that_training_lacks_is_refused_by_name(tmp_path: Path):
    write_pictures(tmp_path / "train")
    write_pictures(tmp_path / "test", ["grey", "red"])
    assert "“grey”" in refused(tmp_path)


def test_an_empty_test_folder_is_refused(tmp_path: Path):
    write_pictures(tmp_path / "train")
    for name in ("blue", "green", "red"):
        (tmp_path / "test" / name).mkdir(parents=True)
    assert f"{tmp_path / 'test'} holds no images" in refused(tmp_path)


def test_a_class_name_that_is_no_text_is_refused_in_words(pictures: Path):
    os.rename(pictures / "red", os.fsencode(pictures) + b"/caf\xe9")  # as an old archive leaves it
    refused(pictures)


def test_a_file_name_that_is_no_text_is_read_like_any_other(pictures: Path):
    os.rename(pictures / "red" / "001.png", os.fsencode(pictures) + b"/red/caf\xe9.png")
    train, test = load(pictures)
    assert len(train) + len(test) == 30 and train.notes == test.notes == ()


def test_unreadable_files_are_left_out_and_named_and_the_rest_goes_on(pictures: Path):
    (pictures / "red" / "diary.jpg").write_text("no picture")
    (pictures / "blue" / "cut.png").write_bytes((pictures / "blue" / "001.png").read_bytes()[:300])
    (pictures / "blue" / "void.gif").write_bytes(b"")
    train, test = load(pictures)
    assert len(train) + len(test) == 30
    notes = " ".join(train.notes + test.notes)
    assert len(train.notes + test.notes) == 3 and notes.count("Left out: ") == 3
    assert "red/diary.jpg is not an image" in notes and "blue/cut.png is damaged" in notes and "blue/void.gif is empty" in notes
    distance = np.abs(train.images.mean((1, 2))[:, None] - np.array([COLOURS[name] for name in ("blue", "green", "red")])).sum(2)
    assert np.array_equal(distance.argmin(1), train.labels)


def test_twenty_unreadable_files_are_named_and_more_are_counted(tmp_path: Path):
    write_pictures(tmp_path / "train")
    write_pictures(tmp_path / "test")
    for index in range(33):
        (tmp_path / "train" / "red" / f"broken{index:02d}.png").write_text("no picture")
    train, test = load(tmp_path)
    assert len(train) == 30 and test.notes == ()
    assert len(train.notes) == 21 and train.notes[-1] == "Left out: 13 more unreadable files."


def test_a_class_of_which_nothing_can_be_read_is_refused_by_name(pictures: Path):
    for path in (pictures / "green").iterdir():
        path.write_text("no picture")
    assert "class “green”" in refused(pictures)


def test_test_images_of_which_none_can_be_read_are_refused(tmp_path: Path):
    write_pictures(tmp_path / "train")
    for path in write_pictures(tmp_path / "test").glob("*/*"):
        path.write_text("no picture")
    assert "None of the test images" in refused(tmp_path)


def test_linked_images_and_linked_class_folders_are_not_followed(tmp_path: Path, pictures: Path):
    outside = write_pictures(tmp_path / "outside", ["grey"])
    (pictures / "grey").symlink_to(outside / "grey")
    (pictures / "red" / "linked.png").symlink_to(outside / "grey" / "001.png")
    info = FolderSource(pictures).info
    assert info.classes == ("blue", "green", "red")
    assert info.train_count + info.test_count == 30


def test_a_linked_class_folder_of_the_test_part_is_not_followed(tmp_path: Path):
    write_pictures(tmp_path / "data" / "train")
    write_pictures(tmp_path / "data" / "test", ["blue", "green"], count=3)
    outside = write_pictures(tmp_path / "outside", ["red"])
    (tmp_path / "data" / "test" / "red").symlink_to(outside / "red")
    assert FolderSource(tmp_path / "data").info.test_count == 6


def test_hidden_folders_and_other_files_are_ignored(pictures: Path):
    before = FolderSource(pictures).info
    write_pictures(pictures / ".cache", ["grey"])
    (pictures / ".git").mkdir()
    (pictures / "readme.md").write_text("about")
    (pictures / "red" / "labels.csv").write_text("a,b")
    write_pictures(pictures / "red" / "deeper", ["grey"])
    assert FolderSource(pictures).info == before


def test_the_same_folder_gives_the_same_parts_every_time(tmp_path: Path):
    one, other = write_pictures(tmp_path / "one"), tmp_path / "other"
    for path in sorted(one.glob("*/*"), key=lambda path: path.name[::-1] + path.parent.name, reverse=True):
        (other / path.parent.name).mkdir(parents=True, exist_ok=True)
        (other / path.parent.name / path.name).write_bytes(path.read_bytes())  # the same files, made in another order
    for mine, again, theirs in zip(load(one), load(one), load(other), strict=True):
        assert np.array_equal(mine.images, again.images) and np.array_equal(mine.labels, again.labels)
        assert np.array_equal(mine.images, theirs.images) and np.array_equal(mine.labels, theirs.labels)


@pytest.mark.parametrize(
    ("size", "side"), [((16, 16), 16), ((64, 64), 64), ((8, 8), 8), ((7, 7), 64), ((65, 65), 64), ((20, 16), 64)]
)
def test_squares_of_one_size_keep_it_and_anything_else_is_scaled_to_64(tmp_path: Path, size: tuple[int, int], side: int):
    write_pictures(tmp_path, ["blue", "red"], count=5, size=size)
    train, _ = load(tmp_path)
    assert FolderSource(tmp_path).info.image_size == side
    assert train.images.shape == (8, side, side, 3)


def test_images_of_different_sizes_are_scaled_to_64(tmp_path: Path):
    write_pictures(tmp_path, ["blue"], size=(16, 16))
    write_pictures(tmp_path, ["red"], size=(24, 24))
    assert FolderSource(tmp_path).info.image_size == 64


def test_the_fingerprint_changes_with_a_files_size_name_or_class(pictures: Path):
    first = FolderSource(pictures).info.fingerprint
    assert FolderSource(pictures).info.fingerprint == first
    with (pictures / "red" / "001.png").open("ab") as file:
        file.write(b"\0")
    grown = FolderSource(pictures).info.fingerprint
    (pictures / "red" / "001.png").rename(pictures / "red" / "renamed.png")
    renamed = FolderSource(pictures).info.fingerprint
    (pictures / "red" / "renamed.png").rename(pictures / "blue" / "renamed.png")
    moved = FolderSource(pictures).info.fingerprint
    assert len({first, grown, renamed, moved}) == 4


def test_loading_reports_how_far_it_is_and_can_be_left_in_between(pictures: Path):
    for path in (pictures / "red").glob("*.png"):
        for copy in range(150):
            os.link(path, path.with_name(f"{path.stem}-{copy}.png"))
    loading = FolderSource(pictures).load("train")
    seen, images = drain(loading)
    assert [progress.total for progress in seen] == [len(images)] * 2
    assert [progress.done for progress in seen] == [0, 512]
    left = FolderSource(pictures).load("train")
    next(left)
    left.close()


def test_loading_changes_nothing_in_the_folder(pictures: Path):
    def state() -> list[tuple[str, int, int, bytes]]:
        return [(str(p), p.stat().st_mtime_ns, p.stat().st_mode, p.read_bytes()) for p in sorted(pictures.glob("*/*"))]

    before, folders = state(), sorted(str(p) for p in pictures.rglob("*"))
    load(pictures)
    assert state() == before and sorted(str(p) for p in pictures.rglob("*")) == folders
