"""The Embedding view in a browser: a point shows its thumbnail, a click pins it, and a box around points shows their images."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.metrics.evaluation import evaluate_run, load_split
from tests.browser.pilot import assert_sound, settle, visit

RUN = "0001-digits"
DRAWN = "(document.querySelector('.map-chart')?.data?.length ?? 0) > 1"
# Bytes transferred for sheets of thumbnails; 0 from the cache of the browser.
SHEETS = "performance.getEntriesByType('resource').filter(e => e.name.includes('/api/sheets/')).map(e => e.transferSize)"
# The positions of the points in the window, by row number.
PLACES = """() => {
  const chart = document.querySelector('.map-chart'), { xaxis, yaxis } = chart._fullLayout, box = chart.getBoundingClientRect(), places = {};
  for (const trace of chart.data.slice(0, -1)) trace.customdata.forEach((row, at) => {
    places[row] = [box.left + xaxis._offset + xaxis.d2p(trace.x[at]), box.top + yaxis._offset + yaxis.d2p(trace.y[at])];
  });
  return places;
}"""


def places_of(page):
    """Return the rows (n,) of the drawn points, and their positions in the window (n, 2)."""
    positions = page.evaluate(PLACES)
    return np.array([int(row) for row in positions]), np.array(list(positions.values()))


def most_isolated(places):
    """Return the index of the point with the largest distance to its nearest neighbour."""
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return int(distances.min(1).argmax())


def gap(values, quantile):
    """Return the middle of the widest gap between values near this quantile."""
    near = np.sort(values)[int((quantile - 0.06) * len(values)) : int((quantile + 0.06) * len(values))]
    at = np.diff(near).argmax()
    return float(near[at : at + 2].mean())


def shown(page):
    """Return the numbers of the images in the grid."""
    return sorted(
        int(re.search(r"image (\d+),", label).group(1))
        for label in page.locator(".picker img").evaluate_all("all => all.map(e => e.alt)")
    )


def test_a_point_shows_its_thumbnail_and_a_box_shows_the_images_in_it(page, server, store):
    config = store.run(RUN).config
    evaluation = finish(evaluate_run(RUN, config, store.home))
    images = finish(load_split(open_source(config.data, store.home), config, "test"))
    visit(page, server, "evaluate", f"?run={RUN}&split=test&view=Embedding")
    page.wait_for_function(DRAWN)
    page.locator(".map").evaluate("e => e.scrollIntoView({ block: 'center' })")
    rows, places = places_of(page)
    assert sorted(rows) == list(range(len(evaluation)))  # all test images, so that rows are image numbers

    alone = most_isolated(places)
    row = int(rows[alone])
    page.mouse.move(*places[alone])
    tip = page.locator(".map-tip")
    expect(tip).to_be_visible()
    expect(tip).to_have_attribute("data-number", str(row))
    prediction, verdict, name = tip.inner_text().splitlines()
    assert prediction.startswith(f"{evaluation.classes[evaluation.predicted[row]]} ") and name.endswith(f" {row}")
    assert float(prediction.split()[1].removesuffix("%")) / 100 == pytest.approx(evaluation.scores.confidence[row], abs=0.006)
    expect(tip).to_have_attribute("data-correct", str(bool(evaluation.is_correct[row])).lower())
    if not evaluation.is_correct[row]:
        assert verdict.endswith(f" {evaluation.classes[evaluation.labels[row]]}")
    expected = images[row].squeeze().astype(int)
    seen = np.asarray(Image.open(io.BytesIO(page.locator(".map-thumb").screenshot())).convert("L")).astype(int)
    side = seen.shape[0] / len(expected)
    middles = (side * (np.arange(len(expected)) + 0.5)).astype(int)
    inner = slice(1, -1)  # the corners are rounded
    assert np.abs(seen[np.ix_(middles, middles)] - expected)[inner, inner].mean() < 12

    page.mouse.click(*places[alone])
    expect(page.get_by_role("img", name=re.compile(rf"\bimage {row}, "))).to_be_visible()
    page.wait_for_function("document.querySelector('.map-chart').data.at(-1).x.length === 1")

    page.locator("[data-tool=select]").click()
    page.locator(".map").evaluate("e => e.scrollIntoView({ block: 'center' })")
    rows, places = places_of(page)
    corner, other = ([gap(values, quantile) for values in places.T] for quantile in (0.28, 0.45))
    inside = sorted(rows[((places > corner) & (places < other)).all(1)].tolist())
    assert 1 <= len(inside) <= 24
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(*np.mean((corner, other), axis=0))
    page.mouse.move(*other)
    page.mouse.up()
    heading = page.locator("[class*=st-key-map-chosen-]").get_by_role("heading", name=re.compile(rf"\b{len(inside)}\b"))
    expect(heading).to_be_in_viewport()
    expect(page.locator(".picker img")).to_have_count(len(inside))
    assert shown(page) == inside
    page.locator(".st-key-map-back button").click()
    expect(heading).to_have_count(0)
    expect(page.locator(".map-tools")).to_be_in_viewport()
    expect(page.locator(".map-note")).to_have_text("")

    page.locator(".map-wrong").check()
    wrong = np.flatnonzero(~evaluation.is_correct).tolist()
    page.wait_for_function(
        f"document.querySelector('.map-chart').data.slice(0, -1).flatMap(t => t.customdata).length === {len(wrong)}"
    )
    assert sorted(places_of(page)[0]) == wrong
    page.locator(".map-wrong").uncheck()
    zeros = page.locator(".map-legend button").first
    zeros.click()
    expect(zeros).to_have_attribute("aria-pressed", "false")
    settle(page)
    assert set(evaluation.labels[places_of(page)[0]].tolist()) == set(range(1, 10))
    sent = [size for size in page.evaluate(SHEETS) if size]
    assert len(sent) == 1 and sent[0] < 200_000
    assert_sound(page)
