"""Feature maps, first filters and dead channels, against what the layers themselves give and against known weights."""

import numpy as np
import pytest
import torch
from torch import nn

from cnn_core.data.source import ImageSet
from cnn_core.explain.feature_maps import compute_feature_maps, find_dead_channels, render_first_filters, to_grey
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import ModelCard
from tests.explain.nets import CLASSES, SIDE, Unchanged, network, random_images
from tests.helpers import drain


def card_of(model="simple", channels=3, side=SIDE, classes=CLASSES):
    """A card whose normalisation makes 0 of 128 and ±1 of a full step of 127."""
    return ModelCard(
        model=model,
        classes=tuple(f"class {number}" for number in range(classes)),
        channels=channels,
        image_size=side,
        mean=(128 / 255,) * channels,
        std=(127 / 255,) * channels,
        fingerprint="",
    )


def random_image_set(count, channels=3, side=SIDE):
    rng = np.random.default_rng(0)
    return ImageSet(rng.integers(0, 256, (count, side, side, channels), np.uint8), np.arange(count) % CLASSES)


@pytest.mark.parametrize("family", FAMILIES)
def test_maps_are_what_the_layers_give_and_nothing_is_changed(family):
    model, image = network(family), random_images(1)
    with Unchanged(model):
        maps = compute_feature_maps(model, image)
    given = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, inputs, outputs, name=name: given.update({name: outputs.detach().clone()}))
    model(image)
    convolutions = {output.name: output.outputs for output in maps if output.kind == "convolution"}
    assert list(convolutions) == list(given)
    for name, outputs in given.items():
        torch.testing.assert_close(convolutions[name], outputs)
    assert len({output.name for output in maps}) == len(maps)
    assert {output.kind for output in maps} >= {"convolution", "activation"}


def test_every_use_of_an_activation_is_reported():
    maps = {output.name: output.outputs for output in compute_feature_maps(network("resnet20"), random_images(1))}
    names = [name for name in maps if name.startswith("layer1.0.")]
    assert names == ["layer1.0.conv1", "layer1.0.activation", "layer1.0.conv2", "layer1.0.activation (2)"]
    assert not torch.equal(maps["layer1.0.activation"], maps["layer1.0.activation (2)"])


def test_convnexts_maps_have_their_channels_in_front():
    model = network("convnext")
    maps = {output.name: output.outputs for output in compute_feature_maps(model, random_images(1))}
    first = maps["features.1.0.block.0"]
    block = model.features[1][0].block
    expected = block[4](block[3](block[2](first.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
    torch.testing.assert_close(maps["features.1.0.block.4"], expected)


def test_shades_put_zero_at_black_where_nothing_is_negative():
    maps = np.array([[[0.0, 2.0], [1.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]], [[-1.0, 0.0], [1.0, 3.0]], [[2.0, 2.0], [2.0, 2.0]]])
    expected = [[[0, 128], [64, 255]], [[0, 0], [0, 0]], [[0, 64], [128, 255]], [[255, 255], [255, 255]]]
    np.testing.assert_array_equal(to_grey(maps), expected)


def test_filters_are_images_with_zero_in_the_middle():
    model = nn.Sequential(nn.Conv2d(3, 2, 2), nn.ReLU())
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].weight[0, 0, 0, 1] = -0.5  # of the first filter the first colour, top right
        model[0].weight[0, 2, 1, 0] = 0.25
    filters = render_first_filters(model)
    assert filters.shape == (2, 2, 2, 3) and filters.dtype == np.uint8
    assert filters[0, 0, 1].tolist() == [0, 128, 128] and filters[0, 1, 0].tolist() == [128, 128, 191]
    assert (filters[1] == 128).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_speednets_first_filters_are_its_whitening(channels):
    model = network("speed", channels=channels)
    assert render_first_filters(model).shape == (8 * channels, 2, 2, channels)


@pytest.mark.parametrize("family", ["simple", "resnet20", "speed"])
def test_dead_channels_are_those_that_never_give_a_positive_number(family):
    model, images = network(family, activation="relu"), random_image_set(120)
    with torch.no_grad():  # so low a bias that nothing gets through
        kind = nn.Conv2d if family == "simple" else nn.BatchNorm2d
        next(layer for layer in model.modules() if isinstance(layer, kind)).bias[[1, 5]] = -1e6
    with Unchanged(model):
        seen, dead = drain(find_dead_channels(model, card_of(family), images))
    assert [(stage.done, stage.total) for stage in seen] == [(0, 2), (1, 2)]
    found = next(row for row in dead if {1, 5} <= set(row.dead.tolist()))
    assert found is dead[1 if family == "speed" else 0]
    highest = highest_outputs(model, images)
    assert {row.layer: row.dead.tolist() for row in dead} == {
        name: np.flatnonzero(values <= 0).tolist() for name, values in highest.items()
    }
    assert all(row.fraction == len(row.dead) / row.channels for row in dead)


def highest_outputs(model, images):
    """Of every use of a ReLU the highest number of each channel, from all images at once."""
    found, uses = {}, {}

    def keep(name, outputs):
        uses[name] = uses.get(name, 0) + 1
        key = name if uses[name] == 1 else f"{name} ({uses[name]})"
        found[key] = outputs.detach().transpose(0, 1).flatten(1).amax(1).numpy()

    for name, layer in model.named_modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(lambda layer, inputs, outputs, name=name: keep(name, outputs))
    model((torch.from_numpy(images.images).permute(0, 3, 1, 2).float() - 128) / 127)
    return found


def test_a_network_without_activations_has_no_dead_channels():
    _, dead = drain(find_dead_channels(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten()), card_of(), random_image_set(3)))
    assert dead == []


def test_large_images_are_processed_in_small_batches():
    images = random_image_set(20, side=256)
    seen, dead = drain(find_dead_channels(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()), card_of(), images))
    assert len(seen) == 4 and [(row.layer, row.channels) for row in dead] == [("1", 2)]  # 100 of 64×64 are 6 of 256×256
