"""Your own images in the Gallery: several at once, from the data set, from the camera and from the clipboard."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import MAX_SIDE, UNREADABLE, read_reduced
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.preprocessing import BLANK
from cnn_core.models.saving import ModelCard
from pages.charts.components.paste import decode_file
from pages.shared.choice import number_message
from pages.shared.data_set_image import IMAGE_NAME, SPLIT_LABEL
from pages.shared.image_input import CAMERA, DRAW, UPLOAD, input_key
from pages.views.gallery import many_images
from pages.views.gallery.own_image import CHOOSE_ONE, EMPTY_TEXT, FROM_SET, TITLE, first_input
from pages.views.gallery.uploads import MAX_FILES, MAX_STORED_BYTES, READABLE, REMOVE, STORED, UploadedImage, restore_uploads

RUN = "0001-digits"


@pytest.fixture
def classifier(trained):
    return Classifier(trained.home.run_folder(RUN))


@pytest.fixture
def digits(trained):
    return finish(open_source("digits", trained.home).load("test"))


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze()).resize((160, 160), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def take(open_page, way):
    at = open_page("gallery", run=RUN)
    (ways,) = (group for group in at.button_group if group.key == input_key("gallery"))
    ways.set_value(way).run()
    assert not at.exception
    return at


def cards(at):
    """The grid's cards as (answer, file)."""
    body = " ".join(element.proto.body for element in at.main.get("html"))
    return [
        (re.search("<b>(.*?)</b>", card)[1], re.search("<small>([^<]*)</small></figcaption>", card)[1])
        for card in body.split("<figure>")[1:]
    ]


def test_several_images_are_classified_side_by_side_and_a_refused_file_gives_a_message(classifier, digits, open_page):
    files = [(f"{index}.png", png(digits.images[index]), "image/png") for index in range(5)]
    blank = png(np.zeros((32, 32), np.uint8))
    at = take(open_page, UPLOAD)
    at.file_uploader[0].set_value([*files, ("notes.png", b"no pixels", "image/png"), ("blank.png", blank, "image/png")]).run()
    assert not at.exception
    assert cards(at) == [(classifier.classify(read_reduced(content, name)).ranked[0][0], name) for name, content, _ in files]
    messages = [error.value for error in at.error]
    assert (
        len(messages) == 2
        and "notes.png" in messages[0]
        and UNREADABLE in messages[0]
        and "blank.png" in messages[1]
        and BLANK in messages[1]
    )
    (box,) = (box for box in at.selectbox if box.label == CHOOSE_ONE)
    box.select_index(3).run()
    assert [metric.value for metric in at.metric] == [cards(at)[2][0]]


def test_images_beyond_the_limit_are_counted(trained, digits, open_page):
    at = take(open_page, UPLOAD)
    at.file_uploader[0].set_value(
        [(f"{index}.png", png(digits.images[index]), "image/png") for index in range(MAX_FILES + 2)]
    ).run()
    assert not at.exception and len(cards(at)) == MAX_FILES
    assert f"{MAX_FILES} of {MAX_FILES + 2} " in at.warning[0].value


@pytest.mark.parametrize(("channels", "ink", "expected"), [(1, "uci", DRAW), (1, "", DRAW), (3, "uci", DRAW), (3, "", UPLOAD)])
def test_a_model_of_photographs_begins_with_an_upload_and_one_of_drawings_with_the_canvas(channels, ink, expected):
    shape = {"channels": channels, "image_size": 32, "mean": (0.5,) * channels, "std": (0.5,) * channels}
    card = ModelCard(model="simple", classes=("a", "b"), fingerprint="", ink=ink, **shape)
    assert first_input(card) == expected


def test_an_image_of_the_data_set_is_classified_from_its_own_pixels(classifier, digits, open_page):
    at = take(open_page, FROM_SET)
    (splits,) = (group for group in at.button_group if group.label == SPLIT_LABEL)
    assert splits.value == "Validation", "test images are shown only where they are asked for"
    splits.set_value("Test").run()
    (label,) = (box for box in at.selectbox if box.key.endswith("-class"))
    label.set_value(7).run()
    (number,) = at.number_input
    number.set_value(3).run()
    index = int(np.flatnonzero(digits.labels == 7)[2])
    assert IMAGE_NAME.format(split="Test", index=index, truth=7) in [caption.value for caption in at.caption]
    name, probability = classifier.rank(digits.images[index], classifier.probabilities(digits.images[index][None])[0]).ranked[0]
    assert [metric.value for metric in at.metric] == [name]
    assert any(f"{probability:.1%}" in caption.value for caption in at.caption)


