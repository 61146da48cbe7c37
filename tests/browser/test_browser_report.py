"""A report that is downloaded and opened from disk: no requests, no errors, both themes, and it fits a phone."""

from tests.browser.pilot import assert_sound, visit

RUN = "0001-digits"


def test_a_report_is_downloaded_and_opens_from_disk_without_further_requests(page, chromium, server, traffic, tmp_path):
    visit(page, server, "evaluate", f"?run={RUN}&split=test&view=Export")
    page.locator("[class*=st-key-make-report] button").click()
    with page.expect_download() as download:
        page.locator("[class*=st-key-download-report] button").click()
    assert download.value.suggested_filename == f"{RUN}-test-report.html"
    report = tmp_path / "report.html"
    download.value.save_as(report)
    assert_sound(page)

    tab, requested, complaints = chromium.new_page(), [], []
    try:
        tab.on("request", lambda request: requested.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            tab.set_viewport_size({"width": 390, "height": 844})
            tab.goto(report.as_uri())
            tab.locator("footer").scroll_into_view_if_needed()
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390
            assert tab.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
            colours = tab.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
            assert brightness(colours[scheme == "light"]) - brightness(colours[scheme != "light"]) > 150
        tab.locator("summary").first.click()
        assert tab.locator("details[open] table").first.is_visible()
    finally:
        tab.close()
    assert [url for url in requested if not url.startswith("data:")] == [report.as_uri()] * 2
    assert complaints == []
    traffic.urls.remove(report.as_uri())  # the file itself, which has no host
    traffic.urls.remove(report.as_uri())


def brightness(colour: str) -> float:
    """Return the brightness of a colour such as "rgb(26, 31, 44)", 0..255."""
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3
