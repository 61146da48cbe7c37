"""The Data page: data sets are shown, checked and corrected; own images are imported from every source; errors are sentences."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import label, title
from cnn_core.data.catalog import CATALOG
from cnn_core.data.conversions import describe_conversions
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.jobs import Jobs
from cnn_core.data.library import IN_TWO_CLASSES, imported_sets
from cnn_core.data.open import open_source
from cnn_core.data.skipped import SEE_VIEW, describe_skipped
from cnn_core.data.source import SPLIT_NAMES, SPLITS, finish
from cnn_core.runs.store import Store
from cnn_core.text import counted
from pages.shared.text import plain
from pages.views.data.add import FOLDER, PATH
from pages.views.data.corrections import ALL_SPLITS, NO_IMAGES
from pages.views.data.mode import MODE, STORAGE
from pages.views.data.overview import AUGMENTATION, CLASSES, CORRECTIONS, DUPLICATES, IMAGES, SKIPPED
from pages.views.data.split import TEST_FRACTION
from tests.data.imports import encoded, noise, write_folder
from tests.data.odd_images import odd_images
from tests.helpers import is_a_sentence
from tests.pages.data_form import open_form, run_imports, start_import


@pytest.fixture
def colours(empty: Store, image_folder: Path) -> ImportedSource:
    """A data set called colours: 30 images in three classes, one of them twice, and one file that is not an image."""
    first = next((image_folder / "red").glob("*.jpg"))
    (image_folder / "blue" / "twice.jpg").write_bytes(first.read_bytes())
    (image_folder / "red" / "broken.png").write_bytes(b"this is text")
    finish(import_files("colours", image_folder, ImportOptions(), empty.home))
    return ImportedSource(empty.home.set_folder("colours"))


def named(widgets: list, label: str):
    return next(widget for widget in widgets if widget.label == label)


def show(open_page, view: str) -> AppTest:
    """The data set called colours in one of its views."""
    at = open_page("data", set="colours")
    return at.button_group(key="data-view").set_value(view).run()


def tick(at: AppTest, rows: list[int]) -> AppTest:
    """Set what ticking images leaves in the session: AppTest runs no custom component, the browser tests tick for real."""
    at.session_state["picked-colours"] = at.session_state["picked-colours"] | {"picked": rows}
    return at.run()


def text_of(at: AppTest) -> str:
    """Return all text of the page."""
    kinds = (at.caption, at.error, at.info, at.success, at.warning, at.markdown)
    return "\n".join(element.value for kind in kinds for element in kind)


def zipped(folder: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(folder))
    return out.getvalue()


def test_digits_are_opened_at_once_and_shown_with_their_licence(empty, open_page):
    at = open_page("data")
    assert not at.exception and imported_sets(empty.home) == ["digits"]
    assert {metric.label: metric.value for metric in at.metric}["Training images"] == "1,438"
    assert CATALOG["digits"].licence and CATALOG["digits"].licence in text_of(at)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion-mnist", "svhn", "stl10"])
def test_a_data_set_that_is_not_downloaded_shows_its_facts_and_download_size(empty, open_page, name):
    at = open_page("data", set=name)
    assert not at.exception and CATALOG[name].licence in text_of(at)
    megabytes = sum(archive.megabytes for archive in CATALOG[name].archives)
    assert f"{megabytes:,.0f} MB" in at.button(key="data-download").label
    at.button(key="data-download").click().run()
    ((job, status),) = [((job.name, job.id), job.status) for job in Jobs(empty.home).all()]
    assert (job[0], status) == (name, "queued")
    assert not at.exception and at.button(key=f"cancel-{job[1]}")


def test_a_data_set_that_is_not_downloaded_shows_an_image_of_each_class(empty, open_page):
    shown = "".join(element.proto.body for element in open_page("data", set="fashion-mnist").main.get("html"))
    assert all(f'alt="{name}"' in shown for name in ("T-shirt/top", "Sneaker", "Ankle boot"))


def test_a_file_that_is_not_the_archive_is_refused_by_its_name(empty, open_page, tmp_path):
    (tmp_path / "mine.tar.gz").write_bytes(b"something else")
    at = open_page("data", set="cifar10")
    at.text_input(key="data-archive-cifar10").set_value(str(tmp_path / "mine.tar.gz")).run()
    at.button(key="data-use-archive").click().run()
    assert "mine.tar.gz" in at.error[0].value and "cifar-10-python.tar.gz" in at.error[0].value


def test_a_data_set_shows_its_true_facts(colours, open_page):
    at = open_page("data", set="colours")
    assert not at.exception
    assert {metric.label: metric.value for metric in at.metric}["Classes"] == "3"
    assert colours.info.fingerprint in text_of(at)
    assert any(IN_TWO_CLASSES in warning.value for warning in at.warning)
    at = show(open_page, SKIPPED)
    assert at.dataframe[0].value.values.tolist()[0][0] == "red/broken.png"


def test_excluding_selected_images_creates_a_version_and_undo_restores_the_old_one(colours, open_page):
    before = colours.info
    at = open_page("data", set="colours")
    tick(at, [0, 1])
    at.button(key="data-exclude").click().run()
    after = ImportedSource(colours.folder).info
    assert after.train_count + after.test_count == before.train_count + before.test_count - 2
    assert after.fingerprint != before.fingerprint and after.fingerprint in text_of(at)
    at = show(open_page, CORRECTIONS)
    assert len(at.dataframe[0].value) == 2
    at.button(key="data-undo").click().run()
    assert ImportedSource(colours.folder).info == before


def test_a_selected_image_can_get_another_class(colours, open_page):
    at = open_page("data", set="colours")
    tick(at, [0])
    assert at.selectbox(key="data-correct-class-colours").value is None and at.button(key="data-relabel").disabled
    at.selectbox(key="data-correct-class-colours").set_value(2).run()
    at.button(key="data-relabel").click().run()
    assert colours.index.corrections.corrected_images() == [(0, 2, 0)]
    at = show(open_page, CORRECTIONS)
    assert "blue → red" in str(at.dataframe[0].value)


def test_of_a_pair_of_duplicates_the_second_can_be_excluded(colours, open_page):
    at = show(open_page, DUPLICATES)
    next(button for button in at.button if str(button.key).startswith("pair-")).click().run()
    assert len(colours.index.corrections.corrected_images()) == 1 and colours.index.duplicates.counts()["same"] == 0


def test_images_are_filtered_by_class_split_and_state(colours, open_page):
    at = open_page("data", set="colours")
    assert counted(31, "image") in text_of(at)
    at.selectbox(key="data-class-filter-colours").set_value(0).run()
    assert counted(11, "image") in text_of(at)
    at.button_group(key="data-split").set_value("test").run()
    assert counted(len(colours.index.records("label = 0 and part = 2")), "image") in text_of(at)
    at.button_group(key="data-state").set_value("Excluded").run()
    assert NO_IMAGES in text_of(at)


def test_only_splits_with_images_are_offered(colours, empty, open_page, tmp_path):
    files = {f"{split}/{name}/{index}.png": encoded(noise(index)) for index, split in enumerate(SPLITS) for name in ("a", "b")}
    finish(import_files("split", write_folder(tmp_path / "split", files), ImportOptions(), empty.home))
    at = open_page("data", set="split")
    assert list(at.button_group(key="data-split").options)[1:] == list(SPLIT_NAMES.values())
    at.button_group(key="data-split").set_value("val").run()
    at.selectbox[0].set_value("colours").run()  # where each run draws its validation images
    assert len(at.button_group(key="data-split").options) == 3 and at.button_group(key="data-split").value == ALL_SPLITS
    assert counted(31, "image") in text_of(at) and not at.exception


def test_another_split_is_another_version_with_the_chosen_fraction(colours, open_page):
    before = colours.info
    at = show(open_page, CLASSES)
    named(at.number_input, TEST_FRACTION).set_value(0.5).run()
    at.button(key="data-resplit").click().run()
    after = ImportedSource(colours.folder).info
    assert after.test_count == 16 and after.fingerprint != before.fingerprint and not at.exception
    named(at.number_input, TEST_FRACTION).set_value(2.0).run()
    at.button(key="data-resplit").click().run()
    assert "0.01 to 0.9" in at.error[0].value and "2.0" in at.error[0].value and ImportedSource(colours.folder).info == after


def test_every_class_is_shown_by_its_mean_image_and_the_channels_by_their_statistics(colours, open_page):
    at = show(open_page, CLASSES)
    assert not at.exception
    means = at.dataframe[1].value
    images = finish(colours.load("train")).images
    np.testing.assert_allclose(means["Mean"], images.mean((0, 1, 2)) / 255, atol=1e-9)
    assert at.main.get("html")[-1].value.count("<figure>") == 3


def test_augmentations_are_shown_on_images_of_the_set_and_a_wrong_value_gives_a_message(colours, open_page):
    at = show(open_page, AUGMENTATION)
    assert not at.exception and sum(html.value.count("<figcaption>version 7") for html in at.main.get("html")) == 4
    field = next(field for field in at.number_input if field.label == label("rotation"))
    field.set_value(1000.0).run()
    assert title("rotation") in at.error[0].value


def test_a_zip_is_imported_in_the_background_under_the_chosen_name(empty, open_page, image_folder):
    at = open_form(open_page)
    at.file_uploader[0].upload("my pictures.zip", zipped(image_folder), "application/zip").run()
    start_import(at, "mine")
    assert not at.exception and not at.error
    (job,) = Jobs(empty.home).all()
    assert (job.name, job.status, job.is_upload) == ("mine", "queued", True)
    run_imports(empty.home)
    info = open_source("mine", empty.home).info
    assert (info.classes, info.train_count + info.test_count) == (("blue", "green", "red"), 30)
    assert list((empty.home.data / "uploads").iterdir()) == []
    at.run()
    at.button(key="view-mine").click().run()
    assert {metric.label: metric.value for metric in at.metric}["Classes"] == "3"


def test_a_path_on_the_server_is_imported_as_the_form_says(empty, open_page, image_folder):
    at = open_form(open_page, PATH)
    at.text_input(key="data-path").set_value(str(image_folder)).run()
    at.selectbox(key="data-colour").set_value("grey").run()
    start_import(at, "mine")
    run_imports(empty.home)
    info = open_source("mine", empty.home).info
    assert (info.image_size, info.channels) == (16, 1)


@pytest.mark.parametrize("name", ["../up", "りんご", "digits", "Digits", "x" * 100, "colours", "Colours"])
def test_a_name_that_cannot_be_or_is_taken_is_refused_when_it_is_typed(colours, empty, open_page, image_folder, name):
    at = open_form(open_page, PATH)
    at.text_input(key="data-path").set_value(str(image_folder)).run()
    assert not at.button(key="data-import").disabled and not at.warning
    at.text_input(key="data-name").set_value(name).run()
    assert at.button(key="data-import").disabled and is_a_sentence(at.warning[0].value) and not at.exception
    assert Jobs(empty.home).all() == []


def test_a_folder_without_classes_fails_with_a_message_on_the_page(empty, open_page, tmp_path):
    (tmp_path / "nothing").mkdir()
    Jobs(empty.home).add("mine", str(tmp_path / "nothing"))
    run_imports(empty.home)
    at = open_page("data")
    (job,) = Jobs(empty.home).all()
    assert [error.value for error in at.error] == [job.error] and is_a_sentence(job.error) and not at.exception
    at.button(key=f"dismiss-{job.id}").click().run()
    assert Jobs(empty.home).all() == []


def test_removing_a_data_set_asks_for_confirmation_and_keeps_the_originals(colours, open_page, image_folder):
    at = open_page("data", set="colours")
    at.button(key="data-remove").click().run()
    assert not colours.folder.exists() and len(list(image_folder.rglob("*.jpg"))) == 16 and not at.exception
    at.button_group(key=MODE).set_value(STORAGE).run()
    next(button for button in at.button if str(button.key).endswith("-colours")).click().run()
    assert ImportedSource(colours.folder).info == colours.info and not at.exception


def test_an_unknown_set_in_the_address_is_reported_and_another_one_is_shown(empty, open_page):
    at = open_page("data", set="../../etc")
    assert "../../etc" in at.warning[0].value and not at.exception


def test_an_imported_set_can_be_chosen_for_a_run_and_the_data_page_leads_there(colours, open_page):
    at = open_page("configure", data="colours")
    assert not at.exception and at.selectbox(key="data").value == "colours"
    assert make_config(data="colours").data == "colours"


def test_a_class_whose_name_is_markup_stays_text(empty, open_page, image_folder):
    (image_folder / "red").rename(image_folder / "<b>red<b>")
    Image.new("RGB", (16, 16)).save(image_folder / "blue" / "x.png")
    finish(import_files("odd", image_folder, ImportOptions(), empty.home))
    at = open_page("data", set="odd")
    at.button_group(key="data-view").set_value(CLASSES).run()
    assert not at.exception and "<b>red" not in at.main.get("html")[-1].value


def test_a_view_of_a_set_has_an_address(empty, open_page, colours):
    at = open_page("data", set="colours", view=SKIPPED)
    assert at.button_group(key="data-view").value == SKIPPED and "broken.png" in str(at.dataframe[0].value)
    at = open_page("data", set="colours", view="no such view")
    assert at.button_group(key="data-view").value == IMAGES and not at.exception


def test_every_file_of_an_uploaded_folder_is_taken_and_the_import_names_what_it_skipped(empty, open_page, image_folder):
    at = open_form(open_page, FOLDER)
    assert not at.file_uploader[0].proto.type
    (image_folder / "red" / "notes.txt").write_bytes(b"x")
    (image_folder / "red" / ".DS_Store").write_bytes(b"x")
    (image_folder / "red" / "animated.gif").write_bytes(odd_images()["moving.gif"])
    for path in sorted(path for path in image_folder.rglob("*") if path.is_file()):
        at.file_uploader[0].upload(f"pets/{path.relative_to(image_folder)}", path.read_bytes(), "application/octet-stream")
    start_import(at.run(), "mine")
    run_imports(empty.home)
    index = ImportedSource(empty.home.set_folder("mine")).index
    at.run()
    assert plain(describe_skipped(index, SEE_VIEW)) in [warning.value for warning in at.warning] and not at.exception
    assert any(describe_conversions(index) in caption.value for caption in at.caption) and describe_conversions(index)
    info = open_source("mine", empty.home).info
    assert index.count_skipped_files() == 1 and info.train_count + info.test_count == 31
