"""The gallery: uploads are answered or refused in words, test images are filtered rightly, names from outside stay text."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from cnn_core.analysis.evaluation import Evaluation, evaluate_run, evaluation_key, save_evaluation
from cnn_core.config import make_config
from cnn_core.data.catalog import open_source
from cnn_core.data.image_file import read_picture
from cnn_core.data.source import finish
from cnn_core.inference.predict import Classifier
from cnn_core.runs.execute import execute

RUN = "0001-digits"
MARKUP = "<b>cat</b>"


def upload(open_page, name, content):
    at = open_page("gallery", run=RUN)
    at.button_group[1].set_value("Upload").run()
    at.file_uploader[0].upload(name, content, "image/png").run()
    return at


def browse(open_page, run=RUN):
    at = open_page("gallery", run=run)
    at.button_group[0].set_value("Test images").run()
    return at


def digit(mode="L"):
    """A large, handwritten 0 on black."""
    ink = (load_digits().images[0] * 15).astype(np.uint8)
    return Image.fromarray(ink).resize((160, 160), Image.Resampling.BICUBIC).convert(mode)


def encode(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def counted(at):
    """The two numbers of "12 of 359 test images"."""
    (caption,) = [c.value for c in at.caption if c.value.endswith("test images")]
    return tuple(int(number) for number in re.findall(r"\d+", caption))


def grid(at):
    return at.get("html")[0].value


def test_an_empty_studio_says_what_to_do_first(empty, open_page):
    at = open_page("gallery")
    assert "no trained run yet to try out" in at.info[0].value
    assert [button.label for button in at.button] == ["Train on digits"]
    assert not at.exception


def test_before_anything_is_drawn_the_gallery_says_what_to_do(trained, open_page):
    at = open_page("gallery")
    assert at.info[0].value.startswith("Draw something, or upload a picture")
    assert len(at.get("bidi_component")) == 1
    assert not at.exception


def test_an_uploaded_digit_is_answered_as_the_engine_answers_it(trained, open_page):
    content = encode(digit(), "PNG")
    prediction = Classifier(trained.home.run_folder(RUN)).classify(read_picture(content, "it").image)
    name, probability = prediction.ranked[0]
    at = upload(open_page, "zero.png", content)
    assert [(metric.label, metric.value) for metric in at.metric] == [("It says", name)]
    assert name == "0"
    assert f"with a probability of {probability:.1%}" in [caption.value for caption in at.caption]
    assert len(at.get("plotly_chart")) == 1
    assert not at.exception


UNUSUAL = {
    "CMYK": ("print.jpg", lambda: encode(digit("CMYK"), "JPEG", quality=95), "CMYK"),
    "16 bit": ("deep.png", lambda: encode(Image.fromarray(np.asarray(digit()).astype(np.uint16) * 257), "PNG"), "16-bit"),
    "animated": (
        "moving.gif",
        lambda: encode(digit(), "GIF", save_all=True, append_images=[Image.new("L", (160, 160))]),
        "the first frame was used",
    ),
    "transparent": ("clear.png", lambda: encode(transparent_digit(), "PNG"), "transparent parts were put on white"),
}


def transparent_digit():
    """Black ink on a transparent page."""
    ink = np.asarray(digit())
    return Image.merge("LA", (Image.new("L", (160, 160)), Image.fromarray(ink)))


@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_picture_is_answered_with_a_note_of_what_was_converted(trained, open_page, kind):
    name, content, note = UNUSUAL[kind]
    at = upload(open_page, name, content())
    assert [metric.value for metric in at.metric] == ["0"]
    assert any(note in caption.value for caption in at.caption)
    assert not at.error and not at.exception


def test_a_picture_that_lies_on_its_side_is_turned_upright_first(trained, open_page):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    lying = digit().transpose(Image.Transpose.ROTATE_90)
    at = upload(open_page, "phone.jpg", encode(lying, "JPEG", quality=95, exif=exif))
    assert [metric.value for metric in at.metric] == ["0"]
    assert any("turned upright" in caption.value for caption in at.caption)
    assert not at.exception


REFUSED = {
    "text named .png": ("notes.png", lambda: b"these are no pixels", "is not an image that can be read"),
    "empty": ("empty.png", lambda: b"", "is empty"),
    "cut short": ("half.png", lambda: encode(digit(), "PNG")[:400], "is damaged or cut short"),
    "blank": ("blank.png", lambda: encode(Image.new("L", (64, 64)), "PNG"), "nothing drawn to recognise"),
    "too many pixels": ("bomb.png", lambda: encode(Image.new("1", (9000, 9000)), "PNG"), "million pixels"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_cannot_be_used_is_a_sentence(trained, open_page, kind):
    name, content, said = REFUSED[kind]
    at = upload(open_page, name, content())
    assert not at.exception
    (alert,) = [*at.error, *at.warning]
    assert said in alert.value
    assert not at.metric


def test_all_test_images_are_shown_page_by_page(trained, open_page):
    at = browse(open_page)
    assert counted(at) == (359, 359)
    assert grid(at).count("<figure") == 24
    (pages,) = at.get("pagination")
    assert pages.num_pages == 15
    pages.set_value(15).run()
    assert grid(at).count("<figure") == 359 - 14 * 24
    assert not at.exception


@pytest.mark.parametrize("verdict", ["All", "Right", "Wrong"])
@pytest.mark.parametrize("true_class", ["All classes", "1", "8"])
def test_filters_show_the_right_number_of_test_images(trained, open_page, true_class, verdict):
    evaluation = finish(evaluate_run(RUN, trained.run(RUN).config, trained.home))
    keep = np.ones(359, bool)
    if true_class != "All classes":
        keep &= evaluation.labels == int(true_class)
    if verdict != "All":
        keep &= (evaluation.predicted == evaluation.labels) == (verdict == "Right")
    at = browse(open_page)
    at.selectbox[1].set_value(true_class).run()
    at.button_group[1].set_value(verdict).run()
    assert counted(at) == (keep.sum(), 359)
    shown = grid(at).count("<figure") if at.get("html") else 0
    assert shown == min(keep.sum(), 24)
    if verdict != "All" and shown:
        assert grid(at).count(f'class="{verdict.lower()}"') == shown
    assert not at.exception


def test_a_filter_that_leaves_nothing_says_why(own_trained, open_page):
    evaluation = finish(evaluate_run(RUN, own_trained.run(RUN).config, own_trained.home))
    flawless = Evaluation(evaluation.classes, 50 * np.eye(10, dtype=np.float32)[evaluation.labels], evaluation.labels)
    folder, fingerprint = own_trained.home.run_folder(RUN), open_source("digits", own_trained.home).info.fingerprint
    save_evaluation(folder, evaluation_key(folder, own_trained.run(RUN).config, fingerprint, "test", None), flawless)
    at = browse(open_page)
    at.button_group[1].set_value("Wrong").run()
    assert counted(at) == (0, 359)
    assert "got every one of them right" in at.info[0].value
    assert not at.exception


def test_class_names_with_markup_in_them_are_shown_as_text(empty, open_page, tmp_path):
    # A slash cannot be in a folder's name; the closing tag's is U+2215 here, the rest is real markup.
    names = (MARKUP.replace("/", "∕"), "<img src=x onerror=alert(1)>", "dog")
    for shade, name in enumerate(names):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (16, 16), (100 * shade, 10 * number, 0)).save(tmp_path / "pets" / name / f"{number}.png")
    run = empty.create(make_config(data=str(tmp_path / "pets"), epochs=1, batch_size=4))
    assert execute(empty, run) == "finished"
    at = browse(open_page, run)
    shown = grid(at)
    assert "<img src=x" not in shown and "<b>cat" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown and "&lt;b&gt;cat" in shown
    assert set(at.selectbox[1].options) == {"All classes", *names}
    assert not at.exception
