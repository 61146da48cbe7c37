"""Measure the time from a training step to its point on the chart, in Chromium. `python -m benchmarks.latency`

The time starts when the training thread reports; the times of earlier steps of the report are computed from its speed. It
ends when Plotly has drawn in the browser. Both use the clock of the same machine.
"""

import time

from benchmarks.dashboard import TIMEOUT, chromium, dashboard
from benchmarks.machine import percentile, print_table
from cnn_core.config.defaults import make_config
from cnn_core.events import Steps

SECONDS = 40
LISTEN = """() => {
  window.drawings = [];
  document.addEventListener("live:drawn", (e) => window.drawings.push({ ...e.detail, drawn: Date.now() / 1000 }));
}"""


def main() -> None:
    with dashboard() as served, chromium() as browser:
        config = make_config(data="digits", epochs=1000)
        run = served.store.create(config)
        page = browser.new_page()
        page.goto(f"{served.url}/train?run={run}")
        page.wait_for_function("document.querySelector('[data-chart=loss]')?.data?.[0].x.length > 20", timeout=TIMEOUT)
        page.evaluate(LISTEN)
        page.wait_for_timeout(1000 * SECONDS)
        drawings = page.evaluate("window.drawings")
        page.close()
        served.store.requests.stop(run)
        while served.store.run(run).is_active:
            time.sleep(0.1)
        reports = {e.event.step: e.event for e in served.store.log.read(run) if isinstance(e.event, Steps)}

    latencies = [seconds for drawing in drawings for seconds in _latencies(reports, drawing, config.batch_size)]
    rows = [
        (
            "training step to point on the chart, p95",
            "≤ 0.8 s",
            f"{percentile(latencies, 95):.3f} s (p50 {percentile(latencies, 50):.3f} s, n = {len(latencies):,} steps)",
        )
    ]
    print_table("Latency, digits trained in the server's thread, one Chromium on the Train page", rows)


def _latencies(reports: dict[int, Steps], drawing: dict[str, float], batch_size: int) -> list[float]:
    """Return the seconds from each step of a report to its drawing; an empty list for a drawing without a new report."""
    report = reports.pop(int(drawing["step"]), None)
    if report is None:
        return []
    step_seconds = batch_size / report.images_per_second
    return [drawing["drawn"] - report.at + steps_before * step_seconds for steps_before in range(len(report.loss))]


if __name__ == "__main__":
    main()
