"""Steps that browser tests share: open a page, fill the form, read the data of a chart, draw."""

import json
import math
import re
from typing import Any

from playwright.sync_api import Locator, Page, TimeoutError, expect

from pages.charts.components.asset import FOLDER, bundle
from pages.shared.text import INTERNAL_ERROR
from tests.helpers import ROOT
from tests.pages.studio_harness import Server

Stroke = list[tuple[float, float]]

EVERY_PAGE = re.findall(r'page\("(\w+)"', (ROOT / "pages" / "shared" / "frame.py").read_text(encoding="utf-8"))
PAGES = [name for name in EVERY_PAGE if name != "people"]  # only a class's teacher has the page People
LOSS = "document.querySelector('[data-chart=loss]')"
DONE = "[data-testid=stApp][data-test-script-state=notRunning]"


def visit(page: Page, server: Server, name: str, query: str = "") -> None:
    """Open a page by its address and wait until it is complete."""
    page.goto(f"{server.url}/{'' if name == 'start' else name}{query}")
    page.locator("h1").first.wait_for()
    page.wait_for_selector(DONE)


def assert_sound(page: Page) -> None:
    """Assert that the page shows no exception, traceback or internal error."""
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
    shown = page.locator("body").inner_text()
    assert "Traceback" not in shown
    assert INTERNAL_ERROR not in shown


def go_to_tab(page: Page, group: str) -> None:
    """Open a tab of the form. It is focused first, so that the help of another element, which would cover it, closes."""
    tab = page.get_by_role("tab", name=group, exact=True)
    tab.focus()
    tab.click()


def number_field(page: Page, title: str) -> Locator:
    """Return the number field whose label is `title`, with or without a unit."""
    return page.get_by_role("spinbutton", name=re.compile(rf"^{re.escape(title)}( \(|$)"))


def fill(page: Page, title: str, value: object) -> None:
    field = number_field(page, title)
    field.fill(str(value))
    field.press("Tab")
    settle(page)


def pick(page: Page, title: str, choice: str) -> None:
    """Choose an option in the box with the label `title`. Its list would close when the page scrolls: the page is scrolled before."""
    box = page.get_by_role("combobox", name=re.compile(rf"{re.escape(title)}( \(|$)"))
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(150)
    box.click()
    page.get_by_role("option", name=choice, exact=True).click()
    settle(page)


def settle(page: Page) -> None:
    """Wait until the rerun after a change has ended. It begins within 150 ms."""
    page.wait_for_timeout(150)
    page.wait_for_selector(DONE)


def await_reruns(page: Page, count: int, every: float) -> None:
    """Let a fragment be rerun `count` times: set the browser's clock, which the test has installed, `every` seconds forward each time."""
    page.evaluate(
        """() => {
            const app = document.querySelector("[data-testid=stApp]");
            window.reruns = 0;
            new MutationObserver(() => { window.reruns += app.dataset.testScriptState === "notRunning"; })
                .observe(app, { attributeFilter: ["data-test-script-state"] });
        }"""
    )
    for number in range(1, count + 1):
        page.clock.fast_forward(1000 * every)
        page.wait_for_function("number => window.reruns >= number", arg=number)


def points(page: Page) -> list[int]:
    """Return the steps whose losses are drawn, from the data of the chart; its x axis shows epochs."""
    return page.evaluate(f"Array.from({LOSS}.data?.[0].customdata ?? [])")


def await_points(page: Page, count: int) -> None:
    """Wait until the loss chart has drawn at least `count` steps; a failure tells what the page showed instead."""
    try:
        page.wait_for_function(f"count => ({LOSS}?.data?.[0].x.length ?? 0) >= count", arg=count)
    except TimeoutError as error:
        error.add_note(f"{len(points(page))} steps are drawn. The page: {page.get_by_test_id('stMain').inner_text()}")
        raise


def await_drawn(page: Page, step: int) -> None:
    """Wait until the curve of the loss chart ends at `step`."""
    page.wait_for_function(f"step => {LOSS}?.data?.[0].customdata.at(-1) === step", arg=step)


