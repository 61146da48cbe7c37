"""The Gallery page: uploads are classified or refused with a message, test images are filtered, names from outside stay text."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax
from sklearn.datasets import load_digits

from cnn_core.config.defaults import make_config
from cnn_core.data.decoder import DAMAGED, EMPTY, MAX_PIXELS, UNREADABLE, read_image
from cnn_core.data.image_conversion import ROTATED
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.execution.in_process import execute
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.inference.preprocessing import BLANK
from cnn_core.inference.verdict import UNSURE
from cnn_core.metrics.evaluation import Evaluation, evaluate_run, evaluation_key, save_evaluation
from pages.shared.choice import ALL, ALL_CLASSES
from pages.shared.image_input import UPLOAD, input_key
from pages.views.gallery.browse import ALL_CORRECT, CORRECTNESS, FOUND, NO_MATCH, PROBABILITY, TITLE, ImageFilter, captions
from pages.views.gallery.own_image import EMPTY_TEXT
from pages.views.gallery.prediction import PREDICTION

RUN = "0001-digits"
MARKUP = "<b>cat</b>"


def upload(open_page, name, content):
    at = open_page("gallery", run=RUN)
    at.button_group(key=input_key("gallery")).set_value(UPLOAD).run()
    at.file_uploader[0].upload(name, content, "image/png").run()
    return at


def browse(open_page, run=RUN):
    at = open_page("gallery", run=run)
    at.button_group(key="gallery-view").set_value(TITLE).run()
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
    """The two numbers of the caption that says how many images match the filter."""
    pattern = re.escape(FOUND.format(found=1, total=1)).replace("1", r"([\d,]+)")
    (match,) = filter(None, (re.fullmatch(pattern, caption.value) for caption in at.caption))
    return tuple(int(number.replace(",", "")) for number in match.groups())


def box(at, label):
    (found,) = (found for kind in (at.selectbox, at.button_group, at.slider) for found in kind if found.label == label)
    return found


def grid_state(at, run=RUN) -> str:
    """Return where the session keeps which images the grid shows and which of them are ticked."""
    true, predicted, correct, probability, order = (box(at, label).value for label in LABELS.values())
    true, predicted = (None if name == ALL else int(name) for name in (true, predicted))
    return f"browse-{run}-None-test-{ImageFilter(true, predicted, CORRECTNESS[correct], probability, order)}-picked"


def shown(at, run=RUN) -> list[int]:
    """The images in the grid, in their order."""
    return at.session_state[grid_state(at, run)]["shown"]


def choose(at, **labels):
    """Set the boxes of the given labels, one after the other."""
    for label, value in labels.items():
        box(at, LABELS[label]).set_value(value).run()
    assert not at.exception and not at.error
    return at


LABELS = {
    "true": "True class",
    "predicted": "Predicted class",
    "correct": "Prediction",
    "probability": PROBABILITY,
    "order": "Order",
}


def test_an_empty_studio_shows_the_first_step(empty, open_page):
    at = open_page("gallery")
    assert len(at.info) == 1
    assert [button.key for button in at.button] == ["train-digits"]
    assert not at.exception


def test_before_anything_is_drawn_the_gallery_says_what_to_do(trained, open_page):
    at = open_page("gallery")
    assert at.info[0].value == EMPTY_TEXT
    assert {"gallery-ink", "gallery-paste"} <= {component.key for component in at.get("bidi_component")}
    assert not at.exception


def test_an_uploaded_digit_gets_the_prediction_of_the_classifier(trained, open_page):
    content = encode(digit(), "PNG")
    prediction = Classifier(trained.home.run_folder(RUN)).classify(read_image(content, "it"))
    name, probability = prediction.ranked[0]
    at = upload(open_page, "zero.png", content)
    assert [(metric.label, metric.value) for metric in at.metric] == [(PREDICTION, name)]
    assert name == "0"
    assert any(f"{probability:.1%}" in caption.value for caption in at.caption)
    assert len(at.get("plotly_chart")) == 1
    assert not at.exception


UNUSUAL = {
    "CMYK": ("print.jpg", lambda: encode(digit("CMYK"), "JPEG", quality=95)),
    "16 bit": ("deep.png", lambda: encode(Image.fromarray(np.asarray(digit()).astype(np.uint16) * 257), "PNG")),
    "animated": ("moving.gif", lambda: encode(digit(), "GIF", save_all=True, append_images=[Image.new("L", (160, 160))])),
    "transparent": ("clear.png", lambda: encode(transparent_digit(), "PNG")),
}


def transparent_digit():
    """Black ink on a transparent page."""
    ink = np.asarray(digit())
    return Image.merge("LA", (Image.new("L", (160, 160)), Image.fromarray(ink)))


@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_image_is_classified_with_a_note_on_its_conversion(trained, open_page, kind):
    name, content = UNUSUAL[kind]
    at = upload(open_page, name, content())
    assert [metric.value for metric in at.metric] == ["0"]
    (note,) = read_image(content(), name).notes
    assert any(note in caption.value for caption in at.caption)
    assert not at.error and not at.exception


def test_an_image_that_lies_on_its_side_is_turned_upright_first(trained, open_page):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    lying = digit().transpose(Image.Transpose.ROTATE_90)
    at = upload(open_page, "phone.jpg", encode(lying, "JPEG", quality=95, exif=exif))
    assert [metric.value for metric in at.metric] == ["0"]
    assert any(ROTATED in caption.value for caption in at.caption)
    assert not at.exception


REFUSED = {
    "text named .png": ("notes.png", lambda: b"these are no pixels", UNREADABLE),
    "empty": ("empty.png", lambda: b"", EMPTY),
    "cut short": ("half.png", lambda: encode(digit(), "PNG")[:400], DAMAGED),
    "blank": ("blank.png", lambda: encode(Image.new("L", (64, 64)), "PNG"), BLANK),
    "too many pixels": ("bomb.png", lambda: encode(Image.new("1", (9000, 9000)), "PNG"), f"{MAX_PIXELS // 10**6}"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_cannot_be_used_gives_a_message(trained, open_page, kind):
    name, content, predicted = REFUSED[kind]
    at = upload(open_page, name, content())
    assert not at.exception
    (alert,) = [*at.error, *at.warning]
    assert predicted in alert.value
    assert not at.metric


def evaluation_of(store, temperature=1.0):
    return finish(evaluate_run(RUN, store.run(RUN).config, store.home)).with_temperature(temperature)


def test_all_test_images_are_shown_page_by_page(trained, open_page):
    at = browse(open_page)
    assert counted(at) == (359, 359)
    assert shown(at) == list(range(24))
    (pages,) = at.get("pagination")
    assert pages.num_pages == 15
    pages.set_value(15).run()
    assert shown(at) == list(range(14 * 24, 359))
    assert not at.exception


CHOICES = [
    {"correct": "Correct"},
    {"correct": "Wrong"},
    {"true": "8"},
    {"true": "1", "correct": "Correct"},
    {"predicted": "8", "correct": "Wrong"},
    {"true": "8", "predicted": "8", "order": "Most probable first"},
    {"probability": (0, 90), "order": "Least probable first"},
    {"probability": (50, 95), "correct": "Correct", "order": "Most probable first"},
    {"order": "Least probable first"},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_filtered_images_are_shown_in_the_chosen_order(trained, open_page, choice):
    evaluation = evaluation_of(trained)
    shares = softmax(evaluation.logits.astype(np.float64), 1)
    predicted, sure = shares.argmax(1), shares.max(1)
    low, high = choice.get("probability", (0, 100))
    keep = (sure >= low / 100) & ((sure <= high / 100) | (high == 100))
    keep &= [choice.get("true", str(label)) == str(label) for label in evaluation.labels]
    keep &= [choice.get("predicted", str(label)) == str(label) for label in predicted]
    if "correct" in choice:
        keep &= (predicted == evaluation.labels) == (choice["correct"] == "Correct")
    expected = np.flatnonzero(keep)
    order = {"Most probable first": -1, "Least probable first": 1}.get(choice.get("order"), 0)
    expected = sorted(expected, key=lambda index: order * sure[index])
    at = choose(browse(open_page), **choice)
    assert 0 < len(expected) < 359 or "order" in choice
    assert counted(at) == (len(expected), 359)
    assert [sure[index] for index in shown(at)] == pytest.approx([sure[index] for index in expected[:24]], abs=1e-9)
    assert set(shown(at)) <= set(expected)


def test_below_the_threshold_the_prediction_is_unknown(own_trained, open_page):
    folder = own_trained.home.run_folder(RUN)
    save_calibration(folder, Calibration(threshold=0.8, temperature=2.0, images=10))
    evaluation = evaluation_of(own_trained, 2.0)
    caption = captions(evaluation, 0.8)
    sure = softmax(evaluation.logits.astype(np.float64) / 2, 1).max(1)
    doubtful, certain = int(sure.argmin()), int(sure.argmax())
    predicted = evaluation.logits[doubtful].argmax()
    assert caption(doubtful).startswith(f"{UNSURE.capitalize()} ({predicted} {sure[doubtful]:.0%} ")
    assert UNSURE.capitalize() not in caption(certain) and caption(certain).endswith("✓")
    at = choose(browse(open_page), probability=(0, 80))
    assert counted(at) == ((sure <= 0.8).sum(), 359)
    (note,) = [element.value for element in at.caption if UNSURE in element.value]
    assert "80%" in note and "2.00" in note


def test_a_selected_image_opens_its_explanation(trained, open_page):
    at = choose(browse(open_page), correct="Wrong")
    image, key = shown(at)[0], grid_state(at)
    at.session_state[key] = at.session_state[key] | {"picked": [image]}
    at.run()
    (button,) = (button for button in at.button if str(button.key).endswith("-why"))
    button.click().run()
    assert not at.exception and not at.error
    assert at.query_params["view"] in ("Explain", ["Explain"]) and at.query_params["image"] in (str(image), [str(image)])


def test_a_filter_that_leaves_nothing_says_why(own_trained, open_page):
    evaluation = evaluation_of(own_trained)
    flawless = Evaluation(evaluation.classes, 50 * np.eye(10, dtype=np.float32)[evaluation.labels], evaluation.labels)
    folder, fingerprint = own_trained.home.run_folder(RUN), open_source("digits", own_trained.home).info.fingerprint
    save_evaluation(folder, evaluation_key(folder, own_trained.run(RUN).config, fingerprint, "test", None), flawless)
    at = choose(browse(open_page), correct="Wrong")
    assert counted(at) == (0, 359)
    assert at.info[0].value == ALL_CORRECT
    at = choose(browse(open_page), true="1", predicted="2")
    assert at.info[0].value == NO_MATCH


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
    assert len(shown(at, run)) == 6
    assert not at.main.get("html")  # names go to the component as text, not as markup
    assert set(box(at, LABELS["true"]).options) == {ALL_CLASSES, *names}
    assert not at.exception
