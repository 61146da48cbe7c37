"""The sets of a home: what is warned of before training, and taking a set away."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.library import (
    BLANK_IMAGES,
    GREY_CLASSES,
    IN_TWO_CLASSES,
    IN_TWO_SPLITS,
    NO_TEST_IMAGES,
    TOO_FEW_IMAGES,
    DataQuality,
    check_quality,
    imported_sets,
    set_title,
)
from cnn_core.data.set_bin import remove_set
from cnn_core.data.source import finish
from cnn_core.data.statistics import channel_statistics, mean_images
from cnn_core.errors import DataError
from cnn_core.home import Home
from cnn_core.locks import try_lock
from tests.data.imports import encoded, good_files, noise, run_import, write_folder
from tests.helpers import is_a_sentence


def class_of(name: str, count: int, start: int, channels: int = 3) -> dict[str, bytes]:
    return {f"{name}/{number}.png": encoded(noise(start + number, channels=channels)) for number in range(count)}


def health(home: Home, tmp_path: Path, files: dict[str, bytes], **options: object) -> DataQuality:
    found = check_quality(run_import(home, write_folder(tmp_path / "pictures", files), **options))
    assert all(map(is_a_sentence, found.warnings))
    return found


def test_a_good_set_is_not_warned_of(home: Home, tmp_path: Path):
    found = health(home, tmp_path, class_of("a", 20, 0) | class_of("b", 20, 100))
    assert found == DataQuality((), 0, {"same": 0, "near": 0, "across": 0, "labels": 0}, (16, 16, 16, 16), 0, 0, 0)


def test_duplicates_across_splits_and_with_two_classes_are_warned_of(home: Home, tmp_path: Path):
    twice = {"train/a/x.png": encoded(noise(900)), "test/b/x.png": encoded(noise(900))}
    files = {
        f"{split}/{name}": c
        for split, start in (("train", 0), ("test", 300))
        for k in "ab"
        for name, c in class_of(k, 12, start + ord(k) * 1000).items()
    }
    found = health(home, tmp_path, files | twice)
    assert found.pairs == {"same": 1, "near": 0, "across": 1, "labels": 1}
    assert all(any(text in warning for warning in found.warnings) for text in (IN_TWO_SPLITS, IN_TWO_CLASSES))


def test_small_and_untested_classes_are_warned_of_by_name(home: Home, tmp_path: Path):
    found = health(home, tmp_path, class_of("a", 20, 0) | class_of("rare", 1, 100))
    assert any(TOO_FEW_IMAGES in warning and "“rare”" in warning for warning in found.warnings)
    assert any(f"{NO_TEST_IMAGES}: “rare”" in warning and "this class" in warning for warning in found.warnings)


def test_of_many_small_classes_five_are_named(home: Home, tmp_path: Path):
    files = {name: c for number in range(8) for name, c in class_of(f"k{number}", 2, 100 * number).items()}
    (warning,) = [warning for warning in health(home, tmp_path, files).warnings if TOO_FEW_IMAGES in warning]
    assert "“k4” and 3 more" in warning and "“k5”" not in warning


def test_images_of_one_colour_are_named_until_they_are_excluded(home: Home, tmp_path: Path):
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    rising = Image.fromarray(np.tile(np.arange(0, 160, 4, dtype=np.uint8), (40, 1))).convert("RGB")
    blank = {"a/clear.png": encoded(clear), "b/red.png": encoded(Image.new("RGB", (40, 40), "red"))}
    files = class_of("a", 20, 0) | class_of("b", 20, 100) | blank | {"a/rising.png": encoded(rising)}
    source = run_import(home, write_folder(tmp_path / "pictures", files))
    (warning,) = [warning for warning in check_quality(source).warnings if BLANK_IMAGES in warning]
    assert is_a_sentence(warning) and all(name in warning for name in blank) and "rising" not in warning
    rows = [record.row for record in source.index.records("path in ('a/clear.png', 'b/red.png')")]
    source.index.corrections.apply(rows, "is_excluded", 1)
    source = ImportedSource(source.folder)
    assert not any(BLANK_IMAGES in warning for warning in check_quality(source).warnings)


def test_classes_of_very_different_size_are_warned_of(home: Home, tmp_path: Path):
    found = health(home, tmp_path, class_of("a", 150, 0) | class_of("b", 14, 1000))
    assert any("120" in warning and "11" in warning for warning in found.warnings)


def test_grey_images_among_colour_ones_are_warned_of(home: Home, tmp_path: Path):
    files = class_of("a", 20, 0) | class_of("b", 20, 100, channels=1)
    found = health(home, tmp_path, files)
    assert found.grey == 20 and found.warnings == (GREY_CLASSES.format(names="“b”"),)


def grey_files(name: str, count: int, start: int) -> dict[str, bytes]:
    return {path.replace("/", "/grey-"): content for path, content in class_of(name, count, start, channels=1).items()}


@pytest.mark.parametrize("grey", [{"a": 2}, {"a": 8, "b": 8}], ids=["few", "as many in each class"])
def test_grey_images_that_no_class_has_far_more_of_are_not_warned_of(home: Home, tmp_path: Path, grey: dict[str, int]):
    files = class_of("a", 40, 0) | class_of("b", 40, 100)
    for name, count in grey.items():
        files |= grey_files(name, count, 500 + 100 * ord(name))
    found = health(home, tmp_path, files)
    assert found.grey == sum(grey.values()) and found.warnings == ()


def test_sizes_problems_and_corrections_are_counted(home: Home, tmp_path: Path):
    files = (
        class_of("a", 20, 0)
        | class_of("b", 20, 100)
        | {"a/wide.png": encoded(Image.new("RGB", (70, 9), "red")), "a/bad.png": b""}
    )
    found = health(home, tmp_path, files)
    assert found.sizes == (16, 70, 9, 16) and found.skipped == 1
    index = ImportedSource(home.set_folder("mine")).index
    index.corrections.apply([0, 1, 2], "is_excluded", 1)
    index.corrections.apply([3], "label", 1)
    now = check_quality(ImportedSource(home.set_folder("mine")))
    assert (now.excluded, now.relabelled) == (3, 1)


def test_a_set_with_every_image_excluded_can_still_be_examined(home: Home, tmp_path: Path):
    source = run_import(home, write_folder(tmp_path / "pictures", good_files(3)))
    source.index.corrections.apply(range(6), "is_excluded", 1)
    found = check_quality(ImportedSource(source.folder))
    assert found.excluded == 6 and all(map(is_a_sentence, found.warnings))


def test_sets_are_listed_when_they_are_whole(home: Home, tmp_path: Path):
    assert imported_sets(home) == []
    folder = write_folder(tmp_path / "My pictures", good_files())
    for name in ("two", "one"):
        run_import(home, folder, name)
    importing = import_files("half", folder, ImportOptions(), home)
    for _ in range(3):
        next(importing)
    assert imported_sets(home) == ["one", "two"] and set_title("one", home) == "one"
    importing.close()


def test_removing_a_set_leaves_the_originals_and_other_sets(home: Home, tmp_path: Path):
    folder = write_folder(tmp_path / "pictures", good_files())
    for name in ("one", "two"):
        run_import(home, folder, name)
    remove_set("one", home)
    assert imported_sets(home) == ["two"] and not home.set_folder("one").exists()
    assert {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")} == good_files()
    assert run_import(home, folder, "one").info.train_count


@pytest.mark.parametrize("name", ["nothing", "../sets", "", "A"])
def test_what_is_no_set_cannot_be_removed(name: str, home: Home, tmp_path: Path):
    run_import(home, write_folder(tmp_path / "pictures", good_files()))
    with pytest.raises(DataError) as refusal:
        remove_set(name, home)
    assert is_a_sentence(refusal.value) and imported_sets(home) == ["mine"]


def test_a_set_that_is_in_use_is_not_removed(home: Home, tmp_path: Path):
    run_import(home, write_folder(tmp_path / "pictures", good_files()))
    with try_lock(home.data / "importing" / ".mine.lock"), pytest.raises(DataError, match="“mine”") as refusal:
        remove_set("mine", home)
    assert is_a_sentence(refusal.value) and imported_sets(home) == ["mine"]


def test_statistics_are_those_of_the_pixels(home: Home, tmp_path: Path):
    images = finish(run_import(home, write_folder(tmp_path / "pictures", good_files(10))).load("train"))
    mean, deviation = channel_statistics(images)
    assert np.allclose(mean, images[:].mean((0, 1, 2)) / 255) and np.allclose(deviation, images[:].std((0, 1, 2)) / 255)
    means = mean_images(images, 3)
    for label in (0, 1):
        assert np.abs(means[label] - images[:][images.labels == label].mean(0)).max() <= 0.5
    assert not means[2].any()


def test_the_list_of_imports_is_light():
    script = "import sys; import cnn_core.data.jobs; assert not {'torch', 'PIL', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