def names_of_icons(page: Page) -> list[str]:
    """Return the names of icons that a screen reader would read, such as "check_circle icon", from the browser's accessibility tree."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    names = [str(node["name"].get("value", "")) for node in nodes if not node["ignored"] and "name" in node]
    return [name for name in names if re.search(r"^[a-z0-9_]+ icon$|^[a-z]+(_[a-z]+)+$", name)]


def page_link(page: Page, name: str) -> Locator:
    """Return the link to another page in the main area, which is not the navigation."""
    return page.locator(f"[data-testid=stMain] [data-testid=stPageLink-NavLink][href*='{name}']")


def figure(page: Page, name: str) -> str:
    return page.locator(f"[data-figure={name}]").inner_text()


def arc(centre: tuple[float, float], radii: tuple[float, float], begin: float, end: float, steps: int = 12) -> Stroke:
    """Return an arc of an ellipse in fractions of the canvas, between two angles in degrees, clockwise from the top."""
    angles = [math.radians(begin + (end - begin) * step / steps) for step in range(steps + 1)]
    return [(centre[0] + radii[0] * math.sin(angle), centre[1] - radii[1] * math.cos(angle)) for angle in angles]


# Strokes in fractions of the canvas. The sevens of the digits data set have a bar.
DIGITS = {
    "0": [arc((0.5, 0.5), (0.22, 0.36), 0, 360)],
    "1": [[(0.3, 0.36), (0.52, 0.14), (0.52, 0.86)]],
    "2": [[*arc((0.5, 0.33), (0.2, 0.19), -80, 110), (0.3, 0.86), (0.74, 0.86)]],
    "3": [[*arc((0.46, 0.32), (0.2, 0.18), -70, 180), *arc((0.46, 0.68), (0.23, 0.18), 0, 250)]],
    "4": [[(0.46, 0.14), (0.26, 0.56), (0.76, 0.56)], [(0.62, 0.36), (0.62, 0.88)]],
    "5": [[(0.7, 0.14), (0.36, 0.14), (0.33, 0.44), *arc((0.47, 0.63), (0.22, 0.22), -20, 230)]],
    "6": [[(0.62, 0.14), (0.44, 0.3), (0.33, 0.5), *arc((0.5, 0.67), (0.2, 0.19), -80, 280)]],
    "7": [[(0.26, 0.2), (0.74, 0.2), (0.45, 0.86)], [(0.35, 0.52), (0.78, 0.52)]],
    "8": [[*arc((0.5, 0.31), (0.17, 0.17), 180, -180), *arc((0.5, 0.67), (0.2, 0.19), 0, 360)]],
    "9": [[*arc((0.5, 0.33), (0.19, 0.19), 90, 450), (0.69, 0.5), (0.64, 0.7), (0.5, 0.86)]],
}


def canvas_points(page: Page, fractions: Stroke) -> Stroke:
    """Convert fractions of the drawing area to points of the window."""
    canvas = page.locator(".draw-paper")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in fractions]


def draw_with_mouse(page: Page, strokes: list[Stroke]) -> None:
    for stroke in strokes:
        first, *others = canvas_points(page, stroke)
        page.mouse.move(*first)
        page.mouse.down()
        for point in others:
            page.mouse.move(*point)
        page.mouse.up()


def await_classified(page: Page) -> None:
    """Wait until the page shows the prediction for the current drawing."""
    page.wait_for_function(
        """() => {
            const [paper, mark] = [".draw-paper", ".draw-answered"].map((name) => document.querySelector(name));
            return paper && mark && Number(mark.dataset.turn) >= Number(paper.dataset.turn ?? 0);
        }"""
    )


def draw_with_finger(page: Page, strokes: list[Stroke]) -> None:
    """Draw with touch events from the input queue of the browser."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def touch(kind: str, *positions: tuple[float, float]) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": 1} for x, y in positions]})

    for stroke in strokes:
        first, *others = canvas_points(page, stroke)
        touch("touchStart", first)
        for point in others:
            touch("touchMove", point)
        touch("touchEnd")
    session.detach()


def use_module(page: Page, module: str, expression: str, *values: object) -> Any:
    """Return the value of a JavaScript expression, in which `module` is a module of the components ("shared/curves") and `given` holds the values."""
    source = bundle(FOLDER / f"{module}.js")
    script = f"""async ([source, values]) => {{
        const module = await import(URL.createObjectURL(new Blob([source], {{type: "text/javascript"}}))), given = JSON.parse(values);
        return JSON.stringify({expression} ?? null);
    }}"""
    return json.loads(page.evaluate(script, [source, json.dumps(values)]))
