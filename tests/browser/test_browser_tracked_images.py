"""Tracked images in a browser: the charts grow with the epochs and are not redrawn between them; an upload is pinned by clicks."""

import io
import re

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from cnn_core.events import Started, TrackedPredictions
from cnn_core.training.tracked_images import TrackedImage, add_tracked_images, read_tracked_images
from pages.views.train.more import TRACKED_IMAGES
from pages.views.train.tracked_images import ORIGINS, POLL_SECONDS
from tests.browser.pilot import DONE, assert_sound, await_reruns, names_of_icons, settle, visit
from tests.pages.manual_run import epoch, steps, trained_here

FIRST = "document.querySelector('[data-testid=stPlotlyChart] .js-plotly-plot')"
MARKUP = "<b>cat</b>"


def epoch_events(number: int, name: str, probability: float) -> list[object]:
    last = 10 * number
    return [
        steps(last - 9, last, number),
        epoch(number, last),
        TrackedPredictions(number, last, (name,), ((probability, 1 - probability),)),
    ]


def test_a_chart_grows_with_every_epoch_and_is_not_redrawn_between_them(page, server, store):
    tracked = TrackedImage(np.full((32, 32, 1), 200, np.uint8), MARKUP, 0)
    with trained_here(store) as run:
        add_tracked_images(store.home.run_folder(run), [tracked])
        store.log.append(run, [Started(1, "CPU", 30, 6, 6, 10, 4, classes=(MARKUP, "dog")), *epoch_events(1, tracked.name, 0.25)])
        page.clock.install()
        visit(page, server, "train", f"?run={run}")
        page.get_by_role("tab", name=TRACKED_IMAGES).click()
        page.wait_for_function(f"{FIRST}?.data?.[0].x.length === 1")
        page.wait_for_selector(DONE)
        page.evaluate(f"{FIRST}.theVeryNode = true")
        await_reruns(page, 2, POLL_SECONDS)
        assert page.evaluate(f"{FIRST}.theVeryNode === true"), "without a new prediction nothing is redrawn"
        store.log.append(run, epoch_events(2, tracked.name, 0.75))
        page.clock.fast_forward(1000 * POLL_SECONDS)
        page.wait_for_function(f"{FIRST}?.data?.[0].x.length === 2")
        assert page.evaluate(f"{FIRST}.data.map((line) => Array.from(line.y))") == [[0.25, 0.75], [0.75, 0.25]]
        expect(page.get_by_text(re.compile(r"\(75\.0%\).*\b2$"))).to_be_visible()
        assert page.locator("[data-testid=stMain] b", has_text="cat").count() == 0, "names are text"
        assert names_of_icons(page) == [], "nor after the rerun of a part of the page, which made other badges"
        assert_sound(page)


def test_an_upload_is_pinned_by_clicks_while_a_run_trains(page, server, store):
    strokes = np.zeros((120, 120), np.uint8)
    strokes[20:100, 50:70] = 255
    out = io.BytesIO()
    Image.fromarray(strokes).save(out, "PNG")
    with trained_here(store) as run:
        visit(page, server, "train", f"?run={run}")
        page.get_by_role("tab", name=TRACKED_IMAGES).click()
        settle(page)
        page.get_by_text("Upload", exact=True).click()
        page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(
            {"name": "one.png", "mimeType": "image/png", "buffer": out.getvalue()}
        )
        page.get_by_role("button", name="Pin", exact=True).click()
        expect(page.get_by_text(f"one.png, {ORIGINS['upload']}")).to_be_visible()
        page.wait_for_selector(DONE)
        (tracked,) = read_tracked_images(store.home.run_folder(run))
        assert (tracked.label, tracked.origin, tracked.pixels.shape) == ("one.png", "upload", (32, 32, 1))
        page.locator("[class*=st-key-unpin-]").get_by_role("button").first.click()
        expect(page.get_by_text(f"one.png, {ORIGINS['upload']}")).to_have_count(0)
        assert read_tracked_images(store.home.run_folder(run)) == []
        assert_sound(page)
