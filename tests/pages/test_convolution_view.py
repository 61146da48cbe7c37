"""The convolution view: an image passes through the model of a run, and the values that the browser receives add up to those of the model."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnn_core.errors import ImageError
from cnn_core.explain.forward_trace import trace_forward
from cnn_core.explain.single_image import to_model_input
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.preprocessing import preprocess
from cnn_core.lessons.glossary import read_glossary
from pages.charts.components.convolution import TILES, TracedModel, describe_channel, describe_steps
from pages.shared.image_input import UPLOAD, input_key
from pages.shared.links import term_link
from pages.shared.text import plain
from pages.views.learn.convolution import CHOOSE_IMAGE, EXPLANATION, KEY, prediction_text
from tests.explain.nets import CLASSES, SIDE, network, random_images
from tests.pages.form import drawn_bar

RUN = "0001-digits"


def open_view(open_page, **query):
    at = open_page("learn", view="Convolution", **query)
    assert not at.exception and not at.error
    return at


def data_of(at):
    """What the browser receives."""
    (part,) = (json.loads(part.proto.json) for part in at.get("bidi_component") if '"strip"' in part.proto.json)
    return part


def numbers(text, *shape):
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(*shape)


def subject_of(steps, side=SIDE, channels=3, classes=CLASSES):
    return TracedModel(
        "it", steps, np.zeros((side, side, channels), np.uint8), (0.5,) * channels, (0.2,) * channels, list("abcd")[:classes]
    )


def sum_up(layer):
    """The output of a convolution, (H', W') float64, computed from what the browser receives, as its JavaScript does."""
    height, width = layer["inSize"]
    maps = np.pad(numbers(layer["maps"], -1, height, width), ((0, 0), (9, 9), (9, 9)))
    kernels = numbers(layer["kernels"], len(maps), len(layer["rows"][0]), len(layer["columns"][0]))
    total = np.full(layer["size"], layer["bias"], np.float64)
    for row, rows in enumerate(layer["rows"]):
        for column, columns in enumerate(layer["columns"]):
            total[row, column] += (maps[:, np.array(rows) + 9][:, :, np.array(columns) + 9] * kernels).sum(dtype=np.float64)
    return total + (numbers(layer["rest"], *layer["size"]) if "rest" in layer else 0)


@pytest.mark.parametrize("family", ["simple", "speed", "mobilenet"])
def test_what_is_sent_of_a_convolution_adds_up_to_its_output(family):
    steps = trace_forward(network(family), random_images(1))
    places = [place for place, step in enumerate(steps) if step.kind in ("convolution", "linear")]
    for place in [places[0], places[1], places[-1]]:
        channel = len(steps[place].output) - 1
        layer = describe_channel(subject_of(steps), place, channel)
        np.testing.assert_allclose(sum_up(layer), steps[place].output[channel], atol=1e-5)
        np.testing.assert_array_equal(numbers(layer["output"], *layer["size"]), steps[place].output[channel])


def test_a_step_with_many_inputs_sends_the_strongest_and_the_sum_of_the_others():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 40, 1), nn.Conv2d(40, 2, 3, padding=1)).eval()
    steps = trace_forward(model, torch.randn(1, 3, 96, 96))
    layer = describe_channel(subject_of(steps, 96), 2, 1)
    assert layer["total"] == 40 and len(layer["inputs"]) == 28 and "rest" in layer
    assert len(json.dumps(layer)) < 2_000_000
    np.testing.assert_allclose(sum_up(layer), steps[2].output[1], atol=1e-5)


@pytest.mark.parametrize("family", ["resnet20", "efficientnet", "convnext"])
def test_every_step_can_be_sent_and_all_of_them_are_small(family):
    steps = trace_forward(network(family), random_images(1))
    subject = subject_of(steps)
    assert len(json.dumps(describe_steps(subject))) < 400_000
    for place, step in enumerate(steps):
        layer = describe_channel(subject, place, len(step.output) - 1)
        assert layer["tiles"]["count"] == min(TILES, len(step.output)) and layer["size"] == list(step.output.shape[1:])
        if "scale" in layer:
            own = numbers(layer["maps"], *layer["inSize"])
            np.testing.assert_allclose(
                numbers(layer["scale"], -1) * own.ravel() + numbers(layer["shift"], -1), step.output[-1].ravel(), atol=1e-4
            )


def test_the_steps_after_a_convolution_are_sent_up_to_its_activation():
    after = describe_channel(subject_of(trace_forward(network("speed"), random_images(1))), 3, 0)["after"]
    assert [step["kind"] for step in after] == ["pooling", "norm", "activation"]
    last = trace_forward(network("simple"), random_images(1))
    assert [step["kind"] for step in describe_channel(subject_of(last), len(last) - 2, 0)["after"]] == ["softmax"]


def test_the_first_convolution_of_a_test_image_is_shown(trained, open_page):
    at = open_view(open_page, run=RUN)
    classifier = Classifier(trained.home.run_folder(RUN))
    data = data_of(at)
    assert [row["kind"] for row in data["strip"]][:4] == ["image", "convolution", "pooling", "activation"]
    assert data["strip"][-1]["kind"] == "softmax" and data["layer"]["step"] == 1
    url = data["strip"][0]["image"].partition(",")[2]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(url))))[..., None]
    with torch.no_grad():
        expected = classifier.model.features[0][0](to_model_input(pixels, classifier.card))[0]
    channel = data["layer"]["channel"]
    assert channel == int(expected.amax((1, 2)).argmax())
    np.testing.assert_allclose(numbers(data["layer"]["output"], 32, 32), expected[channel].numpy(), atol=1e-5)
    assert prediction_text("0") in " ".join(part.value for part in at.markdown)


def choose_upload(at):
    (ways,) = (group for group in at.button_group if group.key == input_key(KEY))
    return ways.set_value(UPLOAD).run()


def test_an_uploaded_image_passes_through_the_model(trained, open_page):
    at = open_view(open_page, run=RUN)
    before = data_of(at)
    at = choose_upload(at)
    assert at.info[0].value == CHOOSE_IMAGE
    at = at.file_uploader[0].upload("one.png", drawn_bar(), "image/png").run()
    assert not at.exception and not at.error
    data = data_of(at)
    assert data["name"] != before["name"] and data["layer"]["output"] != before["layer"]["output"]


def test_a_blank_image_gives_a_warning(trained, open_page):
    blank, out = Image.new("L", (40, 40)), io.BytesIO()
    blank.save(out, "PNG")
    with pytest.raises(ImageError) as refused:
        preprocess(blank, Classifier(trained.home.run_folder(RUN)).card)
    at = choose_upload(open_view(open_page, run=RUN))
    at = at.file_uploader[0].upload("blank.png", out.getvalue(), "image/png").run()
    assert not at.exception and at.warning[0].value == plain(refused.value)


def test_if_the_selected_step_no_longer_exists_the_first_convolution_is_shown(trained, open_page):
    at = open_view(open_page, run=RUN)
    at.session_state[f"{KEY}-{RUN}"] = (99, 4)
    assert data_of(at.run())["layer"]["step"] == 1 and not at.exception


def test_without_a_run_the_picture_shows_known_kernels_above_the_explanation_and_a_link_to_the_form(empty, open_page):
    at = open_view(open_page)
    data = data_of(at)
    assert [row["kind"] for row in data["strip"]] == ["image", "convolution", "activation", "pooling"]
    kernel = numbers(data["layer"]["kernels"], 3, 3)
    np.testing.assert_array_equal(kernel, [[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    assert EXPLANATION.strip() in [part.value for part in at.markdown] and term_link("kernel", "kernel") in EXPLANATION
    assert len(at.info) == 1 and "configure" in [link.proto.page for link in at.get("page_link")]


def test_the_picture_comes_before_the_choice_of_the_run_and_the_text(trained, open_page):
    assert elements(open_view(open_page, run=RUN)) == ["bidi_component", "selectbox", "header"]


def elements(at):
    """The order on the page of the picture, the box of runs and the heading of the text."""
    found = [node.type for node in at.main if node.type in ("bidi_component", "selectbox", "header")]
    return list(dict.fromkeys(found))


def test_the_terms_in_its_explanation_are_in_the_glossary():
    terms = re.findall(r"term=(\w+)", EXPLANATION)
    assert len(terms) >= 4 and set(terms) <= set(read_glossary())
