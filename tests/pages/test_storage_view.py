"""The Storage view and the questions of the Data and Configure pages: sets made from a path, the bin, validation images without test images."""

import shutil

import pytest

from cnn_core.data.imported import ImportedSource
from cnn_core.data.jobs import Jobs
from cnn_core.data.path_source import PathSource, set_name
from cnn_core.data.source import finish
from cnn_core.data.validation_use import AS_TEST
from pages.views.data.jobs import MODE, STORAGE
from pages.views.data.overview import CLASSES, NO_RUNS_USED
from pages.views.data.storage import GONE, THERE
from tests.data.imports import write_folder
from tests.data.test_validation_use import FILES, QUESTION
from tests.pages.data_form import run_imports
from tests.pages.form import choose_folder


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


def test_the_bin_is_emptied_after_a_confirmation(empty, open_page, folder):
    finish(PathSource(folder, empty.home).load("train"))
    name = set_name(folder)
    at = open_page("data", set=name)
    assert any(NO_RUNS_USED in text.value for text in at.markdown)
    at.button(key="data-remove").click().run()
    at.button_group(key=MODE).set_value(STORAGE).run()
    at.button(key="empty-set-bin").click().run()
    assert not list((empty.home.data / "removed").iterdir()) and folder.is_dir() and not at.exception


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
