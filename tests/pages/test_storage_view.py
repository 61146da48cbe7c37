"""The Storage view and the questions of the Data and Configure pages: sets made from a path, the bin, validation images without test images."""

import shutil

import numpy as np
import pytest

from cnn_core.data.image_shape import ImageShape
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.jobs import Jobs
from cnn_core.data.library import imported_sets
from cnn_core.data.path_source import PathSource, set_name
from cnn_core.data.pixel_pool import pools_of
from cnn_core.data.set_bin import IN_BIN, remove_set
from cnn_core.data.source import finish
from cnn_core.data.validation_use import AS_TEST
from cnn_core.features.store import feature_files, open_feature_store
from cnn_core.home import IMAGES
from cnn_core.runs.quota import folder_bytes
from cnn_core.text import format_bytes
from pages.shared.text import plain
from pages.views.data.free_space import FREE
from pages.views.data.mode import MODE, STORAGE
from pages.views.data.overview import CLASSES, NO_RUNS_USED
from pages.views.data.storage import GONE, THERE
from tests.data.imports import write_folder
from tests.data.test_validation_use import FILES, QUESTION
from tests.helpers import write_images
from tests.pages.data_form import run_imports
from tests.pages.form import choose_folder, field


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "pets", FILES)


def test_a_set_made_from_a_path_is_listed_with_its_path_and_whether_it_is_there(empty, open_page, folder):
    finish(PathSource(folder, empty.home).load("train"))
    states = []
    for _ in range(2):
        at = open_page("data").button_group(key=MODE).set_value(STORAGE).run()
        (row,) = [row for row in at.dataframe[0].value.to_dict("records") if row["Imported from"] == str(folder)]
        states.append(row["Original files"])
        shutil.rmtree(folder, ignore_errors=True)
    assert states == [THERE, GONE] and not at.exception


def test_what_runs_have_prepared_is_freed_and_nothing_else(empty, open_page, tmp_path):
    folder = write_images(tmp_path / "pictures", ("blue", "red"), count=3, size=(90, 60))
    source = PathSource(folder, empty.home, ImageShape(24))
    finish(source.load("train"))
    assert len(pools_of(source.folder)) == 1
    at = open_page("data").button_group(key=MODE).set_value(STORAGE).run()
    at.button(key=FREE).click().run()
    assert not pools_of(source.folder) and not at.exception
    assert FREE not in [button.key for button in at.button]
    assert finish(source.load("train"))[:].shape[1:] == (24, 24, 3)


def test_the_bin_is_emptied_after_a_confirmation(empty, open_page, folder):
    finish(PathSource(folder, empty.home).load("train"))
    name = set_name(folder)
    at = open_page("data", set=name)
    assert any(NO_RUNS_USED in text.value for text in at.markdown)
    at.button(key="data-remove").click().run()
    at.button_group(key=MODE).set_value(STORAGE).run()
    at.button(key="empty-set-bin").click().run()
    assert not list((empty.home.data / "removed").iterdir()) and folder.is_dir() and not at.exception


def test_a_link_to_a_set_in_the_bin_says_so_and_restores_it(empty, open_page, folder):
    finish(import_files("pets", folder, ImportOptions(), empty.home))
    remove_set("pets", empty.home)
    at = open_page("configure", data="pets", epochs="3")
    assert plain(IN_BIN.format(data="pets", name="pets")) in at.warning[0].value
    at.button(key="restore-set-pets").click().run()
    assert (field(at, "data").value, field(at, "epochs").value) == ("pets", 3) and not at.warning and not at.exception


def test_a_path_whose_set_is_in_the_bin_says_so_and_restores_it(empty, open_page, folder):
    finish(PathSource(folder, empty.home).load("train"))
    name = set_name(folder)
    remove_set(name, empty.home)
    shutil.rmtree(folder)
    at = choose_folder(open_page, folder)
    assert [error.value for error in at.error] == [plain(IN_BIN.format(data=folder, name=name))]
    at.button(key=f"restore-set-{name}").click().run()
    assert not at.error and name in imported_sets(empty.home) and not at.exception


def test_an_import_asks_about_validation_images_and_goes_on_with_the_answer(empty, open_page, folder):
    Jobs(empty.home).add("pets", str(folder))
    run_imports(empty.home)
    (job,) = Jobs(empty.home).all()
    at = open_page("data")
    assert QUESTION.sentence in [info.value for info in at.info]
    at.button(key=f"answer-{job.id}-{AS_TEST}").click().run()
    run_imports(empty.home)
    assert ImportedSource(empty.home.set_folder("pets")).info.test_count == QUESTION.val and not at.exception
    at = open_page("data", set="pets", view=CLASSES)
    at.button(key="data-validation-use").click().run()
    assert ImportedSource(empty.home.set_folder("pets")).info.test_count == QUESTION.drawn and not at.exception


def test_a_folder_named_for_training_asks_before_its_images_are_split(empty, open_page, folder):
    at = choose_folder(open_page, folder)
    assert QUESTION.sentence in [info.value for info in at.info]
    at.button(key=f"folder-validation-{AS_TEST}").click().run()
    assert PathSource(folder, empty.home).info.test_count == QUESTION.val and not at.exception
    assert QUESTION.sentence not in [info.value for info in at.info]


def test_kept_features_count_in_the_size_of_their_set_and_are_deleted_to_free_space(empty, open_page, folder):
    finish(import_files("pets", folder, ImportOptions(), empty.home))
    pets = empty.home.set_folder("pets")
    at = open_page("data").button_group(key=MODE).set_value(STORAGE).run()
    assert FREE not in [button.key for button in at.button]
    store = open_feature_store(ImportedSource(pets))
    store.add("abc", np.arange(4), np.ones((4, 300_000), np.float32))
    at.run()
    (size,) = [row["Size"] for row in at.dataframe[0].value.to_dict("records") if row["Data set"] == "pets"]
    assert size == format_bytes(folder_bytes(pets)) and folder_bytes(pets) > 4_800_000
    at.button(key=FREE).click().run()
    assert feature_files(pets) == [] and folder_bytes(pets) < 1_000_000 and (pets / IMAGES).is_file() and not at.exception
    assert not at.error and FREE not in [button.key for button in at.button]


def test_what_cannot_be_freed_is_named_and_the_rest_is_freed(empty, open_page, folder):
    finish(import_files("pets", folder, ImportOptions(), empty.home))
    pets = empty.home.set_folder("pets")
    store = open_feature_store(ImportedSource(pets))
    store.path("stuck").mkdir(parents=True)  # which cannot be deleted as a file
    store.add("wide", np.arange(4), np.ones((4, 100), np.float32))
    at = open_page("data").button_group(key=MODE).set_value(STORAGE).run()
    at.button(key=FREE).click().run()
    assert feature_files(pets) == [store.path("stuck")] and not at.exception
    assert len(at.error) == 1 and store.path("stuck").name in at.error[0].value
