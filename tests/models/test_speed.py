"""SpeedNet: whitening checked on image patches, and the initial weights of the other layers."""

import pytest
import torch
from torch import nn

from cnn_core.models.registry import build_model
from cnn_core.models.speed import SpeedNet, Whitening, conv_group, patch_statistics


def smooth_images(count: int, channels: int, side: int) -> torch.Tensor:
    """Neighbouring pixels are alike, as in photographs: noise whose mean is taken over 3×3, correlated over colours too."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(count, channels, side + 2, side + 2, generator=draw)
    smooth = nn.functional.avg_pool2d(noise, 3, stride=1) * 3
    return smooth + 0.5 * smooth.roll(1, dims=1) + 0.3


def all_patches(images: torch.Tensor) -> torch.Tensor:
    """(patches, channels·4), by torch's unfold."""
    return nn.functional.unfold(images, 2).transpose(1, 2).flatten(0, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_layer_gives_the_patches_mean_0_and_the_identity_as_covariance(channels: int):
    images, layer = smooth_images(200, channels, 12), Whitening(channels)
    layer.prepare(images)
    size = 4 * channels
    whitened = layer(images).transpose(0, 1).flatten(1).detach()  # (channels out, patches)
    assert layer.out_channels == 2 * size and len(whitened) == 2 * size
    torch.testing.assert_close(whitened.mean(1), torch.zeros(2 * size), atol=1e-4, rtol=0)
    variances = torch.linalg.eigvalsh(torch.cov(all_patches(images).T)).double()
    expected = torch.diag(variances / (variances + 5e-4)).float()
    torch.testing.assert_close(torch.cov(whitened[:size]), expected, atol=2e-3, rtol=0)
    torch.testing.assert_close(expected, torch.eye(size), atol=0.05, rtol=0)


def test_the_second_half_of_the_first_layer_is_the_negative_of_the_first():
    layer = Whitening(3)
    layer.prepare(smooth_images(50, 3, 8))
    assert torch.equal(layer.weight[12:], -layer.weight[:12]) and torch.equal(layer.bias[12:], -layer.bias[:12])


def test_patch_statistics_are_those_of_all_patches_at_once(monkeypatch: pytest.MonkeyPatch):
    images = smooth_images(37, 3, 9)
    monkeypatch.setattr("cnn_core.models.speed.PATCHES_AT_ONCE", 500)
    mean, covariance = patch_statistics(images)
    patches = all_patches(images).double()
    torch.testing.assert_close(mean, patches.mean(0))
    torch.testing.assert_close(covariance, torch.cov(patches.T, correction=0))


def test_images_of_one_colour_whiten_to_finite_numbers():
    layer = Whitening(3)
    layer.prepare(torch.full((20, 3, 8, 8), 0.7))
    assert bool(layer(torch.rand(2, 3, 8, 8)).isfinite().all())


def test_whitening_is_frozen_but_for_its_bias_and_is_saved_with_the_model():
    model = build_model("speed", channels=3, image_size=16, classes=4)
    model.prepare(smooth_images(50, 3, 16))
    assert not model.whitening.weight.requires_grad and model.whitening.bias.requires_grad
    fresh = build_model("speed", channels=3, image_size=16, classes=4)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.whitening.weight, model.whitening.weight)
    images = smooth_images(5, 3, 16)
    assert torch.equal(fresh.eval()(images), model.eval()(images))


def test_preparing_leaves_the_random_numbers_alone_and_gives_the_same_twice():
    model, images = SpeedNet(channels=3, image_size=16, classes=4), smooth_images(50, 3, 16)
    before = torch.random.get_rng_state()
    model.prepare(images)
    first = model.whitening.weight.clone()
    model.to(memory_format=torch.channels_last).prepare(images)
    assert torch.equal(model.whitening.weight, first) and torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("inputs", "outputs"), [(8, 16), (16, 8), (8, 8)])
def test_convolutions_start_by_handing_their_inputs_through(inputs: int, outputs: int):
    group, features = conv_group(inputs, outputs, "relu"), torch.randn(2, inputs, 6, 6)
    both = min(inputs, outputs)
    torch.testing.assert_close(group[0](features)[:, :both], features[:, :both])
    inside = torch.randn(2, outputs, 3, 3)
    torch.testing.assert_close(group[4](inside), inside)


def test_its_logits_are_the_head_of_the_largest_value_of_each_channel_over_9():
    torch.manual_seed(0)
    model, images = SpeedNet(channels=3, image_size=32, classes=10).eval(), torch.randn(2, 3, 32, 32)
    features = model.groups(model.activation(model.whitening(images)))
    assert features.shape == (2, 192, 3, 3)
    largest = features.flatten(2).max(2).values
    torch.testing.assert_close(model(images), largest @ model.head.weight.T / 9)
