"""A data set in the bin: the page offers to restore it, once, however many of its parts need it."""

from streamlit.testing.v1 import AppTest

from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.set_bin import remove_set, removed_sets
from pages.shared.removed_set import RESTORE
from tests.helpers import drain, write_images


def two_parts() -> None:
    """A page of which two parts need the same data set."""
    from cnn_core.data.open import open_source
    from cnn_core.errors import DataError
    from pages.shared.removed_set import show_data_error
    from pages.shared.server import get_store

    for prefix in ("The first part.", "The second part."):
        try:
            open_source("pets", get_store().home)
        except DataError as error:
            show_data_error(error, prefix)


def test_two_parts_of_a_page_that_need_a_removed_set_offer_one_button_that_restores_it(empty, tmp_path):
    drain(import_files("pets", write_images(tmp_path / "pets"), ImportOptions(image_size=16), empty.home))
    remove_set("pets", empty.home)
    at = AppTest.from_function(two_parts).run()
    assert len(at.error) == 2 and [button.label for button in at.button] == [RESTORE] and not at.exception
    at.button[0].click().run()
    assert not at.error and not at.exception and not removed_sets(empty.home)
