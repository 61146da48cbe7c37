"""The Data page: sets are shown, told the truth about and corrected; one's own images come in by every way; refusals are sentences."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cnn_core.config.defaults import make_config
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.jobs import Jobs
from cnn_core.data.library import imported_sets
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.home import Home
from cnn_core.runs.store import Store


@pytest.fixture
def colours(empty: Store, pictures: Path) -> ImportedSource:
    """A set of 30 pictures in three classes, one of them twice, called colours, with one file that is no image."""
    first = next((pictures / "red").glob("*.jpg"))
    (pictures / "blue" / "twice.jpg").write_bytes(first.read_bytes())
    (pictures / "red" / "broken.png").write_bytes(b"this is text")
    finish(import_files("colours", pictures, ImportOptions(), empty.home))
    return ImportedSource(empty.home.set_folder("colours"))


def named(widgets: list, label: str):
    return next(widget for widget in widgets if widget.label == label)


def show(open_page, view: str) -> AppTest:
    """The set called colours in one of its views."""
    at = open_page("data", set="colours")
    return named(at.button_group, "View").set_value(view).run()


def tick(at: AppTest, rows: list[int]) -> AppTest:
    """What ticking pictures leaves in the session: AppTest shows no component of one's own, the browser tests tick for real."""
    at.session_state["picked-colours"] = at.session_state["picked-colours"] | {"picked": rows}
    return at.run()


def work(home: Home) -> None:
    """What the importing thread of a server does."""
    while Jobs(home).work(lambda: False):
        pass


def told(at: AppTest) -> str:
    """Everything that the page says in words."""
    kinds = (at.caption, at.error, at.info, at.success, at.warning, at.markdown)
    return "\n".join(element.value for kind in kinds for element in kind)


def zipped(folder: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(folder))
    return out.getvalue()


def fill_name(at: AppTest, name: str) -> AppTest:
    return named(at.text_input, "Name (small letters, digits, - and _)").set_value(name).run()


def test_digits_are_opened_at_once_and_shown_with_their_licence(empty, open_page):
    at = open_page("data")
    assert not at.exception and imported_sets(empty.home) == ["digits"]
    assert {metric.label: metric.value for metric in at.metric}["Training images"] == "1,438"
    assert "CC BY 4.0" in told(at)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion-mnist", "svhn", "stl10"])
def test_a_set_that_is_not_here_says_what_it_is_and_what_its_download_weighs(empty, open_page, name):
    at = open_page("data", set=name)
    assert not at.exception and "Licence: " in told(at)
    assert any(button.label.startswith("Download ") and button.label.endswith(" MB") for button in at.button)
    named(at.button, next(button.label for button in at.button if button.label.startswith("Download"))).click().run()
    assert [(job.name, job.status) for job in Jobs(empty.home).all()] == [(name, "queued")]
    assert not at.exception and [button.label for button in at.button][0] == "Cancel"


def test_a_set_that_is_not_here_shows_an_image_of_each_class(empty, open_page):
    shown = "".join(element.proto.body for element in open_page("data", set="fashion-mnist").main.get("html"))
    assert all(f'alt="{name}"' in shown for name in ("T-shirt/top", "Sneaker", "Ankle boot"))


def test_a_file_that_is_not_the_archive_is_refused_by_its_name(empty, open_page, tmp_path):
    (tmp_path / "mine.tar.gz").write_bytes(b"something else")
    at = open_page("data", set="cifar10")
    at.text_input[0].set_value(str(tmp_path / "mine.tar.gz")).run()
    named(at.button, "Use this file").click().run()
    assert "mine.tar.gz is not what is needed" in at.error[0].value and "cifar-10-python.tar.gz" in at.error[0].value


def test_a_set_tells_the_truth_about_itself(colours, open_page):
    at = open_page("data", set="colours")
    assert not at.exception
    assert {metric.label: metric.value for metric in at.metric}["Classes"] == "3"
    assert colours.info.fingerprint in told(at)
    assert any("duplicates" in warning.value and "two classes" in warning.value for warning in at.warning)
    at = show(open_page, "Set aside")
    assert at.dataframe[0].value.values.tolist()[0][0] == "red/broken.png"


