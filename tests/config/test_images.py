"""The images of a run: as they were chosen, else as the data set stores them, or as the pretrained network expects them."""

from dataclasses import replace
from typing import Any

import pytest

from cnn_core.config.chosen import default_name
from cnn_core.config.defaults import make_config
from cnn_core.config.images import images_info
from cnn_core.config.schema import TrainConfig, model_title, value_text
from cnn_core.data.image_shape import MAX_SIDE, MIN_SHARE, MIN_SIDE, USUAL_SIDE
from cnn_core.data.source import DataInfo
from cnn_core.errors import SettingError
from cnn_core.models.pretrained_input import expected_side
from cnn_core.models.pretrained_table import DEFAULT_NETWORK
from cnn_core.models.registry import FAMILIES

SQUARES = DataInfo("squares", ("a", "b"), 48, 3, 100, 20, "version", fit="stretch")
PHOTOGRAPHS = replace(SQUARES, image_size=64, fit="crop", kept_side=512)


@pytest.mark.parametrize(
    ("chosen", "of_squares", "of_photographs"),
    [
        ({}, 48, USUAL_SIDE),
        ({"model": "efficientnet-lite0"}, 48, 256),
        ({"model": "efficientnet-lite0", "fit": "pad"}, 48, 224),
        ({"model": "efficientnet-lite0", "crop_share": 1}, 48, 224),
        ({"model": "efficientnet-lite0", "weights": "/a/file"}, 48, 224),
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


@pytest.mark.parametrize(
    ("chosen", "resizing"),
    [
        ({"model": "efficientnet-lite0"}, ("bicubic", 0.875)),
        ({"model": "efficientnet-lite0", "weights": "scratch"}, ("bicubic", 1)),
        ({"model": "efficientnet-lite0", "weights": "/a/file"}, ("bicubic", 1)),
        ({"model": "efficientnet-lite0", "fit": "stretch"}, ("bicubic", 1)),
        ({"model": "efficientnet-lite0", "crop_share": 0.5, "interpolation": "bilinear"}, ("bilinear", 0.5)),
        ({"model": "mobilenet"}, ("bicubic", 1)),
        ({"model": "mobilenet", "weights": "pretrained"}, ("bilinear", 0.875)),
        ({"model": "mobilenet", "weights": "pretrained", "fit": "pad"}, ("bilinear", 1)),
        ({"model": "timm", "timm_name": "resnet50.a1_in1k"}, ("bicubic", 0.95)),
        ({"model": "timm", "timm_name": "resnet50.a1_in1k", "weights": "/a/file"}, ("bicubic", 0.95)),
        ({"model": "timm", "weights": "scratch"}, ("bicubic", 1)),
        ({"model": "simple"}, ("bicubic", 1)),
        ({"model": "simple", "crop_share": 0.5}, ("bicubic", 0.5)),
    ],
    ids=str,
)
def test_photographs_are_resized_and_cropped_as_chosen_or_as_the_network_expects_and_squares_never(
    chosen: dict[str, Any], resizing: tuple[str, float]
):
    config = make_config(**chosen)
    of_photographs, of_squares = images_info(config, PHOTOGRAPHS), images_info(config, SQUARES)
    assert (of_photographs.interpolation, of_photographs.crop_share) == resizing
    assert (of_squares.interpolation, of_squares.crop_share) == ("bicubic", 1)


@pytest.mark.parametrize("model", [family.name for family in FAMILIES.values() if "weights" in family.options])
def test_a_run_of_an_earlier_version_keeps_the_whole_square_and_its_name(model: str):
    settings = make_config(model=model, weights="pretrained").model_dump()
    earlier = TrainConfig.model_validate({n: value for n, value in settings.items() if n not in ("crop_share", "interpolation")})
    info = images_info(make_config(**earlier.model_dump()), PHOTOGRAPHS)  # as a resumed and a branched run
    assert (info.interpolation, info.crop_share) == ("bicubic", 1)
    assert default_name(earlier) == default_name(make_config(**settings)) and model_title(earlier) in default_name(earlier)


@pytest.mark.parametrize("share", [MIN_SHARE / 2, 1.1, -0.5, "half"])
def test_a_crop_share_out_of_range_is_refused(share: Any):
    with pytest.raises(SettingError) as refusal:
        make_config(crop_share=share)
    assert refusal.value.field == "crop_share" and str(share) in str(refusal.value)


@pytest.mark.parametrize("size", [1, MIN_SIDE - 1, MAX_SIDE + 1, -32, 64.5, "large"])
def test_a_size_out_of_range_is_refused(size: Any):
    with pytest.raises(SettingError) as refusal:
        make_config(size=size)
    assert refusal.value.field == "size" and str(size) in str(refusal.value)


@pytest.mark.parametrize("size", [0, MIN_SIDE, MAX_SIDE])
def test_the_ends_of_the_range_are_allowed(size: int):
    assert make_config(size=size).size == size and value_text("size", size) in (str(size), value_text("size", 0))


def test_every_network_with_pretrained_weights_has_a_size_of_its_own():
    sides = {
        name: expected_side(name, DEFAULT_NETWORK, "pretrained")
        for name, family in FAMILIES.items()
        if "weights" in family.options
    }
    assert sides and all(side >= MIN_SIDE for side in sides.values())
    assert not any(expected_side(name, "", "scratch") for name in FAMILIES)
