"""Importing images in a browser: a zip is uploaded, imported in the background, corrected and offered for training."""

import io
import zipfile
from pathlib import Path

from playwright.sync_api import expect

from cnn_core.text import counted
from pages.views.data.jobs import ANNOUNCEMENT, STATUS
from pages.views.data.mode import IMPORT_IMAGES
from pages.views.data.overview import CORRECTIONS, SKIPPED
from tests.browser.pilot import DONE, assert_sound, settle, visit
from tests.helpers import write_images


def zipped(folder: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, f"pictures/{path.relative_to(folder)}")
    return out.getvalue()


def test_a_zip_is_imported_corrected_and_offered_for_training(page, server, tmp_path):
    content = zipped(write_images(tmp_path / "pictures"))
    visit(page, server, "data")
    page.get_by_role("radio", name=IMPORT_IMAGES).click()
    settle(page)  # a file that is chosen before the form is there is lost
    page.locator("input[type=file]").set_input_files({"name": "pictures.zip", "mimeType": "application/zip", "buffer": content})
    name = page.locator(".st-key-data-name input")
    name.fill("dropped")
    name.press("Enter")
    button = page.locator(".st-key-data-import button")
    expect(button).to_be_enabled()
    button.click()
    page.locator(".st-key-view-dropped button").click()
    expect(page.get_by_text(counted(30, "image"), exact=True)).to_be_visible()
    page.get_by_role("checkbox").nth(0).check()
    page.get_by_role("checkbox").nth(2).check()
    page.get_by_role("checkbox").nth(0).uncheck()
    enlarge = page.locator(".picker-enlarge").last
    enlarge.click()
    expect(page.locator("dialog.picker-dialog img")).to_be_visible()
    page.keyboard.press("Escape")
    expect(enlarge).to_be_focused()
    page.get_by_role("checkbox").first.scroll_into_view_if_needed()
    expect(page.locator(".st-key-data-exclude button")).to_be_in_viewport()  # the actions stay in view while the images scroll
    page.locator(".st-key-data-exclude button").click()
    expect(page.get_by_text(counted(29, "image"), exact=True)).to_be_visible()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    expect(page.get_by_role("radio", name=f"{CORRECTIONS} (1)")).to_be_visible()
    assert_sound(page)
    page.locator("[data-testid=stPageLink-NavLink][href*=configure]").last.click()
    page.wait_for_url("**/configure*")
    expect(page.get_by_role("combobox", name="Data set")).to_have_value("dropped")
    assert_sound(page)
    page.get_by_role("link", name="Data", exact=True).click()
    expect(page.get_by_text(counted(29, "image"), exact=True)).to_be_visible()  # the data set that was shown last


def test_a_zip_with_unsafe_paths_is_imported_without_them_and_reports_it_in_view_on_a_phone(page, server, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    out = io.BytesIO(zipped(write_images(tmp_path / "pictures")))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("../../evil.png", b"x")
    visit(page, server, "data")
    page.get_by_role("radio", name=IMPORT_IMAGES).click()
    settle(page)  # a file that is chosen before the form is there is lost
    page.locator("input[type=file]").set_input_files(
        {"name": "evil.zip", "mimeType": "application/zip", "buffer": out.getvalue()}
    )
    name = page.locator(".st-key-data-name input")
    name.fill("evil")
    name.press("Enter")
    page.locator(".st-key-data-import button").click()
    expect(page.locator(".st-key-view-evil button")).to_be_in_viewport()  # it is far above the button that was pressed
    expect(page.locator(".announcer")).to_have_text(ANNOUNCEMENT.format(name="evil", status=STATUS["finished"]))
    page.locator(".st-key-view-evil button").click()
    page.get_by_role("radio", name=f"{SKIPPED} (1)").click()
    page.wait_for_selector(DONE)
    assert_sound(page)
    assert not list(Path(server.home).parent.rglob("evil.png"))