def test_excluding_ticked_images_makes_another_version_and_undo_brings_the_old_one_back(colours, open_page):
    before = colours.info
    at = open_page("data", set="colours")
    tick(at, [0, 1])
    named(at.button, "Exclude 2").click().run()
    after = ImportedSource(colours.folder).info
    assert after.train_count + after.test_count == before.train_count + before.test_count - 2
    assert after.fingerprint != before.fingerprint and after.fingerprint in told(at)
    at = show(open_page, "Corrections")
    assert len(at.dataframe[0].value) == 2
    named(at.button, "Undo the last correction").click().run()
    assert ImportedSource(colours.folder).info == before


def test_a_ticked_image_can_be_given_another_class(colours, open_page):
    at = open_page("data", set="colours")
    tick(at, [0])
    named(at.selectbox, "Right class").set_value(2).run()
    named(at.button, "Change the class of 1").click().run()
    assert colours.index.corrected() == [(0, 2, 0)]
    at = show(open_page, "Corrections")
    assert "blue → red" in str(at.dataframe[0].value)


def test_of_a_pair_of_duplicates_the_second_can_be_excluded(colours, open_page):
    at = show(open_page, "Duplicates")
    named(at.button, "Exclude the second").click().run()
    assert len(colours.index.corrected()) == 1 and colours.index.count_pairs()["same"] == 0


def test_images_are_filtered_by_class_part_and_state(colours, open_page):
    at = open_page("data", set="colours")
    assert "31 images" in told(at)
    named(at.selectbox, "Class").set_value(0).run()
    assert "11 images" in told(at)
    named(at.button_group, "Part").set_value("test").run()
    assert f"{len(colours.index.items('label = 0 and part = 2'))} images" in told(at)
    named(at.button_group, "State").set_value("Excluded").run()
    assert "No image fits this choice" in told(at)


def test_another_split_is_another_version_with_the_asked_share(colours, open_page):
    before = colours.info
    at = show(open_page, "Classes and split")
    named(at.number_input, "Test share (0.01 to 0.9)").set_value(0.5).run()
    named(at.button, "Split anew").click().run()
    after = ImportedSource(colours.folder).info
    assert after.test_count == 16 and after.fingerprint != before.fingerprint and not at.exception
    named(at.number_input, "Test share (0.01 to 0.9)").set_value(2.0).run()
    named(at.button, "Split anew").click().run()
    assert "0.01 to 0.9" in at.error[0].value and ImportedSource(colours.folder).info == after


def test_every_class_is_shown_by_its_mean_image_and_the_channels_by_their_statistics(colours, open_page):
    at = show(open_page, "Classes and split")
    assert not at.exception
    means = at.dataframe[1].value
    images = finish(colours.load("train")).images
    np.testing.assert_allclose(means["Mean"], images.mean((0, 1, 2)) / 255, atol=1e-9)
    assert at.main.get("html")[-1].value.count("<figure>") == 3


def test_augmentations_are_shown_on_pictures_of_the_set_and_a_wrong_value_is_a_sentence(colours, open_page):
    at = show(open_page, "Augmentation")
    assert not at.exception and sum(html.value.count("<figcaption>version 7") for html in at.main.get("html")) == 4
    field = next(field for field in at.number_input if field.label.startswith("Rotation"))
    field.set_value(1000.0).run()
    assert "Rotation" in at.error[0].value


def test_a_zip_is_imported_in_the_background_under_the_chosen_name(empty, open_page, pictures):
    at = open_page("data")
    named(at.button_group, "What to do").set_value("Bring your own images").run()
    at.file_uploader[0].upload("my pictures.zip", zipped(pictures), "application/zip").run()
    fill_name(at, "mine")
    named(at.button, "Import").click().run()
    assert not at.exception and not at.error
    (job,) = Jobs(empty.home).all()
    assert (job.name, job.status, job.is_upload) == ("mine", "queued", True)
    work(empty.home)
    info = open_source("mine", empty.home).info
    assert (info.classes, info.train_count + info.test_count) == (("blue", "green", "red"), 30)
    assert list((empty.home.data / "uploads").iterdir()) == []
    at.run()
    named(at.button, "Look at mine").click().run()
    assert {metric.label: metric.value for metric in at.metric}["Classes"] == "3"


