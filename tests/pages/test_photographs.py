"""Photographs on the pages: shown as they are kept, and trained at the size of the form."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.kept_images import KEPT_SIDE
from cnn_core.data.source import finish
from pages.charts.components.picker import GridImage, describe
from pages.shared.data_and_model import describe_facts
from pages.views.data.overview import DUPLICATES, KEPT
from tests.helpers import write_images
from tests.pages.form import field


@pytest.fixture
def pets(empty, tmp_path) -> ImportedSource:
    folder = write_images(tmp_path / "pictures", ("blue", "red"), count=4, size=(600, 400))
    finish(import_files("pets", folder, ImportOptions(), empty.home))
    return ImportedSource(empty.home.set_folder("pets"))


def test_the_grid_shows_a_photograph_in_its_proportions_and_a_square_to_the_bit(pets):
    url = str(describe(GridImage(0, pets.image(0), "a", "a"))["url"])
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as shown:
        assert shown.size == (512, 341)
    url = str(describe(GridImage(0, pets.pool[0], "a", "a"))["url"])
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as shown:
        assert np.array_equal(np.asarray(shown), pets.pool[0])


def test_the_data_page_says_how_photographs_are_kept(pets, open_page):
    at = open_page("data", set="pets")
    assert any(KEPT.format(side=KEPT_SIDE) in caption.value for caption in at.caption)
    at.button_group(key="data-view").set_value(DUPLICATES).run()
    assert not at.exception


@pytest.mark.parametrize(
    ("chosen", "side"), [({"model": "simple"}, 128), ({"size": "96"}, 96), ({"model": "efficientnet-lite0"}, 256)]
)
def test_the_form_shows_the_network_for_the_size_of_the_run(pets, open_page, chosen, side):
    at = open_page("configure", data="pets", **chosen)
    assert field(at, "size").value == int(chosen.get("size", 0)) and not at.exception and not at.error
    assert describe_facts(pets.info) in [caption.value for caption in at.caption]
    assert any(f"{side}×{side}" in html.value for html in at.main.get("html"))


def test_a_size_that_digits_cannot_have_is_refused_at_its_field(empty, open_page):
    at = open_page("configure", data="digits", size="64")
    assert [error.value for error in at.error] and not at.exception
