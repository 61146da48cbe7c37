"""Importing folders, zips and arrays: pixels, splits and names."""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnn_core.data import parallel_decoding
from cnn_core.data.decoder import to_pixels
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import MAX_SIZE, MIN_SIZE, UNREADABLE_TEST_IMAGES, ImportOptions, import_arrays, import_files
from cnn_core.data.source import finish
from cnn_core.data.split_changes import resplit
from cnn_core.errors import DataError
from cnn_core.home import IMAGES, INDEX, Home
from tests.data.imports import (
    are_same,
    encoded,
    good_files,
    imported_names,
    noise,
    refused_import,
    run_import,
    write_folder,
    write_zip,
)
from tests.helpers import drain, is_a_sentence, start_process

# Pixels.


def test_images_of_one_size_are_kept_as_they_are(home: Home, tmp_path: Path):
    source = run_import(home, write_folder(tmp_path / "pictures", good_files(4)))
    assert source.info.image_size == 16 and source.info.channels == 3 and source.info.name == "mine"
    for item in source.index.records():
        with Image.open(tmp_path / "pictures" / item.path) as image:
            assert np.array_equal(source.pool[item.row], np.asarray(image))
        assert (item.width, item.height) == (16, 16) and source.info.classes[item.label] == item.path.partition("/")[0]


@pytest.mark.parametrize(("sides", "size"), [((16, 16), 16), ((64, 64), 64), ((65, 65), 64), ((15, 15), 64), ((20, 30), 64)])
def test_the_size_is_what_the_images_have_in_common_or_64(sides: tuple[int, int], size: int, home: Home, tmp_path: Path):
    files = {f"{name}/{side}{number}.png": encoded(noise(number, side)) for name in "ab" for number in (1, 2) for side in sides}
    assert run_import(home, write_folder(tmp_path / "pictures", files)).info.image_size == size


def test_images_that_are_not_square_become_64_pixels(home: Home, tmp_path: Path):
    wide = encoded(Image.new("RGB", (30, 20), "red"))
    assert run_import(home, write_folder(tmp_path / "pictures", {"a/1.png": wide, "b/1.png": wide})).info.image_size == 64


@pytest.mark.parametrize("size", [MIN_SIZE, 17, MAX_SIZE])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_images_are_cropped_padded_or_stretched_as_chosen(fit: Any, size: int, home: Home, tmp_path: Path):
    image = Image.fromarray(np.dstack([np.tile(np.arange(90, dtype=np.uint8), (40, 1))] * 3))
    files = good_files() | {"cat/wide.png": encoded(image)}
    source = run_import(home, write_folder(tmp_path / "pictures", files), fit=fit, image_size=size)
    (item,) = source.index.records("path = 'cat/wide.png'")
    assert np.array_equal(source.pool[item.row], to_pixels(image, size, 3, fit))
    assert (item.width, item.height) == (90, 40) and source.info.fit == fit and source.info.image_size == size
    first, middle = source.pool[item.row][size // 2, 0, 0], source.pool[item.row][0, size // 2, 0]
    assert {"crop": first > 20, "pad": middle == 0, "stretch": first < 4 and middle > 30}[fit]


def test_grey_images_stay_grey_unless_colour_is_chosen(home: Home, tmp_path: Path):
    files = {f"{name}/{number}.png": encoded(noise(number + ord(name), channels=1)) for name in "ab" for number in range(3)}
    folder = write_folder(tmp_path / "pictures", files)
    grey, colour = run_import(home, folder, "grey"), run_import(home, folder, "colour", colour="colour")
    assert grey.info.channels == 1 and grey.pool.shape == (6, 16, 16, 1)
    assert colour.info.channels == 3 and np.array_equal(colour.pool, np.repeat(grey.pool, 3, axis=3))
    assert colour.index.summary()["grey"] == 6


def test_one_colour_image_makes_the_set_colour_unless_grey_is_chosen(home: Home, tmp_path: Path):
    files = {f"{name}/{number}.png": encoded(noise(number + ord(name), channels=1)) for name in "ab" for number in range(3)}
    folder = write_folder(tmp_path / "pictures", files | {"a/9.png": encoded(noise(9))})
    source = run_import(home, folder)
    assert source.info.channels == 3 and source.index.summary()["grey"] == 6
    assert run_import(home, folder, "grey", colour="grey").info.channels == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_size": 15},
        {"image_size": 225},
        {"image_size": -1},
        {"fit": "melt"},
        {"colour": "red"},
        {"test_share": 0},
        {"test_share": 0.95},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]):
    with pytest.raises(DataError) as refusal:
        ImportOptions(**wrong)
    assert is_a_sentence(refusal.value)


