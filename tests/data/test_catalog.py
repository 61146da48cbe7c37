"""The catalogue: names, folders and archives become sources, anything else a sentence."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cnn_core.config.schema import TrainConfig
from cnn_core.data.catalog import CATALOG, defaults_for
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.names import canonical_name
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.helpers import is_a_sentence


@pytest.mark.parametrize("name", CATALOG)
def test_every_entry_opens_a_source_whose_facts_fit_its_name(home: Home, name: str):
    info = open_source(name, home).info
    assert info.name == name and len(info.classes) == len(set(info.classes)) >= 2
    assert info.train_count > 0 and info.test_count > 0 and info.channels in (1, 3)
    entry = CATALOG[name]
    assert entry.title and entry.licence and entry.help.endswith(".") and info == entry.info
    assert not info.fingerprint  # nothing is there yet, so no run can have used it


@pytest.mark.parametrize("name", CATALOG)
def test_every_entrys_defaults_are_settings_that_are_accepted(name: str):
    TrainConfig(data=name, **defaults_for(name))
    defaults_for(name)["seed"] = 99  # what is handed out is a copy
    assert "seed" not in defaults_for(name)


@pytest.mark.parametrize("name", ["cifar10", "mnist", "fashion-mnist"])
def test_sample_images_are_one_image_of_each_class_in_the_sets_own_size(name: str):
    samples, info = CATALOG[name].samples(), CATALOG[name].info
    assert samples.shape[:3] == (len(info.classes), info.image_size, info.image_size)
    assert samples.ndim == (4 if info.channels == 3 else 3) and samples.dtype == np.uint8
    assert len({image.tobytes() for image in samples}) == len(samples) and all(image.std() > 20 for image in samples)


def test_a_set_whose_images_are_not_carried_has_no_samples():
    assert CATALOG["svhn"].samples() is None and CATALOG["digits"].samples() is None


@pytest.mark.parametrize("name", CATALOG)
def test_opening_a_set_downloads_nothing_and_makes_no_folder(home: Home, name: str):
    assert open_source(name, home).info.train_count == CATALOG[name].info.train_count
    assert not home.root.exists()


def test_all_digits_but_no_other_images_are_ink():
    assert {name: CATALOG[name].info.ink for name in CATALOG if CATALOG[name].info.ink} == {"digits": "uci", "mnist": "mnist"}
    assert all(CATALOG[name].info.channels == 1 for name in ("digits", "mnist", "fashion-mnist"))


def test_a_folder_is_a_source_however_it_is_written(image_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(image_folder.parent)
    monkeypatch.setenv("HOME", str(image_folder.parent))
    facts = [open_source(name).info for name in (str(image_folder), "pictures", "./pictures/", "~/pictures", "pictures/red/..")]
    assert facts == [facts[0]] * 5 and facts[0].train_count == 24
    assert defaults_for(str(image_folder)) == {}


def test_a_zip_is_a_source_as_a_folder_is(home: Home, image_folder: Path, tmp_path: Path):
    shutil.make_archive(str(tmp_path / "packed"), "zip", image_folder)
    folder, archive = open_source(str(image_folder), home), open_source(str(tmp_path / "packed.zip"), home)
    assert archive.info.classes == folder.info.classes and archive.info.train_count == folder.info.train_count == 24


def test_an_imported_set_is_a_source_by_its_name_wherever_one_is(
    home: Home, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    finish(import_files("colours", image_folder, ImportOptions(), home))
    (tmp_path / "colours").mkdir()
    monkeypatch.chdir(tmp_path)  # a folder of that name is not meant
    assert canonical_name("colours") == "colours" and canonical_name("./colours") == str(tmp_path / "colours")
    info = open_source("colours", home).info
    assert (info.name, info.classes, info.train_count, info.test_count) == ("colours", ("blue", "green", "red"), 24, 6)
    assert TrainConfig(data="colours").data == "colours" and defaults_for("colours") == {}


def test_a_name_is_recorded_as_it_is_and_a_folder_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert canonical_name("digits") == "digits" and canonical_name("") == ""
    assert canonical_name("my/photos") == str(tmp_path.resolve() / "my" / "photos")


@pytest.mark.parametrize("name", ["didgits", "/no/such/folder", "", "a\0b", "~nobody-of-that-name/x", "x" * 5000])
def test_what_is_neither_a_name_nor_a_folder_is_refused_with_a_message(name: str):
    with pytest.raises(DataError) as refusal:
        open_source(name)
    assert is_a_sentence(refusal.value) and "digits, cifar10" in str(refusal.value) and len(str(refusal.value)) < 600


def test_a_file_that_is_no_zip_is_refused_with_a_message():
    with pytest.raises(DataError, match="test_catalog.py") as refusal:
        open_source(__file__)
    assert is_a_sentence(refusal.value)
