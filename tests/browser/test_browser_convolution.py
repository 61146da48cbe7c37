"""The Convolution view in a browser: the sum at the pixel under the pointer equals the output of the model."""

import re

import pytest
import torch
from playwright.sync_api import expect

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.explain.single_image import to_model_input
from cnn_core.inference.classifier import Classifier
from cnn_core.metrics.evaluation import load_split
from tests.browser.pilot import assert_sound, use_module, visit

RUN = "0001-digits"


@pytest.fixture
def outputs(store):
    """Return the output (channels, H, W) of each convolution of the model for the first image of the view."""
    config = store.run(RUN).config
    images = finish(load_split(open_source(config.data, store.home), config, "val"))
    pixels = images[int((images.labels == 0).nonzero()[0][0])]
    classifier, convolutions = Classifier(store.home.run_folder(RUN)), []
    for layer in classifier.model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda layer, inputs, outputs: convolutions.append(outputs[0].detach().clone()))
    classifier.model(to_model_input(pixels, classifier.card))
    return [maps.numpy() for maps in convolutions]


def shown_sum(page):
    """Return the pixel whose arithmetic is shown, the result in the last line, and that line."""
    place = tuple(int(page.locator(".conv").get_attribute(f"data-{name}")) for name in ("row", "column"))
    text = page.locator(".conv-result").inner_text().replace("−", "-")
    return place, float(text.rpartition("= ")[2]), text


def hover(page, row, column, size):
    target = page.locator(".conv-to .conv-map")
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    page.mouse.move(box["x"] + (column + 0.5) * box["width"] / size, box["y"] + (row + 0.5) * box["height"] / size)


def await_step(page, step, channel=None):
    page.wait_for_function("step => document.querySelector('.conv-strip [aria-current=true]')?.dataset.step == step", arg=step)
    if channel is not None:
        expect(page.locator(".conv-channel")).to_have_value(str(channel))


def test_the_sum_at_a_pixel_equals_the_output_of_the_model(page, server, outputs):
    visit(page, server, "learn", f"?run={RUN}&view=Convolution")
    await_step(page, 1)
    channel = int(page.locator(".conv-channel").input_value())
    for row, column in ((0, 0), (10, 17), (31, 31)):  # corners have padding in their windows
        hover(page, row, column, 32)
        place, total, text = shown_sum(page)
        assert place == (row, column) and "bias" in text
        assert total == pytest.approx(outputs[0][channel, row, column], abs=1e-4)
    expect(page.locator(".conv-outside")).to_have_count(5)
    page.mouse.move(5, 5)

    page.locator(".conv-channel").fill("7")
    page.locator(".conv-channel").press("Enter")
    await_step(page, 1, 7)
    hover(page, 10, 17, 32)
    assert shown_sum(page)[1] == pytest.approx(outputs[0][7, 10, 17], abs=1e-4)
    after = page.locator(".conv-after").inner_text()
    assert "max pooling" in after and "ReLU: max(0, " in after
    pooled = max(0, outputs[0][7, 10:12, 16:18].max())
    assert float(after.rpartition("= ")[2].rstrip(".").replace("−", "-")) == pytest.approx(pooled, abs=1e-4)


