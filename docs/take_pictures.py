"""Take the screenshots of the documents from the dashboard in Chromium: `python -m docs.take_pictures HOME`.

In: a studio home with a run on photographs (data set `photos`), several runs on digits, a finished search `widths` and a finished exercise. Out:
`docs/pictures/*.webp`, among them `live-training.webp`, an animation of a training on digits.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize

from benchmarks.dashboard import TIMEOUT, Dashboard, chromium, dashboard
from cnn_core.config.defaults import make_config
from cnn_core.home import Home
from tests.browser.pilot import DIGITS, DONE, LOSS, await_classified, draw_with_mouse

PICTURES = Path(__file__).parent / "pictures"
VIEWPORT = ViewportSize(width=1440, height=900)
WIDTH, ANIMATION_WIDTH = 1200, 960  # pixels of a saved picture
COMPARED = 4  # runs
FRAMES = 40  # of the animation, at most
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS = 280, 4000
SETTLE_MILLISECONDS = 1500  # until charts and images are drawn

Screenshots = dict[str, tuple[str, Callable[[Page], None]]]  # name: address, action before the screenshot


def main() -> None:
    home = Home(Path(sys.argv[1]).resolve())
    PICTURES.mkdir(exist_ok=True)
    with dashboard(home=home.root) as served, chromium() as browser:
        take_screenshots(browser.new_page(viewport=VIEWPORT, color_scheme="light"), served, LIGHT)
        take_screenshots(browser.new_page(viewport=VIEWPORT, color_scheme="dark"), served, DARK)
        record_training(browser.new_page(viewport=VIEWPORT, color_scheme="light"), served)


def take_screenshots(page: Page, served: Dashboard, screenshots: Screenshots) -> None:
    """Take each screenshot and save it."""
    page.set_default_timeout(TIMEOUT)
    for name, (address, prepare) in screenshots.items():
        open_page(page, served, address)
        prepare(page)
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        resize(page.screenshot(), WIDTH).save(PICTURES / f"{name}.webp", quality=82, method=6)
    page.close()


def open_page(page: Page, served: Dashboard, address: str) -> None:
    """Open an address, in which {data set} stands for the id of a run on that data set."""
    runs = {run.config.data: run.id for run in served.store.runs() if served.store.has_model(run.id) and not run.origin}
    page.goto(f"{served.url}/{address.format(**runs)}")
    page.locator("h1").first.wait_for()
    page.wait_for_selector(DONE)


def record_training(page: Page, served: Dashboard) -> None:
    """Train on digits and save the Train page as an animation, from the first step to the last."""
    page.set_default_timeout(TIMEOUT)
    run = served.store.create(make_config(epochs=12))
    page.goto(f"{served.url}/train?run={run}")
    page.wait_for_function(f"({LOSS}?.data?.[0].x.length ?? 0) > 1")
    frames = []
    while served.store.run(run).is_active:
        frames.append(resize(page.screenshot(), ANIMATION_WIDTH))
        page.wait_for_timeout(FRAME_MILLISECONDS)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    frames.append(resize(page.screenshot(), ANIMATION_WIDTH))
    first, *others = [*frames[: -1 : max(1, len(frames) // FRAMES)], frames[-1]]
    durations = [FRAME_MILLISECONDS] * len(others) + [LAST_FRAME_MILLISECONDS]
    path = PICTURES / "live-training.webp"
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, quality=55, method=4)


def resize(screenshot: bytes, width: int) -> Image.Image:
    """Return a PNG screenshot as an image of this width."""
    image = Image.open(io.BytesIO(screenshot), formats=("PNG",)).convert("RGB")
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def draw_five(page: Page) -> None:
    """Draw a 5 and wait for the prediction."""
    draw_with_mouse(page, DIGITS["5"])
    await_classified(page)


def do_nothing(page: Page) -> None:
    """Leave the page as it opens."""


def select_runs(page: Page) -> None:
    """Select the first runs to compare and scroll to the comparison."""
    grid = page.locator("[data-testid=stDataFrame]").first.bounding_box()
    assert grid
    for row in range(COMPARED):
        page.mouse.click(grid["x"] + 18, grid["y"] + 52 + 35 * row)
        page.wait_for_timeout(400)
    page.mouse.wheel(0, 620)


def scroll_to(selector: str) -> Callable[[Page], None]:
    """Return a function that scrolls to the first element of `selector`."""

    def scroll(page: Page) -> None:
        page.locator(selector).first.wait_for()
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        page.locator(selector).first.evaluate("element => element.scrollIntoView({ block: 'start' })")
        page.mouse.wheel(0, -70)

    return scroll


def point_at_pixel(page: Page) -> None:
    """Scroll to the convolution and move the pointer to a pixel of its output."""
    page.locator(".conv-to .conv-map").wait_for()
    scroll_to(".conv")(page)
    box = page.locator(".conv-to .conv-map").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.42, box["y"] + box["height"] * 0.3)


LIGHT: Screenshots = {
    "start": ("", do_nothing),
    "data": ("data?set=photos", do_nothing),
    "configure": ("configure?data=digits", do_nothing),
    "matrix": ("evaluate?run={photos}&view=Confusion+matrix", do_nothing),
    "runs": ("runs", select_runs),
    "search": ("search?search=widths", do_nothing),
    "learn": ("learn?lesson=dropout", scroll_to(".st-key-lesson")),
    "convolution": ("learn?view=Convolution&run={digits}", point_at_pixel),
    "gallery": ("gallery?run={digits}", draw_five),
}
DARK: Screenshots = {
    "train-dark": ("train?run={digits}", do_nothing),
}


if __name__ == "__main__":
    main()
