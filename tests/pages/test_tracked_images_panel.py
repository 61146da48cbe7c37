"""Tracked images on the Train page: images are pinned in three ways, exactly as the model receives them, and their predictions are drawn."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.data.decoder import read_image
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.data.splits import stratified_split
from cnn_core.errors import RunError
from cnn_core.events import Started, TrackedPredictions
from cnn_core.home import TRACKED_IMAGES
from cnn_core.inference.preprocessing import preprocess
from cnn_core.runs.lock import hold
from cnn_core.training.tracked_images import MAX_IMAGES, TrackedImage, add_tracked_images, read_tracked_images
from cnn_core.training.tracked_predictions import predict_saved_epochs
from pages.charts.tracked_images import MAX_CLASSES, THEME_COLOURS, predictions_of, probability_lines, shown_classes
from pages.shared.text import plain
from pages.views.train.pinning import FULL, IMPORT_NOW, NOT_IMPORTED, SOURCES, TEST
from pages.views.train.tracked_images import CORRECT, NO_PREDICTION, ORIGINS, PREDICTION, PURPOSE, WRONG
from tests.helpers import drain, is_a_sentence
from tests.pages.manual_run import epoch, steps

RUN = "0001-digits"
PIN, UNPIN = f"pin-{RUN}", f"unpin-{RUN}-"
FROM_SET, UPLOAD, DRAW = SOURCES
MARKUP = "<b>cat</b>"


def folder(store, run=RUN):
    return store.home.run_folder(run)


def keys(at):
    return [button.key for button in at.button]


def press(at, key):
    at.button(key=key).click().run()
    assert not at.exception
    return at


def choose(at, option):
    next(group for group in at.button_group if option in [one.content for one in group.proto.options]).set_value(option).run()
    assert not at.exception
    return at


def captions(at):
    return " ".join(caption.value for caption in at.caption)


def charts(at):
    """The Plotly figures of the page, as the browser gets them."""
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def random_images(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        TrackedImage(rng.integers(0, 256, (32, 32, 1), dtype=np.uint8), f"image {number}", number % 10, "set")
        for number in range(count)
    ]


def digit(mode="L"):
    """A large 1 on black."""
    page = np.zeros((160, 160), np.uint8)
    page[20:140, 70:90] = 255
    return Image.fromarray(page).convert(mode)


def encode(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def upload(at, name, content):
    choose(at, UPLOAD)
    at.file_uploader[0].upload(name, content, "image/png").run()
    assert not at.exception
    return at


def test_before_anything_is_pinned_the_page_says_what_tracked_images_are_for_and_offers_three_ways(own_trained, open_page):
    run = own_trained.create(make_config())
    at = open_page("train", run=run)
    assert PURPOSE in captions(at) and str(MAX_IMAGES) in PURPOSE
    assert keys(at) == [f"stop-{run}"] and not charts(at) and not at.exception
    for way in SOURCES:
        choose(at, way)
        assert not at.error


def test_a_validation_image_is_pinned_by_class_and_number_to_a_run_that_still_waits(own_trained, open_page):
    config = make_config(epochs=5)
    run = own_trained.create(config)
    at = choose(open_page("train", run=run), FROM_SET)
    at.selectbox(key=f"tracked-class-{run}").set_value(7).run()
    next(box for box in at.number_input if box.key.startswith("tracked-number-")).set_value(3).run()
    press(at, f"pin-{run}")
    training = finish(open_source("digits", own_trained.home).load("train"))
    validation = training.take(stratified_split(training.labels, config.validation_share, config.seed)[1])
    place = np.flatnonzero(validation.labels == 7)[2]
    (image,) = read_tracked_images(folder(own_trained, run))
    assert np.array_equal(image.pixels, validation[place]) and (image.truth, image.origin) == (7, "set")
    assert image.label == f"validation image {place}"
    assert f"{image.label}, {ORIGINS['set']}" in captions(at) and NO_PREDICTION in captions(at)


def test_a_test_image_is_pinned_too(own_trained, open_page):
    at = choose(open_page("train", run=RUN), FROM_SET)
    choose(at, TEST)
    press(at, PIN)
    images = finish(open_source("digits", own_trained.home).load("test"))
    (image,) = read_tracked_images(folder(own_trained))
    assert np.array_equal(image.pixels, images[np.flatnonzero(images.labels == 0)[0]]) and image.label.startswith("test image ")


def test_a_random_choice_pins_five_images_of_five_classes_up_to_sixteen(own_trained, open_page):
    at = choose(open_page("train", run=RUN), FROM_SET)
    for expected in (5, 10, 15, 16):
        before = len(read_tracked_images(folder(own_trained)))
        press(at, f"pin-random-{RUN}")
        tracked = read_tracked_images(folder(own_trained))
        new = tracked[before:]
        assert len(tracked) == expected and len({image.truth for image in new}) == len(new)
    assert FULL in captions(at) and str(MAX_IMAGES) in FULL and f"pin-random-{RUN}" not in keys(at)


def test_an_upload_is_pinned_exactly_as_the_network_would_receive_it(own_trained, open_page):
    content = encode(digit("CMYK"), "JPEG", quality=95)
    at = upload(open_page("train", run=RUN), f"{MARKUP}.jpg", content)
    assert any("CMYK" in caption.value for caption in at.caption)
    at.selectbox(key=f"tracked-truth-{RUN}-upload").set_value(1).run()
    press(at, PIN)
    (image,) = read_tracked_images(folder(own_trained))
    info = open_source("digits", own_trained.home).info
    assert np.array_equal(image.pixels, preprocess(read_image(content, "it"), info))
    assert (image.label, image.truth, image.origin) == (f"{MARKUP}.jpg", 1, "upload")
    assert not any(MARKUP in html.value for html in at.main.get("html")), "names are text"
    press(at, PIN)
    assert is_a_sentence(at.error[0].value) and len(read_tracked_images(folder(own_trained))) == 1


HOSTILE = {
    "empty": b"",
    "text": b"hello",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "cut short": encode(digit())[:100],
    "far too many pixels": encode(Image.new("1", (9000, 9000))),
    "a blank page": encode(Image.new("L", (100, 100))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_upload_that_cannot_be_used_is_refused_with_a_message_and_nothing_is_pinned(own_trained, open_page, kind):
    at = upload(open_page("train", run=RUN), "it.png", HOSTILE[kind])
    assert len(at.error) == 1 and at.error[0].value.endswith(".") and PIN not in keys(at)
    assert read_tracked_images(folder(own_trained)) == []


def test_a_drawing_is_pinned_exactly_as_the_network_would_receive_it(own_trained, open_page):
    content = encode(digit("RGB"))
    at = open_page("train", run=RUN)
    at.session_state["tracked-ink-drawing"] = {
        "image": f"data:image/png;base64,{base64.b64encode(content).decode()}",
        "strokes": [],
    }
    choose(at, DRAW)
    press(at, PIN)
    (image,) = read_tracked_images(folder(own_trained))
    assert np.array_equal(image.pixels, preprocess(digit("RGB"), open_source("digits", own_trained.home).info))
    assert (image.label, image.truth, image.origin) == ("drawing 1", -1, "drawing")


def test_during_training_the_predictions_of_every_epoch_are_drawn(own_trained, open_page):
    run = own_trained.create(make_config(), status="running")
    right, wrong = random_images(2)
    add_tracked_images(folder(own_trained, run), [right, wrong])
    names, classes = (right.name, wrong.name), (MARKUP, "dog", "`bird`")
    begun = Started(1, "CPU", 30, 6, 6, 10, 4, classes=classes)
    with hold(folder(own_trained, run)):
        at = open_page("train", run=run)
        assert captions(at).count(NO_PREDICTION) == 2 and not charts(at)
        own_trained.log.append(
            run, [begun, steps(1, 10), epoch(1, 10), TrackedPredictions(1, 10, names, ((0.25, 0.7, 0.05), (0.2, 0.2, 0.6)))]
        )
        at.run()
        assert [chart["data"][0]["x"] for chart in charts(at)] == [[1], [1]]
        own_trained.log.append(
            run, [steps(11, 20), epoch(2, 20), TrackedPredictions(2, 20, names, ((0.8, 0.1, 0.1), (0.1, 0.2, 0.7)))]
        )
        at.run()
        lines = [{line["name"]: line["y"] for line in chart["data"]} for chart in charts(at)]
        assert lines[0] == {"<b>&lt;b&gt;cat&lt;/b&gt;</b>": [0.25, 0.8], "dog": [0.7, 0.1], "`bird`": [0.05, 0.1]}
        assert lines[1]["<b>dog</b>"] == [0.2, 0.2]
        shown_text = " ".join(text.value for text in at.markdown)
        for name, probability in ((r"\<b>cat\</b>", 0.8), (r"\`bird\`", 0.7)):
            assert PREDICTION.format(name=name, probability=probability, epoch=2) in shown_text
        assert CORRECT in shown_text and WRONG.format(truth="dog") in shown_text and MARKUP not in shown_text and not at.exception


def test_a_finished_run_adds_the_predictions_of_its_saved_epochs(own_trained, open_page):
    add_tracked_images(folder(own_trained), random_images(2))
    at = open_page("train", run=RUN)
    assert not charts(at)
    (fill,) = [button for button in at.button if button.key == f"tracked-fill-{RUN}"]
    assert "3" in fill.label
    fill.click().run()
    _, predictions = drain(predict_saved_epochs(folder(own_trained), [1, 2, 3]))
    for position, chart in enumerate(charts(at)):
        assert all(line["x"] == [1, 2, 3] for line in chart["data"])
        top = max(chart["data"], key=lambda line: line["y"][-1])
        assert top["y"] == [
            event.probabilities[position][int(np.argmax(predictions[-1].probabilities[position]))] for event in predictions
        ]
    assert len(charts(at)) == 2 and not any(button.key == f"tracked-fill-{RUN}" for button in at.button)
    assert not any(isinstance(stored.event, TrackedPredictions) for stored in own_trained.log.read(RUN)), (
        "only who trains tells events"
    )


def test_a_tracked_image_is_removed_and_the_others_stay(own_trained, open_page):
    add_tracked_images(folder(own_trained), random_images(3))
    at = open_page("train", run=RUN)
    [button for button in at.button if button.key.startswith(UNPIN)][1].click().run()
    assert [image.label for image in read_tracked_images(folder(own_trained))] == ["image 0", "image 2"]
    assert len([key for key in keys(at) if key.startswith(UNPIN)]) == 2 and not at.exception


def test_at_the_limit_of_tracked_images_the_page_says_so(own_trained, open_page):
    add_tracked_images(folder(own_trained), random_images(MAX_IMAGES))
    at = open_page("train", run=RUN)
    assert FULL in captions(at)
    assert len([key for key in keys(at) if key.startswith(UNPIN)]) == MAX_IMAGES and not at.exception


def test_a_damaged_file_gives_a_message_and_can_be_removed(own_trained, open_page):
    (folder(own_trained) / TRACKED_IMAGES).write_bytes(b"damaged")
    at = open_page("train", run=RUN)
    with pytest.raises(RunError) as refused:
        read_tracked_images(folder(own_trained))
    assert [error.value for error in at.error] == [plain(refused.value)] and TRACKED_IMAGES in str(refused.value)
    press(at, f"unpin-all-{RUN}")
    assert not (folder(own_trained) / TRACKED_IMAGES).exists() and not at.error


def test_images_of_a_set_that_has_changed_are_not_offered(own_trained, open_page):
    card = folder(own_trained) / "model.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"fingerprint": "another"}))
    at = choose(open_page("train", run=RUN), FROM_SET)
    assert len(at.info) == 1 and PIN not in keys(at)


def test_images_are_read_on_request(empty, open_page):
    run = empty.create(make_config())
    at = choose(open_page("train", run=run), FROM_SET)
    assert at.info[0].value == NOT_IMPORTED
    next(button for button in at.button if button.label == IMPORT_NOW).click().run()
    press(at, f"pin-{run}")
    assert len(read_tracked_images(folder(empty, run))) == 1


def test_predictions_are_matched_by_image_after_more_images_were_pinned():
    predictions = [
        TrackedPredictions(1, 3, ("a",), ((0.1, 0.9),)),
        TrackedPredictions(2, 6, ("b", "a"), ((1.0, 0.0), (0.3, 0.7))),
        TrackedPredictions(3, 9, ("b",), ((0.5, 0.5),)),
    ]
    assert predictions_of(predictions, "a") == {1: (0.1, 0.9), 2: (0.3, 0.7)} and predictions_of(predictions, "c") == {}


def test_the_true_class_the_current_prediction_and_earlier_predictions_are_drawn():
    rng = np.random.default_rng(0)
    shown_text = {number: tuple(rng.dirichlet(np.ones(200) / 20)) for number in range(1, 6)}
    rarest = int(np.argmin(np.max(list(shown_text.values()), 0)))
    shown = shown_classes(shown_text, rarest)
    assert len(shown) == MAX_CLASSES and {rarest, int(np.argmax(shown_text[5]))} <= set(shown)
    assert shown == sorted(shown, key=lambda number: -shown_text[5][number])


def test_classes_keep_their_colour_in_every_chart_and_no_two_lines_share_one():
    classes = [f"class {number}" for number in range(30)]
    one = {1: tuple(np.eye(30)[3] * 0.6 + np.eye(30)[13] * 0.4)}
    colours = {line.name.strip("<b>/"): line.line.color for line in probability_lines(one, classes).data}
    assert colours["class 3"] == THEME_COLOURS[3] and len(set(colours.values())) == MAX_CLASSES