def test_a_path_on_the_server_is_imported_as_the_form_says(empty, open_page, pictures):
    at = open_page("data")
    named(at.button_group, "What to do").set_value("Bring your own images").run()
    named(at.button_group, "Where they are").set_value("Path on the server").run()
    at.text_input[0].set_value(str(pictures)).run()
    fill_name(at, "mine")
    next(field for field in at.number_input if field.label.startswith("Image size")).set_value(24).run()
    named(at.selectbox, "Colour").set_value("grey").run()
    named(at.button, "Import").click().run()
    work(empty.home)
    info = open_source("mine", empty.home).info
    assert (info.image_size, info.channels) == (24, 1)


def test_pictures_are_added_class_by_class(empty, open_page, pictures):
    at = open_page("data")
    named(at.button_group, "What to do").set_value("Bring your own images").run()
    named(at.button_group, "Where they are").set_value("Class by class").run()
    assert "Type a class's name" in told(at) and named(at.button, "Import").disabled
    for name in ("blue", "red"):
        named(at.text_input, "Class").set_value(name).run()
        for path in sorted((pictures / name).iterdir()):
            at.file_uploader[0].upload(path.name, path.read_bytes(), "image/png")
        at.run()
        named(at.button, "Add these pictures").click().run()
    assert "blue: 10 · red: 10" in told(at)
    fill_name(at, "mine")
    named(at.button, "Import").click().run()
    work(empty.home)
    assert open_source("mine", empty.home).info.classes == ("blue", "red")


@pytest.mark.parametrize("name", ["../up", "Has Space", "digits", "", "x" * 100, "colours"])
def test_a_name_that_cannot_be_or_is_taken_is_refused_and_nothing_is_imported(colours, empty, open_page, pictures, name):
    at = open_page("data")
    named(at.button_group, "What to do").set_value("Bring your own images").run()
    named(at.button_group, "Where they are").set_value("Path on the server").run()
    at.text_input[0].set_value(str(pictures)).run()
    fill_name(at, name)
    named(at.button, "Import").click().run()
    assert at.error[0].value.startswith("Nothing was imported.") and not at.exception
    assert Jobs(empty.home).all() == []


def test_a_folder_without_classes_fails_with_a_sentence_that_the_page_tells(empty, open_page, tmp_path):
    (tmp_path / "nothing").mkdir()
    Jobs(empty.home).add("mine", str(tmp_path / "nothing"))
    work(empty.home)
    at = open_page("data")
    assert any("no class folders" in error.value for error in at.error) and not at.exception
    named(at.button, "Dismiss").click().run()
    assert Jobs(empty.home).all() == []


def test_removing_a_set_asks_first_and_leaves_the_originals(colours, open_page, pictures):
    at = open_page("data", set="colours")
    named(at.button, "Remove it").click().run()
    assert not colours.folder.exists() and len(list(pictures.rglob("*.jpg"))) == 16 and not at.exception


def test_an_unknown_set_in_the_address_is_told_and_another_one_is_shown(empty, open_page):
    at = open_page("data", set="../../etc")
    assert "There is no data set" in at.warning[0].value and not at.exception


def test_an_imported_set_can_be_chosen_for_a_run_and_the_data_page_leads_there(colours, open_page):
    at = open_page("configure", data="colours")
    assert not at.exception and named(at.selectbox, "Data set (name or folder)").value == "colours"
    assert make_config(data="colours").data == "colours"


def test_a_class_whose_name_is_markup_stays_text(empty, open_page, pictures):
    (pictures / "red").rename(pictures / "<b>red<b>")
    Image.new("RGB", (16, 16)).save(pictures / "blue" / "x.png")
    finish(import_files("odd", pictures, ImportOptions(), empty.home))
    at = open_page("data", set="odd")
    named(at.button_group, "View").set_value("Classes and split").run()
    assert not at.exception and "<b>red" not in at.main.get("html")[-1].value


def test_a_view_of_a_set_has_an_address(empty, open_page, colours):
    at = open_page("data", set="colours", view="Set aside")
    assert named(at.button_group, "View").value == "Set aside" and "broken.png" in str(at.dataframe[0].value)
    at = open_page("data", set="colours", view="no such view")
    assert named(at.button_group, "View").value == "Images" and not at.exception
