"""Measure how soon the Gallery shows a prediction, in Chromium. `python -m benchmarks.drawing`

A network is trained on the digits for a few epochs. Then digits are drawn with the mouse, which also causes predictions while the pen is down, and
test images are uploaded one at a time. Times are measured in the page: from lifting the pen, or choosing the file, to the frame after
its prediction is shown.
"""

import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.dashboard import dashboard, train_model
from benchmarks.evaluating import browser_page
from benchmarks.machine import percentile, print_table
from cnn_core.data.digits import read_digits
from cnn_core.home import Home
from tests.browser.pilot import DIGITS, draw_with_mouse

COUNT = 30
LIFT_TARGET, UPLOAD_TARGET = 0.3, 0.4  # seconds
PREDICTION = "document.querySelector('[data-testid=stMetricValue]')"

# Sets window.measured to the milliseconds from EVENT to the frame after IS_SHOWN becomes true.
TIMER = """() => {
  window.measured = null;
  document.addEventListener("EVENT", () => {
    const start = performance.now(), isShown = () => IS_SHOWN;
    const poll = () => {
      if (!isShown()) return setTimeout(poll, 4);
      requestAnimationFrame(() => setTimeout(() => { window.measured = performance.now() - start; }));
    };
    poll();
  }, { once: true });
}"""
IS_CLASSIFIED = f"""{PREDICTION} && Number(document.querySelector(".draw-answered")?.dataset.turn) >= Number(document.querySelector(".draw-paper").dataset.turn)"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        run = train_model(home.root, "digits", "--epochs", "5")["run"]
        with dashboard(home=home.root) as served, browser_page() as page:
            page.goto(f"{served.url}/gallery?run={run}")
            page.locator(".draw-paper").wait_for()
            lifts, predictions = draw(page)
            uploads = upload(page, home)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    rows = [
        ("lifting the pen to prediction", f"p95 ≤ {LIFT_TARGET:g} s", spread(lifts)),
        ("predictions while one digit is drawn", "", f"median {percentile(predictions, 50):.0f}"),
        ("upload of one image to prediction", f"p95 ≤ {UPLOAD_TARGET:g} s", spread(uploads)),
        ("load average over 1, 5 and 15 minutes", "", load),
    ]
    print_table("Predictions on the Gallery page", rows)


def draw(page: Page) -> tuple[list[float], list[int]]:
    """Draw digits; return the seconds from each last lift of the pen to its prediction, and the number of predictions of each digit."""
    seconds, predictions = [], []
    for number in range(COUNT + 1):
        *first_strokes, last = list(DIGITS.values())[number % len(DIGITS)]
        first_turn = read_turn(page)
        draw_with_mouse(page, first_strokes)
        start_timer(page, "pointerup", IS_CLASSIFIED)
        draw_with_mouse(page, [last])
        seconds.append(read_timer(page))
        predictions.append(read_turn(page) - first_turn)
        page.get_by_role("button", name="Clear").click()
        page.wait_for_function(f"!{PREDICTION}")
        page.wait_for_timeout(300)
    return seconds[1:], predictions[1:]  # the first one loads the model


def upload(page: Page, home: Home) -> list[float]:
    """Upload images one at a time; return the seconds from choosing each file until the image and its prediction are shown."""
    images, _ = read_digits(home.data)["test"]
    page.get_by_role("radio", name="Upload").click()
    seconds = []
    for number in range(COUNT + 1):
        name, out = f"digit-{number}.png", io.BytesIO()
        Image.fromarray(images[number].squeeze()).resize((256, 256), Image.Resampling.BICUBIC).save(out, "PNG")
        shown = f"document.querySelector('img[alt=\"Uploaded image {name}\"]')?.complete && {PREDICTION}"
        chooser = page.locator(".st-key-gallery-file [data-testid=stFileUploaderDropzoneInput]")
        chooser.wait_for(state="attached")
        start_timer(page, "change", shown)
        chooser.set_input_files({"name": name, "mimeType": "image/png", "buffer": out.getvalue()})
        seconds.append(read_timer(page))
        page.locator(".st-key-gallery-file [data-testid=stFileChipDeleteBtn]").first.click()
        page.wait_for_function(f"!{PREDICTION}")
        page.wait_for_timeout(300)
    return seconds[1:]


def start_timer(page: Page, event: str, is_shown: str) -> None:
    """Measure the time from the next `event` until the JavaScript expression `is_shown` is true."""
    page.evaluate(TIMER.replace("EVENT", event).replace("IS_SHOWN", is_shown))


def read_turn(page: Page) -> int:
    """Return the number of drawings that the page has sent."""
    return int(page.locator(".draw-paper").get_attribute("data-turn") or 0)


def read_timer(page: Page) -> float:
    """Wait for the measurement and return it in seconds."""
    page.wait_for_function("window.measured !== null")
    return float(page.evaluate("window.measured")) / 1000


def spread(seconds: Sequence[float]) -> str:
    return f"p50 {percentile(seconds, 50):.3f} s, p95 {percentile(seconds, 95):.3f} s (n = {len(seconds)})"


if __name__ == "__main__":
    main()
