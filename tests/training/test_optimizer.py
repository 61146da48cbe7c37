"""The optimizers against their formulas, written out by hand."""

import pytest
import torch
from torch import nn

from cnn_core.training.optimizer import make_optimizer

RATE, STEPS = 0.05, 4


def adam_by_hand(start: torch.Tensor, gradients: list[torch.Tensor], decay: float) -> torch.Tensor:
    weights, first, second = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step, gradient in enumerate(gradients, start=1):
        weights = weights - RATE * decay * weights
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        weights = weights - RATE * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
    return weights


def nesterov_by_hand(start: torch.Tensor, gradients: list[torch.Tensor]) -> torch.Tensor:
    weights, velocity = start.clone(), torch.zeros_like(start)
    for gradient in gradients:
        velocity = 0.9 * velocity + gradient
        weights = weights - RATE * (gradient + 0.9 * velocity)
    return weights


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("adam", lambda start, gradients: adam_by_hand(start, gradients, 0.0)),
        ("adamw", lambda start, gradients: adam_by_hand(start, gradients, 0.01)),
        ("sgd", nesterov_by_hand),
    ],
)
def test_its_steps_equal_its_formula(name, by_hand):
    torch.manual_seed(0)
    model = nn.Linear(6, 5, bias=False)
    gradients = [torch.randn(5, 6) for _ in range(STEPS)]
    expected = by_hand(model.weight.detach().double(), [gradient.double() for gradient in gradients])
    optimizer = make_optimizer(name, model, RATE)
    for gradient in gradients:
        model.weight.grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(model.weight.detach().double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_it_moves_every_parameter_of_the_model(name: str):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model(torch.randn(3, 1, 4, 4)).square().sum().backward()
    make_optimizer(name, model, 0.1).step()
    assert all(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
