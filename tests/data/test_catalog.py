"""The catalogue: names and folders become sources, anything else a sentence."""

from pathlib import Path

import pytest

from cnn_core.config import TrainConfig
from cnn_core.data.catalog import CATALOG, canonical_name, defaults_for, open_source
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.helpers import is_a_sentence


@pytest.mark.parametrize("name", CATALOG)
def test_every_entry_opens_a_source_whose_facts_fit_its_name(home: Home, name: str):
    info = open_source(name, home).info
    assert info.name == name and len(info.classes) == len(set(info.classes)) >= 2
    assert info.train_count > 0 and info.test_count > 0 and info.channels in (1, 3) and info.fingerprint
    assert CATALOG[name].title and CATALOG[name].help.endswith(".")


@pytest.mark.parametrize("name", CATALOG)
def test_every_entrys_defaults_are_settings_that_are_accepted(name: str):
    TrainConfig(data=name, **defaults_for(name))
    defaults_for(name)["seed"] = 99  # what is handed out is a copy
    assert "seed" not in defaults_for(name)


def test_opening_cifar_10_downloads_nothing_and_makes_no_folder(home: Home):
    assert open_source("cifar10", home).info.train_count == 50_000
    assert not home.root.exists()


def test_a_folder_is_a_source_however_it_is_written(pictures: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(pictures.parent)
    monkeypatch.setenv("HOME", str(pictures.parent))
    facts = [open_source(name).info for name in (str(pictures), "pictures", "./pictures/", "~/pictures", "pictures/red/..")]
    assert facts == [facts[0]] * 5 and facts[0].train_count == 24
    assert defaults_for(str(pictures)) == {}


def test_a_name_is_recorded_as_it_is_and_a_folder_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert canonical_name("digits") == "digits" and canonical_name("") == ""
    assert canonical_name("my/photos") == str(tmp_path.resolve() / "my" / "photos")


@pytest.mark.parametrize("name", ["didgits", "/no/such/folder", "", "a\0b", "~nobody-of-that-name/x", "x" * 5000, __file__])
def test_what_is_neither_a_name_nor_a_folder_is_refused_in_words(name: str):
    with pytest.raises(DataError) as refusal:
        open_source(name)
    assert is_a_sentence(refusal.value) and "digits, cifar10" in str(refusal.value) and len(str(refusal.value)) < 500
