"""Helpers for the import form of the Data page: open it, start an import, run the queued imports."""

from streamlit.testing.v1 import AppTest

from cnn_core.data.jobs import Jobs
from cnn_core.home import Home
from pages.views.data.mode import IMPORT_IMAGES, MODE


def run_imports(home: Home) -> None:
    """Run all queued imports, as the importing thread of a server does."""
    while Jobs(home).run_next(lambda: False):
        pass


def open_form(open_page, source: str | None = None) -> AppTest:
    """Open the import form, for images from `source`."""
    at = open_page("data").button_group(key=MODE).set_value(IMPORT_IMAGES).run()
    return at.button_group(key="data-source").set_value(source).run() if source else at


def start_import(at: AppTest, name: str) -> AppTest:
    at.text_input(key="data-name").set_value(name).run()
    return at.button(key="data-import").click().run()
