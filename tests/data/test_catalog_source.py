"""A set of the catalogue, CIFAR-10, from a real archive in its format, served by a real server on this machine: download, stop, go on,
damage, no network, a file that the person has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from cnn_core.data.catalog import CATALOG
from cnn_core.data.catalog_source import CatalogSource
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.home import IMAGES, Home
from tests.data.download_server import NAME, PER_FILE, Made, Server, left_behind, refused
from tests.helpers import is_a_sentence


def test_the_images_are_those_of_the_archive(source: CatalogSource, made: Made):
    train, test = finish(source.load("train")), finish(source.load("test"))
    names = [f"data_batch_{number}" for number in range(1, 6)]
    for images, files in ((train, names), (test, ["test_batch"])):
        planes = np.concatenate([made.pixels[name] for name in files]).reshape(-1, 3, 32, 32)
        assert images.images.dtype == np.uint8 and images.labels.dtype == np.int64 and images.notes == ()
        assert np.array_equal(images.images, planes.transpose(0, 2, 3, 1))
        assert images.labels.tolist() == [label for name in files for label in made.labels[name]]
    assert len(finish(source.load("val"))) == 0


def test_the_facts_are_those_of_the_real_set(home: Home):
    entry = CATALOG["cifar10"]
    info = CatalogSource(entry, home).info
    assert (info.train_count, info.test_count, info.image_size, info.channels) == (50_000, 10_000, 32, 3)
    assert len(info.classes) == 10 and info.classes[0] == "airplane" and info.classes[9] == "truck" and not info.ink
    (archive,) = entry.archives
    assert (archive.name, archive.md5) == (CIFAR10.filename, CIFAR10.tgz_md5) and CIFAR10.url in archive.urls


def test_once_imported_the_facts_are_those_of_what_is_there(source: CatalogSource):
    before = source.info
    finish(source.load("train"))
    assert source.info == replace(before, train_count=5 * PER_FILE, test_count=PER_FILE, fingerprint=source.info.fingerprint)
    assert source.info.fingerprint


def test_two_who_need_a_set_at_the_same_moment_both_get_it(home: Home):
    first, second = (CatalogSource(CATALOG["digits"], home) for _ in range(2))
    importing = first.ensure_imported()
    next(importing)  # it has not locked the set yet
    finish(second.ensure_imported())
    finish(importing)
    assert first.is_ready and finish(first.load("test")).labels.shape == finish(second.load("test")).labels.shape


def test_a_file_that_the_person_has_is_taken_by_its_checksum_whatever_its_name(
    server: Server, source: CatalogSource, made: Made, tmp_path: Path
):
    mine = tmp_path / "Download (3).bin"
    mine.write_bytes(made.content)
    source.add_archive(mine)
    assert source.missing_archives == ()
    assert len(finish(source.load("train"))) == 5 * PER_FILE
    assert server.ranges == [] and mine.read_bytes() == made.content


def test_a_file_that_is_another_one_or_is_not_there_is_refused_with_a_message(
    source: CatalogSource, made: Made, downloads: Path, tmp_path: Path
):
    (tmp_path / "other.tar.gz").write_bytes(made.content[:-1])
    for file, named in (("other.tar.gz", NAME), ("gone.tar.gz", "gone.tar.gz"), ("", tmp_path.name)):
        with pytest.raises(DataError, match=named) as refusal:
            source.add_archive(tmp_path / file)
        assert is_a_sentence(refusal.value)
    assert left_behind(downloads) == [] and source.missing_archives == (NAME,)


def test_an_archive_that_holds_other_files_is_refused_with_a_message(
    source: CatalogSource, downloads: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", "0" * 32]])
    assert NAME in refused(source)
    assert left_behind(downloads) == [NAME]


def test_an_imported_set_whose_images_are_damaged_is_refused_with_a_message(source: CatalogSource):
    finish(source.load("train"))
    with (source.folder / IMAGES).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="cifar10") as refusal:
        finish(source.load("train"))
    assert is_a_sentence(refusal.value)
