"""Collecting images class by class on the Data page: the collection is there again in a new session, and its classes can be corrected."""

import pytest

from cnn_core.data.collection import Collection
from cnn_core.data.jobs import Jobs
from cnn_core.data.open import open_source
from pages.shared.text import plain
from pages.views.data.add import BY_CLASS
from pages.views.data.collect import BEING_IMPORTED, NAME, NOT_ADDED, NOT_FITTING, NOT_NAMED, ONE_CLASS, SAME_NAME, SIMILAR_NAME
from tests.data.imports import encoded, noise
from tests.pages.data_form import open_form, run_imports, start_import


@pytest.fixture
def collection(empty) -> Collection:
    """Four cats, one file of which cannot be read, and three dogs."""
    collection = Collection(empty.home)
    collection.add("cat", [*((f"{number}.png", encoded(noise(number))) for number in range(3)), ("bad.jpg", b"no image")])
    collection.add("dog", [(f"{number}.png", encoded(noise(50 + number))) for number in range(3)])
    return collection


def test_a_new_session_offers_what_was_collected_and_opens_the_form_there(collection, open_page):
    at = open_page("data")
    at.button(key="data-continue").click().run()
    assert at.button_group(key="data-source").value == BY_CLASS and not at.button(key="data-import").disabled and not at.exception


def test_a_collection_is_counted_once_in_a_run_of_the_page(collection, open_page, monkeypatch: pytest.MonkeyPatch):
    counted, count = [], Collection.counts
    monkeypatch.setattr(Collection, "counts", lambda self: counted.append(self) or count(self))
    at = open_page("data")
    assert len(counted) == 1
    at.button(key="data-continue").click().run()
    assert len(counted) == 2
    at.text_input(key=NAME).set_value("fox").run()
    assert len(counted) == 3 and not at.exception


def test_a_failed_import_keeps_the_collection_and_a_second_one_empties_it(collection, empty, open_page):
    collection.remove_class("dog")
    collection.add("Cat", [("a.png", encoded(noise(9)))])  # as a file system or an earlier version may hold it
    start_import(open_form(open_page, BY_CLASS), "pets")
    run_imports(empty.home)
    at = open_page("data")
    assert Jobs(empty.home).all()[0].status == "failed" and at.error
    at = open_form(open_page, BY_CLASS)
    at.pills(key="data-collected-class").set_value("Cat").run()
    at.text_input(key="data-rename-Cat").set_value("cow").run()
    at.button(key="data-collected-rename").click().run()
    assert collection.counts() == {"cat": 4, "cow": 1} and not at.exception
    at = start_import(open_form(open_page, BY_CLASS), "pets")
    assert BEING_IMPORTED in [info.value for info in at.info]
    run_imports(empty.home)
    assert Jobs(empty.home).all()[0].status == "finished" and collection.counts() == {}


@pytest.mark.parametrize(("typed", "message", "may_add"), [("Cat", SAME_NAME, False), ("cats", SIMILAR_NAME, True)])
def test_a_name_like_that_of_a_class_is_pointed_out_when_it_is_typed(collection, open_page, typed, message, may_add):
    at = open_form(open_page, BY_CLASS)
    at.text_input(key=NAME).set_value(typed).run()
    assert plain(message.format(name=typed, other="cat")) in [warning.value for warning in at.warning]
    at.file_uploader[0].upload("a.png", encoded(noise(7)), "image/png")
    at.run()
    assert at.button(key="data-add-images").disabled is not may_add
    at.button(key=f"{NAME}-use").click().run()
    at.button(key="data-add-images").click().run()
    assert collection.counts() == {"cat": 5, "dog": 3} and not at.warning and not at.exception


@pytest.mark.parametrize(("typed", "message"), [("", NOT_NAMED), ("CAT", NOT_FITTING), ("fox", NOT_ADDED)])
def test_what_to_do_with_chosen_images_fits_the_name(collection, open_page, typed, message):
    at = open_form(open_page, BY_CLASS)
    at.file_uploader[0].upload("a.png", encoded(noise(7)), "image/png")
    at.text_input(key=NAME).set_value(typed).run()
    assert message in [info.value for info in at.info]
    assert at.button(key="data-add-images").disabled is (message != NOT_ADDED) and at.button(key="data-import").disabled


def test_a_ticked_image_and_a_class_can_be_removed(collection, open_page):
    at = open_form(open_page, BY_CLASS)
    assert at.button(key="data-collected-remove").disabled
    at.session_state["collected-cat-1"] = at.session_state["collected-cat-1"] | {"picked": [3]}
    at.run()
    at.button(key="data-collected-remove").click().run()
    assert [file.partition(" ")[2] for file in collection.files("cat")] == ["0.png", "1.png", "2.png"]
    at.button(key="data-collected-remove-class").click().run()
    assert collection.counts() == {"dog": 3} and not at.exception
    assert at.button(key="data-import").disabled and ONE_CLASS in [info.value for info in at.info]


def test_images_are_added_class_by_class(empty, open_page, image_folder):
    at = open_form(open_page, BY_CLASS)
    assert at.info and at.button(key="data-import").disabled
    for name in ("blue", "red"):
        at.text_input(key="data-class").set_value(name).run()
        for path in sorted((image_folder / name).iterdir()):
            at.file_uploader[0].upload(path.name, path.read_bytes(), "image/png")
        at.run()
        at.button(key="data-add-images").click().run()
    assert Collection(empty.home).counts() == {"blue": 10, "red": 10}
    start_import(at, "mine")
    run_imports(empty.home)
    assert open_source("mine", empty.home).info.classes == ("blue", "red") and Collection(empty.home).counts() == {}
