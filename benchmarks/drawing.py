"""How soon the Gallery answers a picture, in Chromium. `python -m benchmarks.drawing`

A network learns the digits for a few epochs. Then strokes are drawn with the mouse, which also brings answers while the pen is down, and
test digits are uploaded one at a time. Times are taken in the page: from the pen's lifting, or the file's choice, until the frame after
the answer to it is there.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.dashboard import ROOT, dashboard
from benchmarks.evaluating import browser_page
from benchmarks.machine import percentile, print_table
from cnn_core.data.digits import read_digits
from cnn_core.home import Home
from tests.browser.pilot import DIGITS, draw_with_mouse

COUNT = 30
LIFT_AIM, UPLOAD_AIM = 0.3, 0.4  # seconds
ANSWER = "document.querySelector('[data-testid=stMetricValue]')"

# `took` becomes the milliseconds from EVENT to the frame after IS_THERE.
WATCH = """() => {
  window.took = null;
  document.addEventListener("EVENT", () => {
    const begun = performance.now(), isThere = () => IS_THERE;
    const look = () => {
      if (!isThere()) return setTimeout(look, 4);
      requestAnimationFrame(() => setTimeout(() => { window.took = performance.now() - begun; }));
    };
    look();
  }, { once: true });
}"""
LIFTED = f"""{ANSWER} && Number(document.querySelector(".draw-answered")?.dataset.turn) >= Number(document.querySelector(".draw-paper").dataset.turn)"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        run = train(home)
        with dashboard(home=home.root) as served, browser_page() as page:
            page.goto(f"{served.url}/gallery?run={run}")
            page.locator(".draw-paper").wait_for()
            lifts, turns = draw(page)
            uploads = upload(page, home)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    rows = [
        ("pen lift → answer painted", f"p95 ≤ {LIFT_AIM:g} s", spread(lifts)),
        ("answers while one digit is drawn", "", f"median {percentile(turns, 50):.0f}"),
        ("one picture uploaded → answer painted", f"p95 ≤ {UPLOAD_AIM:g} s", spread(uploads)),
        ("load of the machine over 1, 5, 15 minutes", "", load),
    ]
    print_table("A picture of one's own: from the pen or the file to the answer", rows)


def train(home: Home) -> str:
    """A network that has learned the digits for five epochs, by the command line; the run's name."""
    command = [sys.executable, "-m", "cnn_core", "train", "--data", "digits", "--epochs", "5", "--json"]
    environment = {**os.environ, "CNN_STUDIO_HOME": str(home.root)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])["run"]


def draw(page: Page) -> tuple[list[float], list[int]]:
    """Seconds from each last lift, and how many drawings were sent before it."""
    seconds, turns = [], []
    for number in range(COUNT + 1):
        *before, last = list(DIGITS.values())[number % len(DIGITS)]
        first_turn = turn(page)
        draw_with_mouse(page, before)
        watch(page, "pointerup", LIFTED)
        draw_with_mouse(page, [last])
        seconds.append(took(page))
        turns.append(turn(page) - first_turn)
        page.get_by_role("button", name="Clear").click()
        page.wait_for_function(f"!{ANSWER}")
        page.wait_for_timeout(300)
    return seconds[1:], turns[1:]  # the first one opens the model


def upload(page: Page, home: Home) -> list[float]:
    """Seconds from each choice of a file, with none before it, until it and its answer are there."""
    images, _ = read_digits(home.data)["test"]
    page.get_by_role("radio", name="Upload").click()
    seconds = []
    for number in range(COUNT + 1):
        name, out = f"digit-{number}.png", io.BytesIO()
        Image.fromarray(images[number].squeeze()).resize((256, 256), Image.Resampling.BICUBIC).save(out, "PNG")
        shown = f"document.querySelector('img[alt=\"Uploaded picture {name}\"]')?.complete && {ANSWER}"
        chooser = page.locator(".st-key-gallery-file [data-testid=stFileUploaderDropzoneInput]")
        chooser.wait_for(state="attached")
        watch(page, "change", shown)
        chooser.set_input_files({"name": name, "mimeType": "image/png", "buffer": out.getvalue()})
        seconds.append(took(page))
        page.locator(".st-key-gallery-file [data-testid=stFileChipDeleteBtn]").first.click()
        page.wait_for_function(f"!{ANSWER}")
        page.wait_for_timeout(300)
    return seconds[1:]


def watch(page: Page, event: str, is_there: str) -> None:
    """Take the time from the next `event` on."""
    page.evaluate(WATCH.replace("EVENT", event).replace("IS_THERE", is_there))


def turn(page: Page) -> int:
    return int(page.locator(".draw-paper").get_attribute("data-turn") or 0)


def took(page: Page) -> float:
    page.wait_for_function("window.took !== null")
    return page.evaluate("window.took") / 1000


def spread(seconds: Sequence[float]) -> str:
    return f"p50 {percentile(seconds, 50):.3f} s, p95 {percentile(seconds, 95):.3f} s (n = {len(seconds)})"


if __name__ == "__main__":
    main()
