"""SimpleCNN: its size by arithmetic, the names of its saved weights, its settings."""

import pytest
import torch
from torch import nn

from cnn_core.errors import SettingError
from cnn_core.models.registry import build_model, count_parameters
from cnn_core.models.simple import SimpleCNN, conv_block
from tests.helpers import is_a_sentence


def parameters_by_arithmetic(channels: int, size: int, classes: int, depth: int = 3, times: int = 1, norm: bool = False) -> int:
    widths = [channels, *(times * width for width in (32, 64, 128, 256, 256, 256)[:depth])]
    extra = 2 if norm else 1  # scale and shift of a norm, or a bias
    convolutions = sum(9 * before * after + extra * after for before, after in zip(widths, widths[1:], strict=False))
    lengths = [widths[-1] * (size // 2**depth) ** 2, times * 192, times * 96, classes]
    return convolutions + sum(before * after + after for before, after in zip(lengths, lengths[1:], strict=False))


SHAPES = [(3, 32, 10), (1, 32, 10), (3, 8, 2), (1, 9, 3), (3, 33, 7), (3, 64, 100), (4, 47, 5)]


def test_it_has_506_154_parameters_for_cifar_10():
    model = SimpleCNN(channels=3, image_size=32, classes=10, dropout=0.25)
    counted = sum(parameter.numel() for parameter in model.parameters())
    assert counted == parameters_by_arithmetic(3, 32, 10) == 506_154
    assert 450_000 <= counted <= 550_000


def test_its_weights_have_the_names_and_shapes_of_models_that_were_saved_before():
    model = SimpleCNN(channels=3, image_size=32, classes=10, dropout=0.25)
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.0.0.bias": (32,),
        "features.1.0.weight": (64, 32, 3, 3),
        "features.1.0.bias": (64,),
        "features.2.0.weight": (128, 64, 3, 3),
        "features.2.0.bias": (128,),
        "classifier.1.weight": (192, 2048),
        "classifier.1.bias": (192,),
        "classifier.4.weight": (96, 192),
        "classifier.4.bias": (96,),
        "classifier.7.weight": (10, 96),
        "classifier.7.bias": (10,),
    }


def test_its_logits_are_those_of_the_tutorial_s_model():
    torch.manual_seed(3)
    model, images = SimpleCNN(channels=3, image_size=32, classes=10), torch.randn(4, 3, 32, 32)
    weights = list(model.parameters())
    features = images
    for weight, bias in zip(weights[0:6:2], weights[1:6:2], strict=True):
        features = nn.functional.max_pool2d(nn.functional.conv2d(features, weight, bias, padding=1).relu(), 2)
    features = features.flatten(1)
    for weight, bias in zip(weights[6:10:2], weights[7:10:2], strict=True):
        features = (features @ weight.T + bias).relu()
    torch.testing.assert_close(model(images), features @ weights[10].T + weights[11])


@pytest.mark.parametrize(("channels", "size", "classes"), SHAPES)
def test_its_parameters_are_counted_without_building_it(channels: int, size: int, classes: int):
    counted = count_parameters("simple", channels=channels, image_size=size, classes=classes)
    assert counted == parameters_by_arithmetic(channels, size, classes)
    built = build_model("simple", channels=channels, image_size=size, classes=classes, dropout=0.1)
    assert counted == sum(parameter.numel() for parameter in built.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(("depth", "width", "norm"), [(1, 1, False), (2, 2, True), (4, 1, True), (5, 1, False), (6, 2, True)])
def test_depth_width_and_batch_norm_change_its_size_as_arithmetic_says(depth: int, width: int, norm: bool):
    options = {"depth": depth, "width": float(width), "batch_norm": norm}
    counted = count_parameters("simple", channels=3, image_size=64, classes=7, **options)
    assert counted == parameters_by_arithmetic(3, 64, 7, depth, width, norm)


@pytest.mark.parametrize(("channels", "size", "classes"), SHAPES)
def test_images_of_any_size_become_one_logit_a_class(channels: int, size: int, classes: int):
    model = build_model("simple", channels=channels, image_size=size, classes=classes, dropout=0.5)
    logits = model(torch.randn(3, channels, size, size))
    assert logits.shape == (3, classes) and bool(logits.isfinite().all())


@pytest.mark.parametrize("depth", range(1, 7))
def test_every_depth_takes_images_from_its_smallest_side_on_and_refuses_smaller_ones_with_a_depth_that_works(depth: int):
    least = 2**depth
    model = build_model("simple", channels=1, image_size=least, classes=2, depth=depth)
    assert model(torch.randn(2, 1, least, least)).shape == (2, 2)
    with pytest.raises(SettingError, match=f"{least}×{least}") as refusal:
        build_model("simple", channels=1, image_size=least - 1, classes=2, depth=depth)
    assert is_a_sentence(refusal.value) and refusal.value.field == ("depth" if depth > 1 else "model")
    if depth > 1:
        assert str(refusal.value).endswith(f" {depth - 1}.")
        build_model("simple", channels=1, image_size=least - 1, classes=2, depth=depth - 1)


def test_pooling_before_relu_equals_relu_before_pooling():
    torch.manual_seed(0)
    block = conv_block(3, 8)
    convolution = next(layer for layer in block if isinstance(layer, nn.Conv2d))
    images = torch.randn(5, 3, 16, 16)
    assert torch.equal(block(images), nn.functional.max_pool2d(nn.functional.relu(convolution(images)), 2))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("relu", nn.functional.relu),
        ("gelu", nn.functional.gelu),
        ("silu", nn.functional.silu),
        ("leaky_relu", nn.functional.leaky_relu),
    ],
)
def test_the_activation_is_the_one_that_was_chosen(name, function):
    torch.manual_seed(0)
    block, images = conv_block(3, 8, activation=name), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(block(images), function(block[1](block[0](images))))


def test_batch_norm_leaves_every_channel_with_mean_0_and_deviation_1():
    block = conv_block(3, 8, batch_norm=True)
    normed = block[:-1](torch.randn(64, 3, 16, 16) * 5 + 2)
    torch.testing.assert_close(normed.mean((0, 2, 3)), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(normed.var((0, 2, 3), correction=0), torch.ones(8), atol=1e-3, rtol=0)


def test_dropout_is_active_in_training_only():
    torch.manual_seed(0)
    model, images = SimpleCNN(channels=1, image_size=16, classes=4, dropout=0.5), torch.randn(2, 1, 16, 16)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))
    steady = SimpleCNN(channels=1, image_size=16, classes=4, dropout=0.0)
    assert torch.equal(steady(images), steady(images))
