"""The Gallery in a browser: digits drawn with mouse or finger, uploaded or pasted are classified."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cnn_core.config.defaults import make_config
from cnn_core.data.digits import read_digits
from cnn_core.execution.in_process import execute
from cnn_core.inference.verdict import UNLIKE
from pages.views.gallery.own_image import EMPTY_TEXT
from pages.views.gallery.prediction import UNLIKE_TEXT
from tests.browser.pilot import (
    DIGITS,
    arc,
    assert_sound,
    await_classified,
    canvas_points,
    draw_with_finger,
    draw_with_mouse,
    settle,
    use_module,
    visit,
)

RUN = "?run=0001-digits"


def prediction(page: Page):
    return page.locator("[data-testid=stMetricValue]")


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator(".st-key-gallery-file [data-testid=stFileUploaderDropzoneInput]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": content}
    )


def is_white(page: Page, place: tuple[float, float]) -> bool:
    """Whether there is ink at this place, in fractions of the canvas."""
    return page.evaluate(
        """([x, y]) => {
            const canvas = document.querySelector(".draw-paper");
            return canvas.getContext("2d").getImageData(x * canvas.width, y * canvas.height, 1, 1).data[0] > 128;
        }""",
        list(place),
    )


def predicted_class(page: Page) -> str:
    await_classified(page)
    return prediction(page).inner_text()


def test_digits_drawn_with_mouse_or_finger_are_classified_correctly(page, server):
    visit(page, server, "gallery", RUN)
    read = {}
    for digit, strokes in DIGITS.items():
        draw_with_mouse(page, strokes)
        read[digit] = predicted_class(page)
        page.get_by_role("button", name="Clear").click()
        prediction(page).first.wait_for(state="detached")
    assert sum(digit == name for digit, name in read.items()) >= 9, read
    for digit in "025":
        draw_with_finger(page, DIGITS[digit])
        assert predicted_class(page) == digit
        page.get_by_role("button", name="Clear").click()
        prediction(page).first.wait_for(state="detached")
    assert_sound(page)


def test_strokes_are_undone_redone_and_erased(page, server):
    visit(page, server, "gallery", RUN)
    draw_with_mouse(page, [*DIGITS["1"], [(0.1, 0.5), (0.9, 0.5)]])
    assert is_white(page, (0.8, 0.5))
    page.get_by_role("button", name="Undo").click()
    assert not is_white(page, (0.8, 0.5)) and is_white(page, (0.52, 0.7))
    assert predicted_class(page) == "1"
    page.get_by_role("button", name="Redo").click()
    assert is_white(page, (0.8, 0.5))
    page.locator(".draw-paper").focus()
    page.keyboard.press("Control+z")
    assert not is_white(page, (0.8, 0.5))
    page.keyboard.press("Control+Shift+Z")
    assert is_white(page, (0.8, 0.5))
    page.get_by_role("button", name="Eraser").click()
    draw_with_mouse(page, [[(0.7, 0.5), (0.95, 0.5)], [(0.1, 0.5), (0.4, 0.5)]])
    assert not is_white(page, (0.8, 0.5)) and is_white(page, (0.52, 0.7))
    assert predicted_class(page) == "1"
    page.get_by_role("button", name="Clear").click()
    assert not is_white(page, (0.52, 0.7))
    expect(page.get_by_text(EMPTY_TEXT)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    assert is_white(page, (0.52, 0.7))
    expect(page.get_by_text(re.compile("32×32"))).to_be_visible()
    expect(page.locator("[data-testid=stPlotlyChart] .main-svg").first).to_be_visible()
    assert_sound(page)


def test_the_prediction_appears_while_the_pen_is_down(page, server):
    visit(page, server, "gallery", RUN)
    first, *others = canvas_points(page, DIGITS["0"][0])
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point)
    expect(prediction(page)).to_have_text("0")
    assert page.evaluate("Number(document.querySelector('.draw-paper').dataset.turn)") >= 1
    page.mouse.up()
    assert predicted_class(page) == "0"
    assert_sound(page)


def shrink(
    strokes: list[list[tuple[float, float]]], centre: tuple[float, float], scale: float
) -> list[list[tuple[float, float]]]:
    return [[(centre[0] + scale * (x - 0.5), centre[1] + scale * (y - 0.5)) for x, y in stroke] for stroke in strokes]


def test_a_small_drawing_is_sent_as_the_same_drawing_of_usual_size(page, server):
    visit(page, server, "gallery", RUN)

    def sent(digit: str, scale: float, colour: str = "#ffffff") -> list[list[float]]:
        points = [[320 * x, 320 * y] for stroke in shrink(DIGITS[digit], (0.3, 0.6), scale) for x, y in stroke]
        strokes = [{"colour": colour, "width": 26, "points": points}]
        (stroke,) = use_module(page, "canvas/canvas", "module.enlarge(given[0], 320, '#000000')", strokes)
        assert stroke["width"] == 26 and (stroke["points"] == points) == (scale > 0.7 or colour == "#000000")
        return stroke["points"]

    for digit in "248":
        tiny, small = np.array(sent(digit, 0.15)), np.array(sent(digit, 0.4))
        np.testing.assert_allclose(tiny, small, atol=1e-6)
        lowest, highest = tiny.min(0), tiny.max(0)
        assert (highest - lowest).max() == pytest.approx(0.72 * 320) and (lowest + highest) / 2 == pytest.approx([160, 160])
    sent("2", 1.0)
    sent("2", 0.15, "#000000")  # the eraser


def test_tiny_digits_are_classified_as_large_ones_and_a_face_is_said_to_be_unlike_them(page, server):
    visit(page, server, "gallery", RUN)
    for digit, centre in {
        "1": (0.2, 0.2),
        "4": (0.8, 0.5),
        "7": (0.5, 0.85),
    }.items():  # straight strokes: events of a busy browser are few
        draw_with_mouse(page, shrink(DIGITS[digit], centre, 0.16))
        assert predicted_class(page) == digit
        page.get_by_role("button", name="Clear").click()
        prediction(page).first.wait_for(state="detached")
    page.get_by_role("slider", name="Size of brush").fill("10")
    eyes = [[(x, 0.4), (x + 0.01, 0.4)] for x in (0.38, 0.62)]
    draw_with_mouse(page, [arc((0.5, 0.5), (0.36, 0.36), 0, 360), *eyes, arc((0.5, 0.52), (0.18, 0.18), 110, 250)])
    await_classified(page)
    expect(page.locator(".stMarkdownBadge")).to_have_text(UNLIKE_TEXT)
    expect(page.locator(".draw [role=status]")).to_contain_text(UNLIKE)
    assert_sound(page)


def test_an_image_pasted_anywhere_on_the_page_is_classified_correctly(page, server, tmp_path):
    images, labels = read_digits(tmp_path)["test"]
    zero, out = images[labels == 0][0].squeeze(), io.BytesIO()
    Image.fromarray(zero).resize((256, 256), Image.Resampling.BICUBIC).save(out, "PNG")
    visit(page, server, "gallery", RUN)
    page.locator(".paste").wait_for()
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }""",
        list(out.getvalue()),
    )
    expect(page.get_by_alt_text(re.compile(r"pasted 1 \(image\.png\)$"))).to_be_visible()
    expect(prediction(page)).to_have_text("0")
    assert_sound(page)


