"""SimpleCNN: its size by arithmetic, its shapes for any input, and the registry that builds it."""

import pytest
import torch
from torch import nn

from cnn_core.errors import SettingError
from cnn_core.models.registry import FAMILIES, build_model, count_parameters
from cnn_core.models.simple import SimpleCNN, conv_block
from tests.helpers import is_a_sentence


def parameters_by_arithmetic(channels: int, size: int, classes: int) -> int:
    widths = [channels, 32, 64, 128]
    convolutions = sum(9 * before * after + after for before, after in zip(widths, widths[1:], strict=False))
    lengths = [128 * (size // 8) ** 2, 192, 96, classes]
    return convolutions + sum(before * after + after for before, after in zip(lengths, lengths[1:], strict=False))


SHAPES = [(3, 32, 10), (1, 32, 10), (3, 8, 2), (1, 9, 3), (3, 33, 7), (3, 64, 100), (4, 47, 5)]


def test_it_has_506_154_parameters_for_cifar_10():
    model = SimpleCNN(channels=3, image_size=32, classes=10, dropout=0.25)
    counted = sum(parameter.numel() for parameter in model.parameters())
    assert counted == parameters_by_arithmetic(3, 32, 10) == 506_154
    assert 450_000 <= counted <= 550_000


@pytest.mark.parametrize(("channels", "size", "classes"), SHAPES)
def test_its_parameters_are_counted_without_building_it(channels: int, size: int, classes: int):
    counted = count_parameters("simple", channels=channels, image_size=size, classes=classes)
    assert counted == parameters_by_arithmetic(channels, size, classes)
    built = build_model("simple", channels=channels, image_size=size, classes=classes, dropout=0.1)
    assert counted == sum(parameter.numel() for parameter in built.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(("channels", "size", "classes"), SHAPES)
def test_images_of_any_size_become_one_logit_a_class(channels: int, size: int, classes: int):
    model = build_model("simple", channels=channels, image_size=size, classes=classes, dropout=0.5)
    logits = model(torch.randn(3, channels, size, size))
    assert logits.shape == (3, classes) and bool(logits.isfinite().all())


def test_pooling_before_relu_equals_relu_before_pooling():
    torch.manual_seed(0)
    block = conv_block(3, 8)
    convolution = next(layer for layer in block if isinstance(layer, nn.Conv2d))
    images = torch.randn(5, 3, 16, 16)
    assert torch.equal(block(images), nn.functional.max_pool2d(nn.functional.relu(convolution(images)), 2))


def test_dropout_is_active_in_training_only():
    torch.manual_seed(0)
    model, images = SimpleCNN(channels=1, image_size=16, classes=4, dropout=0.5), torch.randn(2, 1, 16, 16)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))
    steady = SimpleCNN(channels=1, image_size=16, classes=4, dropout=0.0)
    assert torch.equal(steady(images), steady(images))


def test_every_parameter_learns():
    model = SimpleCNN(channels=3, image_size=32, classes=10, dropout=0.0)
    model(torch.randn(8, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_images_below_the_smallest_side_are_refused_in_words(family: str):
    smallest = FAMILIES[family].smallest
    build_model(family, channels=3, image_size=smallest, classes=2, dropout=0.0)(torch.randn(1, 3, smallest, smallest))
    with pytest.raises(SettingError, match=f"at least {smallest}×{smallest} pixels") as refusal:
        build_model(family, channels=3, image_size=smallest - 1, classes=2, dropout=0.0)
    assert is_a_sentence(refusal.value) and refusal.value.field == "model"


def test_an_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(SettingError, match="“vgg” is unknown.*simple") as refusal:
        build_model("vgg", channels=3, image_size=32, classes=2, dropout=0.0)
    assert is_a_sentence(refusal.value) and refusal.value.field == "model"
