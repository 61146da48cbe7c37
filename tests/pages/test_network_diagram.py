"""The picture of a network: slabs whose size follows the shape, and a list that says everything that is drawn."""

import re

from cnn_core.models.blocks import NetworkBlock, describe_blocks
from cnn_core.models.registry import FAMILIES
from pages.charts.network_diagram import count_text, network_html, no_network_html, shape_text, slab
from pages.views.configure.costs import NO_PICTURE, UNKNOWN
from tests.pages.form import fill, shown


def test_every_block_is_listed_in_order_with_its_shape_and_its_parameters():
    blocks = describe_blocks("resnet20", channels=3, image_size=32, classes=10)
    items = re.findall(r"<li>(.*?)</li>", network_html((3, 32, 32), blocks, "ResNet-20"))
    assert len(items) == 1 + len(blocks) and shape_text((3, 32, 32)) in items[0]
    for item, block in zip(items[1:], blocks, strict=True):
        assert f"<b>{block.kind}" in item and shape_text(block.shape) in item
        assert (f"× {block.repeats}</b>" in item) == (block.repeats > 1)
        assert all(word in item for word in block.details)
        assert (count_text(block.parameters) in item) == bool(block.parameters)


def test_a_slab_is_higher_for_larger_maps_and_thicker_for_more_channels_and_always_fits():
    thin, high = slab((16, 32, 32))
    thick, low = slab((64, 8, 8))
    assert thin < thick and low < high
    assert slab((10,)) == slab((10, 1, 1)) and slab((10,))[1] < slab((192,))[1]
    for shape in ((1, 2, 2), (4096, 1024, 1024), (1,), (100_000,)):
        assert all(6 <= length <= 68 for length in slab(shape))


def test_the_picture_is_hidden_from_screen_readers_and_names_are_escaped():
    page = network_html((1, 8, 8), [NetworkBlock("<script>", ("a&b",), (2, 8, 8), 1)], 'x"y')
    assert page.count('aria-hidden="true"') == 2 and "<script>" not in page and "a&amp;b" in page and "x&quot;y" in page


def test_shapes_and_counts_are_short():
    assert (shape_text((32, 16, 16)), shape_text((192,)), shape_text((512, 1, 1))) == ("32 × 16×16", "192 values", "512 values")
    assert (count_text(1), count_text(18_496), count_text(14_289_408)) == (
        "1 parameter",
        "18,496 parameters",
        "14.3 M parameters",
    )


def test_the_picture_of_the_network_follows_the_settings_and_waits_for_valid_ones(empty, open_page):
    def picture(at):
        return next(element.proto.body for element in at.main.get("html") if "net-frame" in element.proto.body)

    def expected(**options):
        blocks = describe_blocks("simple", channels=1, image_size=32, classes=10, **options)
        return network_html((1, 32, 32), blocks, FAMILIES["simple"].title)

    at = open_page("configure")
    assert picture(at) == expected()
    fill(at, depth=2)
    assert picture(at) == expected(depth=2) != expected()
    fill(at, epochs=0)
    assert picture(at) == expected(depth=2), "the epochs do not change it"
    fill(at, epochs=3, depth=6)
    assert picture(at) == no_network_html(NO_PICTURE)


def test_settings_that_are_refused_at_first_show_no_model(empty, open_page):
    at = open_page("configure", cutmix="1", schedule="plateau")
    assert set(shown(at).values()) == {value for value, _ in UNKNOWN}
    assert no_network_html(NO_PICTURE) in [element.proto.body for element in at.main.get("html")]
