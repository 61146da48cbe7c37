"""Learning-rate schedules against torch's own and against arithmetic."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from cnn_core.training.schedule import make_schedule


def torch_cosine(peak: float, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = CosineAnnealingLR(optimizer, T_max=steps)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def rates(name: str, peak: float, steps: int) -> list[float]:
    schedule = make_schedule(name, peak=peak, steps=steps)
    return [schedule(step) for step in range(steps)]


def test_constant_is_the_same_at_every_step():
    assert rates("constant", 0.03, 500) == [0.03] * 500


@pytest.mark.parametrize("steps", [1, 2, 10, 49])
def test_a_short_cosine_has_no_warm_up_and_equals_torchs(steps: int):
    assert rates("cosine", 0.02, steps) == pytest.approx(torch_cosine(0.02, steps), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("steps", "warmup"), [(50, 1), (460, 9), (1000, 20), (10_050, 200)])
def test_cosine_rises_in_a_fiftieth_of_the_steps_at_most_200_and_then_equals_torchs(steps: int, warmup: int):
    mine, cosine = rates("cosine", 0.1, steps), torch_cosine(0.1, steps)
    assert mine[warmup:] == pytest.approx(cosine[warmup:], rel=1e-6, abs=1e-9)
    ramp = [mine[step] / cosine[step] for step in range(warmup)]
    assert ramp == pytest.approx([(step + 1) / (warmup + 1) for step in range(warmup)], rel=1e-6)


def test_cosine_is_never_zero_and_never_above_its_peak_and_ends_next_to_zero():
    values = rates("cosine", 0.004, 1000)
    assert min(values) > 0 and max(values) <= 0.004
    assert max(values) > 0.99 * 0.004 and values[-1] < 1e-5 * 0.004
    top = values.index(max(values))
    assert values[:top] == sorted(values[:top]) and values[top:] == sorted(values[top:], reverse=True)


def test_at_its_middle_cosine_is_at_half_its_peak():
    assert make_schedule("cosine", peak=0.6, steps=800)(400) == pytest.approx(0.3)
    assert make_schedule("cosine", peak=0.6, steps=800)(200) == pytest.approx(0.3 * (1 + math.sqrt(0.5)))
