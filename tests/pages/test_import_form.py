"""The import form of the Data page: what it refuses, its address, and the result of an import."""

from cnn_core.data.jobs import Jobs
from cnn_core.data.names import NAME_MISSING
from pages.views.data.add import NOT_IMPORTED, PATH, ZIP
from pages.views.data.jobs import ANNOUNCEMENT, STATUS
from pages.views.data.mode import IMPORT_IMAGES, MODE, VIEW_SETS
from pages.views.data.overview import CONFIGURE
from tests.pages.announcements import announcements
from tests.pages.data_form import open_form, run_imports, start_import


def test_without_a_name_nothing_is_imported_and_one_is_asked_for(empty, open_page, tmp_path):
    at = open_form(open_page, PATH)
    at.text_input(key="data-path").set_value(str(tmp_path / "!!!")).run()
    at.button(key="data-import").click().run()
    assert [error.value for error in at.error] == [f"{NOT_IMPORTED} {NAME_MISSING}"] and Jobs(empty.home).all() == []


def test_the_import_form_has_an_address_that_keeps_what_was_typed(empty, open_page):
    at = start_import(open_page("data", mode=IMPORT_IMAGES, **{"data-source": PATH, "data-path": "/nowhere"}), "mine")
    run_imports(empty.home)
    assert at.run().error and not {"set", "view"} & set(at.query_params)
    fields = {"data-source": PATH, "data-path": "/nowhere", "data-name": "mine", "data-split-seed": "24"}
    again = open_page("data", mode=IMPORT_IMAGES, **fields)  # as after a reload: the browser writes the fields into the address
    assert again.button_group(key="data-source").value == PATH and again.number_input(key="data-split-seed").value == 24
    assert (again.text_input(key="data-path").value, again.text_input(key="data-name").value) == ("/nowhere", "mine")
    again.button_group(key=MODE).set_value(VIEW_SETS).run()
    assert set(again.query_params) == {"set", "view"} and not again.exception
    again.query_params.clear()
    again.query_params["mode"] = IMPORT_IMAGES  # as by the Back button
    assert again.run().button_group(key=MODE).value == IMPORT_IMAGES


def test_a_result_is_closed_when_its_set_is_opened_and_replaced_by_the_next_import(empty, open_page, image_folder):
    at = open_form(open_page, PATH)
    for name in ("one", "two"):
        at.text_input(key="data-path").set_value(str(image_folder)).run()
        start_import(at, name)
        assert announcements(at) == [ANNOUNCEMENT.format(name=name, status=STATUS["queued"])]
        run_imports(empty.home)
        at.run()
        assert announcements(at) == [ANNOUNCEMENT.format(name=name, status=STATUS["finished"])]
        assert [button.key for button in at.button if str(button.key).startswith("view-")] == [f"view-{name}"]
        assert (at.text_input(key="data-name").value, at.text_input(key="data-path").value) == ("", "") and not at.warning
        assert at.button(key="data-import").disabled  # what comes next is beside the result
        assert (CONFIGURE, f"data={name}") in [(link.proto.label, link.proto.query_string) for link in at.get("page_link")]
    other = open_page("data")
    assert "view-two" not in [button.key for button in other.button]
    assert "view-two" in [button.key for button in open_form(open_page).button]
    at.button(key="view-two").click().run()
    assert at.query_params["set"] in ("two", ["two"]) and Jobs(empty.home).all() == [] and not at.exception
    assert at.selectbox[0].value == "two"


def test_without_a_typed_name_it_is_that_of_the_chosen_files_and_a_typed_one_is_never_replaced(
    empty, open_page, tmp_path, image_folder
):
    def suggested_after(key, value):
        at.text_input(key=key).set_value(value).run()
        return at.text_input(key="data-name").placeholder

    at = open_form(open_page, ZIP)
    at.file_uploader[0].upload("Ants & Bees.zip", b"PK", "application/zip").run()
    assert at.text_input(key="data-name").placeholder == "ants-bees" and not at.button(key="data-import").disabled
    at.button_group(key="data-source").set_value(PATH).run()
    assert suggested_after("data-path", str(tmp_path / "Pets.zip")) == "pets", "the name of the files chosen last"
    empty.home.set_folder("pets").mkdir(parents=True)
    assert suggested_after("data-path", str(tmp_path / "pets")) == "pets-2" and at.text_input(key="data-name").value == ""
    at.text_input(key="data-name").set_value("mine").run()
    suggested_after("data-path", str(image_folder))
    assert at.text_input(key="data-name").value == "mine"
    suggested = suggested_after("data-name", "")
    at.button(key="data-import").click().run()
    assert [job.name for job in Jobs(empty.home).all()] == [suggested] and not at.exception
