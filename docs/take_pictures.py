"""The README's pictures, taken from the real dashboard in Chromium: `python -m docs.take_pictures HOME`.

In: a studio home with a run on photographs (data set `photos`), one on digits, a finished search and a lesson that was done; the pages are
shown as that home fills them. Out: `docs/pictures/*.webp`, among them `live-training.webp`, an animated picture of digits being learned.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.dashboard import CHROMIUM_FLAGS, PATIENCE, Dashboard, dashboard, find_chromium
from cnn_core.config.defaults import make_config
from cnn_core.home import Home
from tests.browser.pilot import DIGITS, DONE, LOSS, await_answered, draw_with_mouse

PICTURES = Path(__file__).parent / "pictures"
SIZE = {"width": 1440, "height": 900}
WIDE = 1200  # pixels of a kept picture
FRAME = 280  # milliseconds
SETTLED = 1500  # milliseconds in which charts and images come to rest


def main() -> None:
    home = Home(Path(sys.argv[1]).resolve())
    PICTURES.mkdir(exist_ok=True)
    with dashboard(home=home.root) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        for scheme, pictures in (("light", LIGHT), ("dark", DARK)):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.set_default_timeout(PATIENCE)
            for name, (address, prepare) in pictures.items():
                visit(page, served, address)
                prepare(page)
                page.wait_for_timeout(SETTLED)
                keep(page.screenshot(), name)
            page.close()
        film(browser.new_page(viewport=SIZE, color_scheme="light"), served)
        browser.close()


def visit(page: Page, served: Dashboard, address: str) -> None:
    runs = {run.config.data: run.id for run in served.store.runs() if served.store.has_model(run.id) and not run.origin}
    page.goto(f"{served.url}/{address.format(**runs)}")
    page.locator("h1").first.wait_for()
    page.wait_for_selector(DONE)


def film(page: Page, served: Dashboard) -> None:
    """The digits being learned, from the first step to the last, as an animated picture."""
    page.set_default_timeout(PATIENCE)
    run = served.store.create(make_config(epochs=12))
    page.goto(f"{served.url}/train?run={run}")
    page.wait_for_function(f"({LOSS}?.data?.[0].x.length ?? 0) > 1")
    frames = []
    while served.store.run(run).is_active:
        frames.append(shrunk(page.screenshot(), 960))
        page.wait_for_timeout(FRAME)
    page.wait_for_timeout(SETTLED)
    frames.append(shrunk(page.screenshot(), 960))
    step = max(1, len(frames) // 40)
    kept = [*frames[:-1:step], frames[-1]]
    times = [FRAME] * (len(kept) - 1) + [4000]
    kept[0].save(
        PICTURES / "live-training.webp", save_all=True, append_images=kept[1:], duration=times, loop=0, quality=55, method=4
    )


def keep(picture: bytes, name: str) -> None:
    shrunk(picture, WIDE).save(PICTURES / f"{name}.webp", quality=82, method=6)


def shrunk(picture: bytes, width: int) -> Image.Image:
    image = Image.open(io.BytesIO(picture), formats=("PNG",)).convert("RGB")
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def draw_five(page: Page) -> None:
    draw_with_mouse(page, DIGITS["5"])
    await_answered(page)


def nothing(page: Page) -> None:
    """The page as it opens."""


Pictures = dict[str, tuple[str, Callable[[Page], None]]]


def tick_six(page: Page) -> None:
    """Six runs beside each other."""
    grid = page.locator("[data-testid=stDataFrame]").first.bounding_box()
    for row in range(6):
        page.mouse.click(grid["x"] + 18, grid["y"] + 52 + 35 * row)
        page.wait_for_timeout(400)
    page.mouse.wheel(0, 620)


def scroll_to(selector: str) -> Callable[[Page], None]:
    """The page moved so that what `selector` names begins near its top."""

    def scroll(page: Page) -> None:
        page.locator(selector).first.wait_for()
        page.wait_for_timeout(SETTLED)
        page.locator(selector).first.evaluate("element => element.scrollIntoView({ block: 'start' })")
        page.mouse.wheel(0, -70)

    return scroll


def point_at_a_pixel(page: Page) -> None:
    """The first convolution, the pointer on a pixel of its output map."""
    page.locator(".conv-to .conv-map").wait_for()
    scroll_to(".conv")(page)
    box = page.locator(".conv-to .conv-map").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.42, box["y"] + box["height"] * 0.3)


LIGHT: Pictures = {
    "start": ("", nothing),
    "data": ("data?set=photos", nothing),
    "configure": ("configure?data=digits", nothing),
    "matrix": ("evaluate?run={photos}&view=Confusion+matrix", nothing),
    "runs": ("runs", tick_six),
    "search": ("search?search=rates-and-optimizers", nothing),
    "learn": ("learn?lesson=dropout", scroll_to(".st-key-lesson")),
    "convolution": ("learn?view=Convolution&run={digits}", point_at_a_pixel),
    "gallery": ("gallery?run={digits}", draw_five),
}
DARK: Pictures = {
    "train-dark": ("train?run={digits}", nothing),
}


if __name__ == "__main__":
    main()