def test_a_digit_drawn_with_a_finger_on_a_phone_is_classified_correctly_and_does_not_scroll_the_page(page, server):
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, server, "gallery", RUN)
    canvas_points(page, [(0, 0)])
    top = "document.querySelector('.draw-paper').getBoundingClientRect().top"
    before = page.evaluate(top)
    page.evaluate(
        f"""() => {{
            window.tops = new Set();
            const watch = () => {{ window.tops.add(Math.round({top})); requestAnimationFrame(watch); }};
            watch();
        }}"""
    )
    draw_with_finger(page, DIGITS["7"])
    expect(prediction(page)).to_have_text("7")
    assert page.evaluate("Math.max(...window.tops) - Math.min(...window.tops)") < 2, "the canvas never moves under the finger"
    assert is_white(page, (0.5, 0.2))
    expect(page.locator(".phone-summary")).to_contain_text("7")
    settle(page)
    boxes = [page.locator(name).bounding_box() for name in (".phone-summary", ".draw-paper")]
    assert boxes[0]["y"] >= 0 and boxes[1]["y"] + boxes[1]["height"] <= 844, "both on the screen at once"
    assert abs(page.evaluate(top) - before) < 2
    assert_sound(page)


def test_a_drawing_is_still_there_after_a_visit_to_another_page(page, server):
    visit(page, server, "gallery", RUN)
    draw_with_mouse(page, DIGITS["7"])
    expect(prediction(page)).to_have_text("7")
    page.get_by_role("link", name="Evaluate").first.click()
    page.get_by_role("heading", name="Evaluate").wait_for()
    page.get_by_role("link", name="Gallery").first.click()
    page.locator(".draw-paper").wait_for()
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector(".draw-paper");
            return canvas.getContext("2d").getImageData(0.5 * canvas.width, 0.2 * canvas.height, 1, 1).data[0] > 128;
        }"""
    )
    expect(prediction(page)).to_have_text("7")
    assert_sound(page)


def test_an_uploaded_digit_is_classified_correctly_and_a_file_that_is_no_image_is_refused(page, server, tmp_path):
    images, labels = read_digits(tmp_path)["test"]
    zero, out = images[labels == 0][0].squeeze(), io.BytesIO()
    Image.fromarray(zero).resize((256, 256), Image.Resampling.BICUBIC).save(out, "PNG")
    visit(page, server, "gallery", RUN)
    page.get_by_role("radio", name="Upload").click()
    upload(page, "zero.png", out.getvalue())
    expect(prediction(page)).to_have_text("0")
    expect(page.get_by_alt_text(re.compile(r"\bzero\.png$")).first).to_be_visible()
    upload(page, "notes.png", b"these are no pixels")
    expect(page.locator("[data-testid=stAlert]").filter(has_text="“notes.png”")).to_be_visible()
    expect(page.get_by_alt_text("Model input of zero.png")).to_be_visible()
    assert_sound(page)


def test_class_names_that_look_like_markup_are_shown_letter_by_letter(page, server, store, tmp_path):
    names = ["*stars*", "1. <b>bold", ":red[colour] $x$"]
    for shade, name in enumerate(names):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (16, 16), (120 * shade, 10 * number, 0)).save(tmp_path / name / f"{number}.png")
    run = store.create(make_config(data=str(tmp_path), epochs=1, batch_size=4), status="running")
    assert execute(store, run) == "finished"

    visit(page, server, "gallery", f"?run={run}")
    page.get_by_role("radio", name="Upload").click()
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (120, 40, 0)).save(out, "PNG")
    upload(page, "brown.png", out.getvalue())
    prediction(page).wait_for()
    assert prediction(page).inner_text() in names
    labels = page.locator("[data-testid=stPlotlyChart] .ytick text")
    labels.first.wait_for()
    assert set(labels.all_text_contents()) == set(names)
    assert_sound(page)