def test_a_folder_and_a_zip_of_it_become_the_same_images(home: Home, tmp_path: Path):
    folder, archive = write_folder(tmp_path / "pictures", good_files(8)), write_zip(tmp_path / "pictures.zip", good_files(8))
    one, other = run_import(home, folder, "one"), run_import(home, archive, "other")
    assert are_same(one, other) and one.facts["title"] == other.facts["title"] == "pictures"


def test_worker_processes_read_what_one_process_reads(
    folder: Path, home: Home, small_chunks: None, monkeypatch: pytest.MonkeyPatch
):
    alone = run_import(home, folder, "alone")
    monkeypatch.setattr(parallel_decoding, "MAX_IN_PROCESS", 10)
    assert are_same(alone, run_import(home, folder, "helped"))
    archive = write_zip(folder.parent / "pictures.zip", good_files(40) | {"cat/broken.png": b"no image"})
    assert are_same(alone, run_import(home, archive, "zipped"))


def test_worker_processes_do_not_run_the_script_that_started_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script, main = tmp_path / "page.py", ModuleType("__main__")  # as Streamlit sets it while a page runs
    script.write_text("from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n")
    main.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    with parallel_decoding.worker_processes(parallel_decoding.MAX_IN_PROCESS + 1) as pool:
        assert pool and pool.submit(os.getpid).result(timeout=60) != os.getpid()
    assert list(tmp_path.iterdir()) == [script] and sys.modules["__main__"] is main


def test_the_original_files_are_only_read(folder: Path, home: Home):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.png")}
    run_import(home, folder)
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.png")}


def test_a_set_outlives_the_files_that_it_was_made_of(folder: Path, home: Home):
    run_import(home, folder)
    shutil.rmtree(folder)
    images = finish(ImportedSource(home.set_folder("mine")).load("train"))
    assert len(images) == 64 and images[:].shape == (64, 16, 16, 3)
    assert any("cat/broken.png" in note for note in images.notes)


def test_arrays_become_a_set(home: Home):
    rng = np.random.default_rng(0)
    parts = {
        split: (rng.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8), np.arange(count) % 3)
        for split, count in (("train", 30), ("val", 6), ("test", 9))
    }
    drain(import_arrays("made", parts, {"title": "Made", "classes": ["a", "b", "c"]}, home))
    source = ImportedSource(home.set_folder("made"))
    for split, (images, labels) in parts.items():
        loaded = finish(source.load(split))
        assert np.array_equal(loaded[:], images) and np.array_equal(loaded.labels, labels)
    assert (source.info.train_count, source.info.val_count, source.info.test_count) == (30, 6, 9)


# The split.


def test_a_fraction_of_every_class_is_the_test_split_fixed_by_the_seed(folder: Path, home: Home):
    tests = []
    for name, chosen in (("one", {}), ("two", {}), ("three", {"seed": 1}), ("four", {"test_share": 0.5})):
        source = run_import(home, folder, name, **chosen)
        table = source.index.counts_by_split()
        assert (
            table["test"][0] == table["test"][1] == (20 if chosen.get("test_share") else 8)
            and table["train"][0] + table["test"][0] == 40
        )
        tests.append((source.index.used_rows("test")[0].tolist(), source.info.fingerprint))
    assert tests[0] == tests[1] and tests[0] != tests[2] and len({mark for _, mark in tests}) == 3


def test_the_splits_of_the_source_are_used(home: Home, tmp_path: Path):
    files = {f"{split}/{name}": content for split in ("train", "val", "test") for name, content in good_files(3).items()}
    source = run_import(home, write_folder(tmp_path / "pictures", files))
    assert (source.info.train_count, source.info.val_count, source.info.test_count) == (6, 6, 6)
    assert all(item.path.startswith(("train", "val", "test")[item.split]) for item in source.index.records())
    assert source.facts["has_parts"]


def test_validation_images_stay_so_when_the_rest_is_split(home: Home, tmp_path: Path):
    files = {f"{split}/{name}": content for split in ("train", "val") for name, content in good_files(10).items()}
    source = run_import(home, write_folder(tmp_path / "pictures", files))
    assert (source.info.train_count, source.info.val_count, source.info.test_count) == (16, 20, 4)
    resplit(source.index, 0.5, 3)
    source = ImportedSource(source.folder)
    assert (source.info.train_count, source.info.val_count, source.info.test_count) == (10, 20, 10)


