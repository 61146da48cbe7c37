"""The view Take along: three files, made when asked for, that say what the other views say, and are made anew when that changes."""

import csv
import io
import re

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.metrics.evaluation import evaluate_run, load_split
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.text import counted, format_bytes
from pages.shared.cache import EVALUATION_FILES
from pages.shared.text import plain
from pages.views.evaluate.export import BEST_MODEL, CARDS
from pages.views.evaluate.summary import EXPORT

RUN = "0001-digits"
REPORT, TABLE, IMAGE = (card.file for card in CARDS)


def open_view(open_page, **query):
    return open_page("evaluate", split="test", run=RUN, view="Export", **query)


def offered(at):
    """The files that can be created."""
    return [card.file for card in CARDS if key_of(card.file) in {button.key for button in at.button}]


def key_of(file, split="test"):
    return f"make-{file}-{RUN}-None-{split}"


def press(at, file, split="test"):
    at = at.button(key=key_of(file, split)).click().run()
    assert not at.exception and not at.error
    return at


def content(at, file):
    (title,) = [card.title for card in CARDS if card.file == file]
    return at.session_state[EVALUATION_FILES.key][title][1]


def choose_part(at, split):
    return at.button_group(key="evaluate-part").set_value(split).run()


def test_nothing_is_created_before_a_button_is_pressed(trained, open_page):
    at = open_view(open_page)
    assert offered(at) == [REPORT, TABLE, IMAGE] and not at.get("download_button")
    assert [heading.value for heading in at.header] == [card.title for card in CARDS]
    about = EXPORT.format(model=BEST_MODEL, count=359, split="test")
    assert about in [text.value for text in at.markdown] and not at.exception


def test_the_report_belongs_to_the_run_and_is_offered_for_download(own_trained, open_page):
    RunOrganizer(own_trained).describe(RUN, name="Tilted <b>digits</b>", notes="seen", tags=["first"])
    evaluation = finish(evaluate_run(RUN, own_trained.run(RUN).config, own_trained.home))
    at = press(open_view(open_page), REPORT)
    (download,) = at.get("download_button")
    assert format_bytes(len(content(at, REPORT))) in download.proto.label
    assert offered(at) == [TABLE, IMAGE]
    text = content(at, REPORT).decode()
    assert f"{100 * evaluation.accuracy:.2f}%" in text and "Tilted &lt;b&gt;digits&lt;/b&gt;" in text and "<b>digits" not in text


@pytest.mark.parametrize("split", ["test", "val"])
def test_the_table_has_a_row_for_every_image_of_the_chosen_split(trained, open_page, split):
    config = trained.run(RUN).config
    evaluation = finish(evaluate_run(RUN, config, trained.home, split=split))
    images = finish(load_split(open_source("digits", trained.home), config, split))
    at = press(choose_part(open_view(open_page), split), TABLE, split)
    rows = list(csv.DictReader(io.StringIO(content(at, TABLE).decode("utf-8-sig"), newline="")))
    assert [int(row["true"]) for row in rows] == images.labels.tolist()
    assert [int(row["predicted"]) for row in rows] == evaluation.logits.argmax(1).tolist()
    assert len({row["image"] for row in rows}) == len(rows)
    assert all(row["image"].startswith("test/" if split == "test" else "train/") for row in rows)


def test_the_figure_shows_the_images_of_the_chosen_split(trained, open_page):
    at = press(open_view(open_page), IMAGE)
    with Image.open(io.BytesIO(content(at, IMAGE)), formats=["PNG"]) as image:
        pixels = np.asarray(image.convert("L"))
    assert image.width > image.height > 500 and pixels.std() > 20


def test_an_outdated_file_is_not_offered(own_trained, open_page):
    folder = own_trained.home.run_folder(RUN)
    at = press(press(open_view(open_page), REPORT), TABLE)
    assert len(at.get("download_button")) == 2
    at.run()
    assert len(at.get("download_button")) == 2, "it is kept"
    RunOrganizer(own_trained).describe(RUN, name="other", notes="", tags=[])
    assert offered(at.run()) == [REPORT, TABLE, IMAGE]
    at = press(at, REPORT)
    assert b"<h1>other</h1>" in content(at, REPORT)
    save_calibration(folder, Calibration(temperature=1.5, images=100))
    assert offered(at.run()) == [REPORT, TABLE, IMAGE]
    assert re.search(rf"\b1\.50\b[^<]*\b{counted(100, 'validation image')}", content(press(at, REPORT), REPORT).decode())


def test_images_that_cannot_be_read_give_a_message(own_trained, open_page):
    at = open_view(open_page)
    (own_trained.home.set_folder("digits") / "images.npy").write_bytes(b"damaged")
    st.cache_resource.clear()
    at = at.button(key=key_of(REPORT)).click().run()
    with pytest.raises(DataError) as refused:
        finish(open_source("digits", own_trained.home).load("test"))
    assert not at.exception and [error.value for error in at.error] == [plain(refused.value)]
    assert offered(at) == [REPORT, TABLE, IMAGE]
