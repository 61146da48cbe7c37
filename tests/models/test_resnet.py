"""Residual networks: the sizes in their papers, and ResNet-18 against torchvision's, logit for logit."""

import pytest
import torch
from torch import nn
from torchvision import models

from cnn_core.models.registry import build_model, count_parameters
from cnn_core.models.resnet import Block, ResNet, ZeroPadding, resnet9, resnet18

CIFAR = {"channels": 3, "image_size": 32, "classes": 10}


@pytest.mark.parametrize(("layers", "published"), [(20, 0.27), (32, 0.46), (56, 0.85)])
def test_the_narrow_resnets_have_the_parameters_of_table_6_of_the_paper(layers: int, published: float):
    assert round(count_parameters(f"resnet{layers}", **CIFAR) / 1e6, 2) == published


@pytest.mark.parametrize("layers", [20, 32, 56])
def test_the_narrow_resnets_have_as_many_layers_as_their_name_says(layers: int):
    model = build_model(f"resnet{layers}", **CIFAR)
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model.modules()) == layers


def test_the_narrow_resnets_have_16_channels_at_32_pixels_then_32_at_16_then_64_at_8():
    model, shapes = build_model("resnet20", **CIFAR), []
    for stage in (model.layer1, model.layer2, model.layer3):
        stage.register_forward_hook(lambda _, __, features: shapes.append(tuple(features.shape[1:])))
    model(torch.randn(2, 3, 32, 32))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_resnet18_has_the_parameters_of_torchvision_s_but_for_the_stem():
    counted = count_parameters("resnet18", channels=3, image_size=224, classes=1000)
    assert counted - 3 * 64 * 3 * 3 + 3 * 64 * 7 * 7 == 11_689_512


def test_resnet18_computes_what_torchvision_s_computes_with_the_same_weights_and_stem():
    torch.manual_seed(0)
    theirs = models.resnet18(num_classes=10)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    ours, images = resnet18(**CIFAR), torch.randn(4, 3, 32, 32)
    ours.load_state_dict(theirs.state_dict())
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(images), theirs.train(mode)(images), atol=1e-4, rtol=1e-4)


def test_a_shortcut_without_parameters_keeps_every_second_pixel_and_adds_empty_channels():
    features = torch.randn(2, 16, 7, 7)
    padded = ZeroPadding(16, 2)(features)
    assert padded.shape == (2, 32, 4, 4)
    assert torch.equal(padded[:, :16], features[:, :, ::2, ::2]) and not padded[:, 16:].any()


@pytest.mark.parametrize("project", [False, True])
def test_a_block_whose_convolutions_give_nothing_hands_its_shortcut_through_the_activation(project: bool):
    block, features = Block(8, 8, 1, "relu", project), torch.randn(2, 8, 5, 5)
    nn.init.zeros_(block.bn2.weight)
    assert torch.equal(block(features), features.relu())


def test_weights_start_with_the_deviation_of_he():
    model = ResNet((1,), (64,), False, channels=3, image_size=32, classes=10)
    assert float(model.layer1[0].conv1.weight.detach().std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)


def test_resnet9_has_the_parameters_of_page_s_model():
    convolutions = [(3, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 512), (512, 512), (512, 512)]
    by_hand = sum(9 * inputs * outputs + 2 * outputs for inputs, outputs in convolutions) + 512 * 10
    assert count_parameters("resnet9", **CIFAR) == by_hand == 6_573_120


def test_resnet9_divides_its_logits_by_8():
    torch.manual_seed(0)
    model, images = resnet9(**CIFAR, width=0.25).eval(), torch.randn(2, 3, 32, 32)
    features = model[:-2](images)
    assert features.shape == (2, 128)
    torch.testing.assert_close(model(images), features @ model[-2].weight.T / 8)


@pytest.mark.parametrize("family", ["resnet20", "resnet18", "resnet9"])
def test_twice_the_width_is_about_four_times_the_parameters(family: str):
    ratio = count_parameters(family, **CIFAR, width=2.0) / count_parameters(family, **CIFAR)
    assert 3.9 < ratio < 4.05


@pytest.mark.parametrize("family", ["resnet20", "resnet18", "resnet9", "speed"])
def test_dropout_before_the_last_layer_is_active_in_training_only(family: str):
    torch.manual_seed(0)
    model = build_model(family, **CIFAR, width=0.25, dropout=0.5)
    images = torch.randn(4, 3, 32, 32)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))