@pytest.mark.parametrize("split", ["Training", "Test"])
def test_random_shows_an_image_of_any_class_of_the_split(trained, open_page, split):
    at = take(open_page, FROM_SET)
    (splits,) = (group for group in at.button_group if group.label == SPLIT_LABEL)
    splits.set_value(split).run()
    (random,) = (button for button in at.button if button.key.endswith("-any"))
    seen = set()
    for _ in range(4):
        random.click().run()
        assert not at.exception
        seen |= {caption.value for caption in at.caption if caption.value.startswith(f"{split} image")}
    assert len(seen) > 1


def test_a_photograph_from_the_camera_is_classified(classifier, digits, open_page):
    out = io.BytesIO()
    Image.fromarray(digits.images[4].squeeze()).resize((320, 320)).save(out, "JPEG", quality=95)
    at = take(open_page, CAMERA)
    assert at.info[0].value == EMPTY_TEXT
    at.camera_input[0].set_value(("photo.jpg", out.getvalue(), "image/jpeg")).run()
    assert not at.exception
    expected = classifier.classify(read_reduced(out.getvalue(), "it")).ranked[0][0]
    assert [metric.value for metric in at.metric] == [expected]


def test_pasted_images_are_classified_and_can_be_removed(classifier, digits, open_page):
    content = png(digits.images[8])
    at = take(open_page, UPLOAD)
    at.session_state[STORED] = [UploadedImage("pasted-1", "pasted 1 (image.png)", content)]
    at.run()
    expected = classifier.classify(read_reduced(content, "it")).ranked[0][0]
    assert [metric.value for metric in at.metric] == [expected]
    (away,) = (button for button in at.button if button.key == REMOVE)
    away.click().run()
    assert not at.exception and not at.metric and not at.session_state[STORED]


def test_what_is_pasted_is_a_data_url_or_nothing():
    url = "data:image/png;base64," + base64.b64encode(b"pixels").decode()
    assert decode_file({"name": "image.png", "image": url}) == ("image.png", b"pixels")
    for sent in ({}, {"name": "x", "image": "nothing like that"[:7] + "!"}, {"name": "x", "image": None}, None):
        assert not (decode_file(sent) or ("", b""))[1]


def test_a_large_photograph_is_reduced_and_says_so():
    out = io.BytesIO()
    Image.new("RGB", (4000, 3000), (200, 40, 40)).save(out, "JPEG")
    decoded = read_reduced(out.getvalue(), "it")
    assert decoded.size == (4000, 3000) and max(decoded.image.size) <= MAX_SIDE
    assert decoded.image.width * 3 == decoded.image.height * 4
    assert "4,000 × 3,000" in decoded.notes[-1]
    assert np.allclose(np.asarray(decoded.image).mean((0, 1)), (200, 40, 40), atol=3)


def test_uploaded_images_are_restored_when_their_view_is_reopened_and_other_files_are_not(classifier, digits, open_page):
    content = png(digits.images[8])
    at = take(open_page, UPLOAD)
    at.file_uploader[0].set_value([("eight.png", content, "image/png"), ("text.png", b"this is text", "image/png")]).run()
    assert len(at.error) == 1
    at.button_group(key="gallery-view").set_value(many_images.TITLE).run()
    at.button_group(key="gallery-view").set_value(TITLE).run()
    at.button_group(key=input_key("gallery")).set_value(UPLOAD).run()
    expected = classifier.classify(read_reduced(content, "it")).ranked[0][0]
    assert [metric.value for metric in at.metric] == [expected] and not at.error
    (away,) = (button for button in at.button if button.key == REMOVE and "(1)" in button.label)
    away.click().run()
    assert not at.metric and not at.exception


def test_the_number_of_stored_images_is_limited(monkeypatch):
    session = {READABLE: {str(number): UploadedImage(str(number), "a.png", bytes(MAX_STORED_BYTES // 3)) for number in range(5)}}
    monkeypatch.setattr("pages.views.gallery.uploads.st.session_state", session)
    restore_uploads()
    assert [file.id for file in session[STORED]] == ["0", "1", "2"]
    session[READABLE] = {f"small-{number}": UploadedImage(f"small-{number}", "a.png", b"") for number in range(2 * MAX_FILES)}
    restore_uploads()
    assert len(session[STORED]) == MAX_FILES


def test_a_number_that_no_image_has_is_reported_and_the_nearest_is_shown(trained, open_page):
    at = take(open_page, FROM_SET)
    last = int(re.search(r"to (\d+)", at.number_input[0].placeholder)[1])
    for given in (9999, 0, -5):
        at.number_input[0].set_value(given).run()
        assert f":red[{number_message(given, 1, last)}]" in [caption.value for caption in at.caption]
        assert at.number_input[0].value == given and at.metric and not at.exception
    at.number_input[0].set_value(last).run()
    assert not any(":red[" in caption.value for caption in at.caption)
