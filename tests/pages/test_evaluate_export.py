"""The view Take along: three files, made when asked for, that say what the other views say, and are made anew when that changes."""

import csv
import io

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.metrics.evaluation import evaluate_run, load_split
from cnn_core.runs.organizer import RunOrganizer
from pages.shared.cache import EVALUATION_FILES

RUN = "0001-digits"
BUTTONS = ["Create report", "Create table", "Create image"]


def open_view(open_page, **query):
    return open_page("evaluate", run=RUN, view="Export", **query)


def offered(at):
    return [button.label for button in at.button if button.label.startswith("Create ")]


def press(at, label):
    (button,) = [button for button in at.button if button.label == label]
    at = button.click().run()
    assert not at.exception and not at.error
    return at


def content(at, title):
    return at.session_state[EVALUATION_FILES.key][title][1]


def choose_part(at, split):
    (control,) = [control for control in at.get("button_group") if control.label == "Split"]
    return control.set_value([split]).run() if isinstance(control.value, list) else control.set_value(split).run()


def test_nothing_is_created_before_a_button_is_pressed(trained, open_page):
    at = open_view(open_page)
    assert offered(at) == BUTTONS and not at.get("download_button")
    assert [heading.value for heading in at.subheader] == ["Report", "Table", "Image"]
    assert any("359 test images" in caption.value for caption in at.caption) and not at.exception


def test_the_report_belongs_to_the_run_and_is_offered_for_download(own_trained, open_page):
    RunOrganizer(own_trained).describe(RUN, name="Tilted <b>digits</b>", notes="seen", tags=["first"])
    evaluation = finish(evaluate_run(RUN, own_trained.run(RUN).config, own_trained.home))
    at = press(open_view(open_page), "Create report")
    (download,) = at.get("download_button")
    assert download.proto.label == f"Download ({len(content(at, 'Report')) // 1000} kB)"
    assert offered(at) == BUTTONS[1:]
    text = content(at, "Report").decode()
    assert (
        f"{100 * evaluation.accuracy:.2f}\u00a0%" in text
        and "Tilted &lt;b&gt;digits&lt;/b&gt;" in text
        and "<b>digits" not in text
    )


@pytest.mark.parametrize("split", ["test", "val"])
def test_the_table_has_a_row_for_every_image_of_the_chosen_split(trained, open_page, split):
    config = trained.run(RUN).config
    evaluation = finish(evaluate_run(RUN, config, trained.home, split=split))
    images = finish(load_split(open_source("digits", trained.home), config, split))
    at = press(choose_part(open_view(open_page), split), "Create table")
    rows = list(csv.DictReader(io.StringIO(content(at, "Table").decode("utf-8-sig"), newline="")))
    assert [int(row["true"]) for row in rows] == images.labels.tolist()
    assert [int(row["predicted"]) for row in rows] == evaluation.logits.argmax(1).tolist()
    assert len({row["image"] for row in rows}) == len(rows)
    assert all(row["image"].startswith("test/" if split == "test" else "train/") for row in rows)


def test_the_figure_shows_the_images_of_the_chosen_split(trained, open_page):
    at = press(open_view(open_page), "Create image")
    with Image.open(io.BytesIO(content(at, "Image")), formats=["PNG"]) as image:
        pixels = np.asarray(image.convert("L"))
    assert image.width > image.height > 500 and pixels.std() > 20


def test_an_outdated_file_is_not_offered(own_trained, open_page):
    folder = own_trained.home.run_folder(RUN)
    at = press(press(open_view(open_page), "Create report"), "Create table")
    assert len(at.get("download_button")) == 2
    at.run()
    assert len(at.get("download_button")) == 2, "it is kept"
    RunOrganizer(own_trained).describe(RUN, name="other", notes="", tags=[])
    assert offered(at.run()) == BUTTONS
    at = press(at, "Create report")
    assert b"<h1>other</h1>" in content(at, "Report")
    save_calibration(folder, Calibration(temperature=1.5, images=100))
    assert offered(at.run()) == BUTTONS
    assert "1.50, fitted on 100 validation images" in content(press(at, "Create report"), "Report").decode()


def test_images_that_cannot_be_read_give_a_message(own_trained, open_page):
    at = open_view(open_page)
    (own_trained.home.set_folder("digits") / "images.npy").write_bytes(b"damaged")
    st.cache_resource.clear()
    at = next(button for button in at.button if button.label == "Create report").click().run()
    assert not at.exception and at.error and "damaged" in at.error[0].value
    assert offered(at) == BUTTONS
