"""A folder by its path whose files change without their names or sizes, or only seem to change."""

import os
from pathlib import Path

import numpy as np
import pytest

from cnn_core.data.imported import OPENING, ImportedSource
from cnn_core.data.importer import READING
from cnn_core.data.index.index import Index
from cnn_core.data.path_source import COMPARING, PathSource
from cnn_core.home import INDEX, Home
from tests.data.path_images import load
from tests.helpers import COLOURS, drain, noisy_image

NAMES = ("blue", "red")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of images, all files of one size."""
    for name in NAMES:
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(5):
            noisy_image(COLOURS[name], (16, 16), np.random.default_rng(number)).save(tmp_path / "in" / name / f"{number}.bmp")
    return tmp_path / "in"


def stages(folder: Path, home: Home) -> list[str]:
    """The stages of loading, in their order."""
    seen, _ = drain(PathSource(folder, home).load("train"))
    return list(dict.fromkeys(progress.stage for progress in seen))


def mean_red(folder: Path, home: Home) -> list[float]:
    """The mean red value of the training images of each class."""
    train, _ = load(folder, home)
    return [float(train.images[train.labels == label][..., 0].mean()) for label in range(2)]


def rewrite(folder: Path) -> None:
    for number in range(5):
        one, other = (folder / name / f"{number}.bmp" for name in NAMES)
        first, second = one.read_bytes(), other.read_bytes()
        assert len(first) == len(second)
        one.write_bytes(second)
        other.write_bytes(first)


def rename(folder: Path) -> None:
    (folder / "blue").rename(folder / "x")
    (folder / "red").rename(folder / "blue")
    (folder / "x").rename(folder / "red")


def keep_times(folder: Path) -> None:
    times = {path: path.stat() for path in folder.rglob("*.bmp")}
    rewrite(folder)
    for path, facts in times.items():
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("swap", [rewrite, rename, keep_times])
def test_images_that_change_but_keep_name_and_size_are_imported_again(swap, folder: Path, home: Home):
    blue, red = mean_red(folder, home)
    fingerprint = PathSource(folder, home).info.fingerprint
    assert blue < 100 < red
    swap(folder)
    assert not PathSource(folder, home).is_imported
    blue, red = mean_red(folder, home)
    assert red < 100 < blue and PathSource(folder, home).info.fingerprint != fingerprint
    assert stages(folder, home) == [OPENING]


def test_files_that_only_seem_to_change_are_compared_and_the_corrections_stay(folder: Path, home: Home):
    load(folder, home)
    source = ImportedSource(PathSource(folder, home).folder)
    source.index.corrections.apply([0], "is_excluded", 1)
    fingerprint = PathSource(folder, home).info.fingerprint
    for path in folder.rglob("*.bmp"):
        path.write_bytes(path.read_bytes())
        os.utime(path, (1, 1))
    assert not PathSource(folder, home).is_imported
    assert stages(folder, home) == [COMPARING, OPENING] and stages(folder, home) == [OPENING]
    assert PathSource(folder, home).info.fingerprint == fingerprint and fingerprint.count("-") == 1


def test_a_data_set_of_an_earlier_version_stays_and_is_compared_once(folder: Path, home: Home):
    load(folder, home)
    fingerprint, index = PathSource(folder, home).info.fingerprint, Index(PathSource(folder, home).folder / INDEX)
    assert index.facts()["changed"]
    index.set_facts(changed=None)  # like a fact that is not stored
    source = PathSource(folder, home)
    assert source.is_imported and source.info.fingerprint == fingerprint
    assert stages(folder, home) == [COMPARING, OPENING] and stages(folder, home) == [OPENING]
    assert PathSource(folder, home).info.fingerprint == fingerprint


def test_what_changed_under_an_earlier_version_is_imported_again(folder: Path, home: Home):
    load(folder, home)
    rewrite(folder)
    Index(PathSource(folder, home).folder / INDEX).set_facts(changed=None)
    assert READING in stages(folder, home)
    blue, red = mean_red(folder, home)
    assert red < 100 < blue
