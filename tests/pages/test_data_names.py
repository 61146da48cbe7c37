"""The name that is typed for an import on the Data page, and the one that is used."""

from pathlib import Path

from cnn_core.data.jobs import Jobs
from cnn_core.data.names import NAME_CHANGED
from cnn_core.runs.store import Store
from pages.shared.text import plain
from pages.views.data.add import PATH
from pages.views.data.mode import IMPORT_IMAGES, MODE


def test_a_name_with_capitals_and_spaces_is_changed_and_told(empty: Store, open_page, image_folder: Path):
    at = open_page("data").button_group(key=MODE).set_value(IMPORT_IMAGES).run()
    at.button_group(key="data-source").set_value(PATH).run()
    at.text_input(key="data-path").set_value(str(image_folder)).run()
    at.text_input(key="data-name").set_value("My Photos").run()
    at.button(key="data-import").click().run()
    assert not at.exception and [job.name for job in Jobs(empty.home).all()] == ["my-photos"]
    assert [toast.value for toast in at.toast] == [plain(NAME_CHANGED.format(typed="My Photos", name="my-photos"))]
