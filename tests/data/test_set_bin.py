"""The bin of data sets: a removed set comes back with its corrections, and the bin can be emptied."""

import shutil
from pathlib import Path

import pytest

from cnn_core.data.imported import ImportedSource
from cnn_core.data.library import imported_sets
from cnn_core.data.open import IN_BIN, open_source
from cnn_core.data.owners import folders_of, write_owner
from cnn_core.data.path_source import PathSource, set_name
from cnn_core.data.set_bin import NAME_TAKEN, NOT_IN_BIN, empty_bin, remove_set, removed_sets, restore_set
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.home import Home
from cnn_core.locks import try_lock
from tests.data.imports import are_same, good_files, run_import, write_folder
from tests.helpers import is_a_sentence


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pictures", good_files())


def test_a_removed_set_is_restored_with_its_corrections(folder: Path, home: Home):
    source, other = run_import(home, folder), run_import(home, folder, "other")
    source.index.corrections.apply([0], "is_excluded", 1)
    corrected = ImportedSource(source.folder).info
    remove_set("mine", home)
    assert imported_sets(home) == ["other"] and [one.name for one in removed_sets(home)] == ["mine"]
    restore_set("mine", home)
    assert ImportedSource(source.folder).info == corrected != other.info and removed_sets(home) == []


def test_sets_of_one_name_are_kept_apart_in_the_bin(folder: Path, home: Home):
    for size in (16, 32):
        run_import(home, folder, image_size=size)
        remove_set("mine", home)
    newest, oldest = removed_sets(home)
    restore_set("mine", home, oldest.at)
    assert ImportedSource(home.set_folder("mine")).info.image_size == 16 and removed_sets(home) == [newest]
    with pytest.raises(DataError) as refusal:
        restore_set("mine", home)
    assert str(refusal.value) == NAME_TAKEN.format(name="mine") and removed_sets(home) == [newest]


def test_a_name_in_the_bin_can_be_imported_again(folder: Path, home: Home):
    first = run_import(home, folder)
    (kept,) = [removed_sets(home)] if remove_set("mine", home) is None else []
    again = run_import(home, folder)
    assert again.info == first.info and removed_sets(home) == kept
    assert are_same(again, ImportedSource(again.folder))


def test_the_bin_is_emptied_of_the_sets_that_one_may_delete_and_counts_for_their_owner(folder: Path, home: Home):
    for name in ("anns", "bobs"):
        write_owner(run_import(home, folder, name).folder, name)
        remove_set(name, home)
    assert [path.name.partition("-")[2] for path in folders_of(home, "anns")] == ["anns"]
    assert [one.name for one in empty_bin(home, lambda owner: owner == "anns")] == ["anns"]
    assert [one.name for one in removed_sets(home)] == ["bobs"] and len(empty_bin(home)) == 1 and empty_bin(home) == []
    assert len(list(folder.rglob("*.png"))) == len(good_files())


def test_what_cannot_be_deleted_is_named_and_the_rest_is_deleted(folder: Path, home: Home):
    for name in ("first", "second"):
        run_import(home, folder, name)
        remove_set(name, home)
    stuck = removed_sets(home)[0].folder.with_name("1-stuck")
    stuck.symlink_to(folder)  # which is never followed
    with pytest.raises(DataError) as refusal:
        empty_bin(home)
    assert is_a_sentence(refusal.value) and "“stuck”" in str(refusal.value)
    assert [one.name for one in removed_sets(home)] == ["stuck"] and len(list(folder.rglob("*.png"))) == len(good_files())


@pytest.mark.parametrize("name", ["nothing", "../sets", ""])
def test_what_is_not_in_the_bin_is_not_restored(name: str, folder: Path, home: Home):
    run_import(home, folder)
    remove_set("mine", home)
    with pytest.raises(DataError) as refusal:
        restore_set(name, home)
    assert str(refusal.value) == NOT_IN_BIN.format(name=name) and imported_sets(home) == []


def test_a_set_is_not_restored_while_one_of_its_name_is_imported(folder: Path, home: Home):
    run_import(home, folder)
    remove_set("mine", home)
    with try_lock(home.data / "importing" / ".mine.lock"), pytest.raises(DataError) as refusal:
        restore_set("mine", home)
    assert is_a_sentence(refusal.value) and imported_sets(home) == []


def test_a_run_is_told_that_its_set_is_in_the_bin(folder: Path, home: Home):
    run_import(home, folder)
    remove_set("mine", home)
    with pytest.raises(DataError) as refusal:
        open_source("mine", home)
    assert str(refusal.value) == IN_BIN.format(data="mine", name="mine")


def test_a_run_on_a_path_whose_folder_is_gone_is_told_that_the_set_is_in_the_bin(folder: Path, home: Home):
    finish(PathSource(folder, home).load("train"))
    remove_set(set_name(folder), home)
    shutil.rmtree(folder)
    with pytest.raises(DataError) as refusal:
        open_source(str(folder), home)
    assert str(refusal.value) == IN_BIN.format(data=folder, name=set_name(folder))
    restore_set(set_name(folder), home)
    assert open_source(str(folder), home).info.train_count
