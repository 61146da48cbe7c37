"""Dead channels, on layers whose zeros are known."""

import pytest
import torch
from torch import nn

from cnn_core.inference.dead_channels import ActivationMonitor


def two_layers() -> nn.Sequential:
    """A ReLU over four channels, of which the second never fires, then one over two, of which both do."""
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2), nn.ReLU())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
        model[0].bias[1] = -5.0
    return model


def test_the_fraction_of_channels_that_never_fire_is_reported():
    model = two_layers()
    with ActivationMonitor(model) as activity:
        model(torch.rand(3, 1, 2, 2))
    assert activity.dead_fraction == pytest.approx(1 / 6)


def test_a_channel_that_fires_for_one_image_of_any_batch_is_alive():
    model = two_layers()
    with ActivationMonitor(model) as activity:
        model(torch.zeros(2, 1, 2, 2))
        assert activity.dead_fraction == pytest.approx(1 / 6)
        bright = torch.zeros(2, 1, 2, 2)
        bright[1, 0, 0, 1] = 10.0
        model(bright)
    assert activity.dead_fraction == 0


def test_a_model_without_relus_has_no_such_fraction():
    with ActivationMonitor(nn.Sequential(nn.Linear(2, 2), nn.GELU())) as activity:
        pass
    assert activity.dead_fraction is None


def test_nothing_listens_after_the_block():
    model = two_layers()
    with ActivationMonitor(model) as activity:
        model(torch.zeros(2, 1, 2, 2))
    model(torch.full((1, 1, 2, 2), 10.0))
    assert activity.dead_fraction == pytest.approx(1 / 6)