def test_splitting_anew_is_another_version_and_splitting_back_the_first_one(folder: Path, home: Home):
    source = run_import(home, folder)
    first = source.info.fingerprint
    resplit(source.index, 0.5, 7)
    other = ImportedSource(source.folder)
    assert (
        other.info.fingerprint != first and other.info.test_count == 40 and other.facts["split"] == {"test_share": 0.5, "seed": 7}
    )
    resplit(source.index, 0.2, 0)
    assert ImportedSource(source.folder).info.fingerprint == first
    with pytest.raises(DataError):
        resplit(source.index, 1.5, 0)


# Names.


def test_of_two_imports_of_one_name_the_second_is_refused_and_the_first_is_whole(folder: Path, home: Home, small_chunks: None):
    first = import_files("mine", folder, ImportOptions(), home)
    for _ in range(4):
        next(first)
    with pytest.raises(DataError, match="“mine”") as refusal:
        next(import_files("mine", folder, ImportOptions(image_size=32), home))
    assert is_a_sentence(refusal.value)
    drain(first)
    assert are_same(ImportedSource(home.set_folder("mine")), run_import(home, folder, "other"))


def test_of_two_processes_that_import_one_name_one_is_refused(folder: Path, home: Home):
    script = """
import sys, time
from pathlib import Path
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.errors import DataError
from cnn_core.home import Home
try:
    for progress in import_files("mine", Path(sys.argv[1]), ImportOptions(), Home.from_environment()):
        time.sleep(0.1)
    print("whole")
except DataError as refusal:
    print(refusal)
"""
    processes = [start_process(home, "-c", script, str(folder)) for _ in range(2)]
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert answers[0] == "whole" and "“mine”" in answers[1] and is_a_sentence(answers[1])
    assert are_same(ImportedSource(home.set_folder("mine")), run_import(home, folder, "other"))


def test_a_name_that_is_taken_is_refused_and_the_set_untouched(folder: Path, home: Home):
    before = run_import(home, folder).info.fingerprint
    with pytest.raises(DataError, match="“mine”") as refusal:
        run_import(home, folder, image_size=32)
    assert is_a_sentence(refusal.value) and ImportedSource(home.set_folder("mine")).info.fingerprint == before


@pytest.mark.parametrize("name", ["", "..", "../out", "a/b", "Grosse", "a b", ".hidden", "x" * 61, "a\n", "ä", "-x"])
def test_a_name_that_could_be_a_path_is_refused(name: str, folder: Path, home: Home):
    with pytest.raises(DataError, match=re.escape(f"“{name}”")) as refusal:
        next(import_files(name, folder, ImportOptions(), home))
    assert is_a_sentence(refusal.value) and not home.root.exists()


def test_a_source_of_no_use_leaves_no_set(home: Home, tmp_path: Path):
    refused_import(home, tmp_path / "nowhere")
    refused_import(home, write_folder(tmp_path / "single", {"only/1.png": encoded(noise(1))}))
    assert imported_names(home) == []


def test_a_home_that_cannot_be_written_is_refused_with_a_message(folder: Path, home: Home):
    home.root.mkdir()
    home.data.write_text("a file where a folder should be")
    with pytest.raises(DataError, match="“mine”") as refusal:
        next(import_files("mine", folder, ImportOptions(), home))
    assert is_a_sentence(refusal.value)


def test_a_set_that_was_damaged_says_so(folder: Path, home: Home):
    source = run_import(home, folder)
    (source.folder / IMAGES).write_bytes(b"")
    with pytest.raises(DataError, match="“mine”") as refusal:
        finish(ImportedSource(source.folder).load("train"))
    assert is_a_sentence(refusal.value)
    (source.folder / INDEX).unlink()
    with pytest.raises(DataError, match="“mine”"):
        ImportedSource(source.folder)


def test_a_test_folder_of_bad_files_only_is_refused(home: Home, tmp_path: Path):
    files = {f"train/{name}": content for name, content in good_files().items()} | {"test/cat/1.png": b"", "test/dog/1.png": b""}
    assert UNREADABLE_TEST_IMAGES in refused_import(home, write_folder(tmp_path / "pictures", files))


def test_facts_can_be_read_by_anyone(folder: Path, home: Home):
    facts = run_import(home, folder, seed=4).facts
    assert json.loads(json.dumps(facts)) == facts and facts["options"]["seed"] == 4 and facts["classes"] == ["cat", "dog"]