def test_a_step_and_a_pixel_are_chosen_by_keyboard(page, server, outputs):
    visit(page, server, "learn", f"?run={RUN}&view=Convolution")
    await_step(page, 1)
    page.locator(".conv-strip [aria-current=true]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    await_step(page, 4)
    channel = int(page.locator(".conv-channel").input_value())
    page.locator(".conv-to .conv-map").focus()
    row, column = shown_sum(page)[0]
    page.keyboard.press("ArrowDown" if row < 15 else "ArrowUp")
    place, total, text = shown_sum(page)
    assert place == (row + (1 if row < 15 else -1), column) and re.search(r"\b32\b", text)
    assert total == pytest.approx(outputs[1][(channel, *place)], abs=1e-4)
    expect(page.locator(".conv [aria-live]")).to_contain_text(re.compile(rf"\b{place[0]}\b.*\b{place[1]}\b"))

    own = page.locator(".conv-input")
    own.fill("5")
    caption = page.locator(".conv-from figcaption").inner_text()
    assert re.search(r"\b5\b", caption) and "features.0.2" in caption
    assert re.search(r"\b5\b", page.locator(".conv-sum p").nth(1).inner_text())
    page.locator(".conv-strongest").click()
    assert own.input_value() != "" and shown_sum(page)[1] == total

    page.locator(".conv-tiles-frame").focus()
    page.keyboard.press("ArrowRight" if channel < 63 else "ArrowLeft")
    channel += 1 if channel < 63 else -1
    await_step(page, 4, channel)
    assert shown_sum(page)[1] == pytest.approx(outputs[1][(channel, *place)], abs=1e-4)
    assert_sound(page)


def test_the_window_slides_automatically_and_the_view_fits_a_phone(page, server):
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, server, "learn", f"?run={RUN}&view=Convolution")
    await_step(page, 1)
    page.locator(".conv-play").click()
    page.wait_for_function(
        "document.querySelector('.conv').dataset.row == '0' && document.querySelector('.conv').dataset.column > 2"
    )
    page.locator(".conv-play[aria-pressed=true]").click()
    place = shown_sum(page)[0]
    page.wait_for_timeout(250)
    assert shown_sum(page)[0] == place
    page.locator(".conv-strip [data-kind=softmax]").click()
    expect(page.locator(".conv-title")).to_contain_text("oftmax")
    expect(page.locator(".conv-sum p").first).to_contain_text("0: ")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    assert_sound(page)


def test_a_linear_layer_has_inputs_and_units(page, server):
    visit(page, server, "learn", f"?run={RUN}&view=Convolution")
    await_step(page, 1)
    page.locator(".conv-strip button", has_text="classifier.4").click()
    expect(page.locator(".conv-title")).to_have_text(re.compile(r"\b192\b.*\b96\b.* · classifier\.4$"))
    expect(page.locator(".conv-to figcaption")).to_contain_text(re.compile(r"\b\d+: "))
    expect(page.locator(".conv-in span")).to_have_text("Input")
    assert re.search(r"\b192\b.* bias = ", shown_sum(page)[2], re.DOTALL)
    group = page.locator("[data-testid=stButtonGroup]", has_text="Camera").bounding_box()
    last = page.get_by_role("radio", name="Camera").or_(page.get_by_role("button", name="Camera")).bounding_box()
    assert last["x"] + last["width"] <= group["x"] + group["width"] + 1, "all sources of an image are completely visible"


def explanation_of(page, layer):
    """Return the lines that explain a layer, which is an object in JavaScript."""
    return use_module(page, "convolution/sentences", f"module.writeStep({layer}, [0, 0], 0).lines")


def test_no_bias_is_added_where_there_is_none_and_a_norm_is_explained(page):
    weighted = "{ hasKernels: true, inputs: [0], total: 1, inSize: [1, 1], contributions: () => [6], valuesIn: () => [[2]], kernel: () => [[3]], bias: 0 }"
    norm = "{ kind: 'norm', scale: [2], shift: [1], maps: [3], valueAt: (values) => values[0] }"
    (without,) = explanation_of(page, weighted)
    (added,) = explanation_of(page, weighted.replace("bias: 0", "bias: -1"))
    assert [re.findall(r"[−=]|[\d.]*\d", text) for text in (without, added)] == [
        ["6.0000", "=", "6.0000"],
        ["6.0000", "−", "1.000", "=", "5.0000"],
    ]
    *explanation, result = explanation_of(page, norm)
    assert len(explanation) == 1 and result == "2.000 · 3.000 + 1.000 = 7.0000"
    assert explanation_of(page, norm.replace("norm", "factor")) == [result]
