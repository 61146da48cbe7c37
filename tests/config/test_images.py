"""The image size of a run: chosen, or that of the data set, of the pretrained network, or the usual one."""

from dataclasses import replace
from typing import Any

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.images import images_info
from cnn_core.config.schema import value_text
from cnn_core.data.image_shape import MAX_SIDE, MIN_SIDE, USUAL_SIDE
from cnn_core.data.source import DataInfo
from cnn_core.errors import SettingError
from cnn_core.models.registry import FAMILIES

SQUARES = DataInfo("squares", ("a", "b"), 48, 3, 100, 20, "version", fit="stretch")
PHOTOGRAPHS = replace(SQUARES, image_size=64, fit="crop", kept_side=512)


@pytest.mark.parametrize(
    ("chosen", "of_squares", "of_photographs"),
    [
        ({}, 48, USUAL_SIDE),
        ({"model": "efficientnet-lite0"}, 48, 224),
        ({"model": "efficientnet-lite0", "weights": "scratch"}, 48, USUAL_SIDE),
        ({"model": "mobilenet"}, 48, USUAL_SIDE),
        ({"model": "mobilenet", "weights": "pretrained"}, 48, 224),
        ({"model": "timm"}, 48, 224),
        ({"model": "timm", "timm_name": "vit_small_patch14_dinov2.lvd142m"}, 48, 224),
        ({"model": "timm", "weights": "scratch"}, 48, USUAL_SIDE),
        ({"size": 160}, 160, 160),
        ({"size": 160, "model": "efficientnet-lite0"}, 160, 160),
    ],
    ids=str,
)
def test_the_size_is_the_chosen_one_or_that_of_the_set_or_of_the_network(
    chosen: dict[str, Any], of_squares: int, of_photographs: int
):
    config = make_config(**chosen)
    assert images_info(config, SQUARES).image_size == of_squares
    assert images_info(config, PHOTOGRAPHS).image_size == of_photographs
    assert images_info(config, images_info(config, PHOTOGRAPHS)) == images_info(config, PHOTOGRAPHS)


def test_the_fit_is_chosen_for_photographs_and_fixed_for_squares():
    config = make_config(fit="pad")
    assert images_info(config, PHOTOGRAPHS).fit == "pad" and images_info(config, SQUARES).fit == "stretch"


@pytest.mark.parametrize("size", [1, MIN_SIDE - 1, MAX_SIDE + 1, -32, 64.5, "large"])
def test_a_size_out_of_range_is_refused(size: Any):
    with pytest.raises(SettingError) as refusal:
        make_config(size=size)
    assert refusal.value.field == "size" and str(size) in str(refusal.value)


@pytest.mark.parametrize("size", [0, MIN_SIDE, MAX_SIDE])
def test_the_ends_of_the_range_are_allowed(size: int):
    assert make_config(size=size).size == size and value_text("size", size) in (str(size), value_text("size", 0))


def test_every_network_with_pretrained_weights_has_a_size_of_its_own():
    assert all(bool(family.published) == bool(family.side) for family in FAMILIES.values())
