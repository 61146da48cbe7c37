"""Costs: multiply-adds and memory against counts by hand, and a step that is really timed."""

import time

import pytest
import torch
from torch import nn

from cnn_core.device import choose_arithmetic
from cnn_core.errors import SettingError
from cnn_core.models.cost import activation_bytes, count_multiply_adds, measure_step_seconds, model_cost
from cnn_core.models.partial_cost import FORWARD_IMAGES, forward_bytes, partial_cost
from cnn_core.models.registry import FAMILIES, build_model, count_parameters

CPU = choose_arithmetic("auto", "auto", torch.device("cpu"))
CIFAR = {"channels": 3, "image_size": 32, "classes": 10}


def cost(name: str, batch_size: int = 64, **options):
    return model_cost(name, **CIFAR, batch_size=batch_size, **options)


def test_multiply_adds_of_simple_cnn_are_those_counted_by_hand():
    convolutions = 32 * 32 * 9 * 3 * 32 + 16 * 16 * 9 * 32 * 64 + 8 * 8 * 9 * 64 * 128
    linear = 2048 * 192 + 192 * 96 + 96 * 10
    assert cost("simple").multiply_adds == convolutions + linear == 10_734_528


def test_multiply_adds_of_speed_net_are_those_counted_by_hand_and_35_to_40_million():
    whitening = 31 * 31 * 4 * 3 * 24
    groups = sum(
        9 * (side**2 * inputs * outputs + (side // 2) ** 2 * outputs**2)
        for side, inputs, outputs in ((31, 24, 32), (15, 32, 128), (7, 128, 192))
    )
    assert cost("speed").multiply_adds == whitening + groups + 192 * 10
    assert 35e6 < cost("speed").multiply_adds < 40e6


def test_multiply_adds_of_resnet20_are_the_published_41_million():
    assert cost("resnet20").multiply_adds == pytest.approx(41e6, rel=0.02)


def test_multiply_adds_are_of_one_image_whatever_the_batch():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 6 * 6, 5)).to("meta")
    by_hand = 6 * 6 * 9 * 3 * 8 + 8 * 6 * 6 * 5
    assert count_multiply_adds(model, torch.empty(1, 3, 8, 8, device="meta")) == by_hand
    assert cost("simple", 2).multiply_adds == cost("simple", 512).multiply_adds


def test_memory_of_a_small_model_is_that_counted_by_hand():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 5)).to("meta")
    images = torch.empty(10, 3, 8, 8, device="meta")
    # The convolution keeps the images; ReLU and the linear layer share one storage; cross-entropy keeps log-probabilities, labels
    # and the sum of the weights of the labels.
    by_hand = 4 * (10 * 3 * 64 + 10 * 8 * 64 + 10 * 5) + 8 * 10 + 4
    assert activation_bytes(model, images) == by_hand


def test_a_head_alone_costs_its_own_gradients_and_the_largest_layer_of_a_forward_pass():
    photographs = {"channels": 3, "image_size": 64, "classes": 2}
    whole, head = (
        model_cost("efficientnet-lite0", **photographs, batch_size=32, train="all"),
        partial_cost("efficientnet-lite0", **photographs, batch_size=32, blocks=0),
    )
    assert head.parameters == 1280 * 2 + 2
    widest = 4 * FORWARD_IMAGES * 96 * (32 * 32 + 32 * 32)  # batch norm of the first expansion, to 96 channels of half the side
    state = head.memory_bytes - 3 * 4 * head.parameters - widest
    assert 4 * whole.parameters <= state <= 1.02 * 4 * whole.parameters  # the weights, and the statistics of the batch norms
    costs = [partial_cost("efficientnet-lite0", **photographs, batch_size=32, blocks=blocks) for blocks in (0, 1, 3, 100)]
    assert sorted({cost.parameters for cost in costs}) == [cost.parameters for cost in costs]
    assert sorted({cost.memory_bytes for cost in costs}) == [cost.memory_bytes for cost in costs]
    assert (costs[-1].parameters, costs[-1].memory_bytes) == (whole.parameters, whole.memory_bytes), "all blocks are all layers"
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 5)).to("meta")
    assert forward_bytes(model, torch.empty(10, 3, 8, 8, device="meta")) == 2 * 4 * 10 * 8 * 64


def test_memory_is_four_times_the_weights_and_what_grows_with_the_batch():
    weights = 4 * 506_154
    small, large = cost("simple", 100).memory_bytes, cost("simple", 200).memory_bytes
    assert large - small == pytest.approx(small - 4 * weights, rel=1e-3)
    images, convolved = 100 * 3 * 32 * 32 * 4, 100 * 32 * 32 * 32 * 4
    assert small > 4 * weights + images + convolved


@pytest.mark.parametrize("family", FAMILIES)
def test_the_cost_of_every_family_is_reported_without_drawing_a_random_number(family: str):
    before = torch.random.get_rng_state()
    estimate = cost(family, 1, dropout=0.5, weights="pretrained")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert estimate.parameters == count_parameters(family, **CIFAR) and 0 < estimate.multiply_adds < 1e9
    assert 16 * estimate.parameters < estimate.memory_bytes < 1e9


def test_settings_that_the_family_does_not_take_change_nothing():
    assert cost("resnet20", depth=6, learning_rate=3.0, weights="nowhere.pth") == cost("resnet20")


def test_the_cost_of_what_cannot_be_built_is_refused():
    with pytest.raises(SettingError, match=r" 5\.$"):
        cost("simple", depth=6)
    with pytest.raises(SettingError, match="“vgg”"):
        measure_step_seconds("vgg", **CIFAR, batch_size=4, arithmetic=CPU)


@pytest.mark.parametrize("family", ["simple", "speed", "mobilenet", "efficientnet"])
def test_a_step_is_timed_within_the_budget_and_leaves_the_random_numbers_alone(family: str):
    before, started, worked = torch.random.get_rng_state(), time.perf_counter(), time.process_time()
    shape = {"channels": 1, "image_size": 16, "classes": 3}
    seconds = measure_step_seconds(family, **shape, batch_size=1, arithmetic=CPU, budget_seconds=0.2, dropout=0.5)
    assert 0 < seconds < time.perf_counter() - started and time.process_time() - worked < 10
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_wider_model_takes_longer():
    narrow, wide = (
        measure_step_seconds("simple", **CIFAR, batch_size=32, arithmetic=CPU, budget_seconds=0.4, width=width)
        for width in (0.25, 4.0)
    )
    assert wide > 2 * narrow


def test_the_cost_of_a_transformer_that_pools_by_attention_is_counted():
    """Its pooling is called with a parameter that learns."""
    shape = {"channels": 3, "image_size": 32, "classes": 3, "timm_name": "test_vit3"}
    model, found = build_model("timm", **shape).eval(), []
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.register_forward_hook(
                lambda layer, inputs, out: found.append(layer.weight.numel() * out[0].numel() // len(layer.weight))
            )
    with torch.no_grad():
        model(torch.randn(1, 3, 32, 32))
    assert sum(found) < model_cost("timm", **shape, batch_size=2).multiply_adds < 1.5 * sum(found), "and those of the attention"
