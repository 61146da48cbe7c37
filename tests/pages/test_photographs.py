"""Photographs on the pages: shown as they are kept, and trained at the size of the form."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.config.images import image_shape, images_info
from cnn_core.config.recommendation import recommend_model
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.kept_images import KEPT_SIDE
from cnn_core.data.source import finish
from cnn_core.models.registry import FAMILIES
from pages.charts.components.picker import GridImage, describe
from pages.charts.images import data_url, labelled_grid
from pages.shared.data_and_model import describe_facts
from pages.views.data.augmentation import HEAD_ONLY, HOW, SIZE
from pages.views.data.overview import AUGMENTATION, CLASSES, DUPLICATES, KEPT
from pages.views.data.split import MADE_FROM, MEASURED_ON
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


def test_the_augmentation_preview_shows_photographs_as_a_training_receives_them(pets, open_page):
    model = recommend_model(pets.info).model
    config = make_config(data="pets", model=model)
    info = images_info(config, pets.info)
    assert info.image_size > pets.info.image_size
    at = open_page("data", set="pets", view=AUGMENTATION)
    said = SIZE.format(side=info.image_size, how=HOW["crop"], model=FAMILIES[model].title)
    assert f"{said} {HEAD_ONLY}" in [caption.value for caption in at.caption] and not at.exception
    rows, _ = pets.index.used_rows("train")
    shown = next(html.value for html in at.main.get("html") if "original" in html.value)
    assert data_url(finish(ImportedSource(pets.folder, image_shape(config)).open_pool())[rows[0]]) in shown


def test_summaries_of_photographs_say_at_which_size_they_are_made(pets, empty, open_page):
    captions = [caption.value for caption in open_page("data", set="pets", view=CLASSES).caption]
    for text in (MADE_FROM, MEASURED_ON):
        assert any(text.format(side=pets.info.image_size) in caption for caption in captions)
    squares = [caption.value for caption in open_page("data", set="digits", view=CLASSES).caption]
    assert not any(text.format(side=32) in caption for text in (MADE_FROM, MEASURED_ON) for caption in squares)


@pytest.mark.parametrize(("side", "is_smooth"), [(28, False), (64, False), (128, True), (224, True)])
def test_only_small_images_of_a_grid_are_enlarged_without_interpolation(side, is_smooth):
    shown = labelled_grid(np.zeros((1, side, side, 3), np.uint8), ["black"])
    assert ('style="image-rendering: auto"' in shown) == is_smooth


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
