"""A metric's way from the training step to the drawn point, in Chromium. `python -m benchmarks.latency`

The clock of a step is the one the training thread reads when it reports; earlier steps of the same report are placed by the
report's own speed. The clock of the drawing is the browser's, read after Plotly has drawn. Both are the same machine's.
"""

import time

from playwright.sync_api import sync_playwright

from benchmarks.dashboard import CHROMIUM_FLAGS, dashboard, find_chromium
from benchmarks.machine import percentile, print_table
from cnn_core.config.defaults import make_config
from cnn_core.events import Steps

SECONDS = 40
LISTEN = """() => {
  window.drawings = [];
  document.addEventListener("live:drawn", (e) => window.drawings.push({ ...e.detail, drawn: Date.now() / 1000 }));
}"""


def main() -> None:
    with dashboard() as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        config = make_config(data="digits", epochs=1000)
        run = served.store.create(config)
        page = browser.new_page()
        page.goto(f"{served.url}/train?run={run}")
        page.wait_for_function("document.querySelector('[data-chart=loss]')?.data?.[0].x.length > 20", timeout=90_000)
        page.evaluate(LISTEN)
        page.wait_for_timeout(1000 * SECONDS)
        drawings = page.evaluate("window.drawings")
        browser.close()
        served.store.requests.stop(run)
        while served.store.run(run).is_active:
            time.sleep(0.1)
        reports = {e.event.step: e.event for e in served.store.log.read(run) if isinstance(e.event, Steps)}

    ways = [way for drawing in drawings for way in _ways(reports, drawing, config.batch_size)]
    rows = [
        (
            "step to drawn point, p95",
            "≤ 0.8 s",
            f"{percentile(ways, 95):.3f} s (p50 {percentile(ways, 50):.3f} s, n = {len(ways):,} steps)",
        )
    ]
    print_table("Latency, digits training in the server's thread, one Chromium watching", rows)


def _ways(reports: dict[int, Steps], drawing: dict[str, float], batch_size: int) -> list[float]:
    """Seconds from each step of a report to its drawing; nothing for a drawing that brought no new report."""
    report = reports.pop(int(drawing["step"]), None)
    if report is None:
        return []
    pace = batch_size / report.images_per_second
    return [drawing["drawn"] - report.at + back * pace for back in range(len(report.loss))]


if __name__ == "__main__":
    main()
