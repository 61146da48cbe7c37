"""Learning-rate schedules against torch's own and against arithmetic."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR, OneCycleLR, ReduceLROnPlateau

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import choices
from cnn_core.training.schedule import WarmUp, make_resizing, make_schedule

EPOCHS, STEPS_PER_EPOCH, PEAK = 10, 30, 0.04
STEPS = EPOCHS * STEPS_PER_EPOCH


def schedule(name: str, *, warmup: float = 0, steps_per_epoch: int = STEPS_PER_EPOCH, **chosen: Any) -> WarmUp:
    chosen = {"learning_rate": PEAK, "epochs": EPOCHS, **chosen}
    return make_schedule(make_config(schedule=name, warmup=warmup, **chosen), steps_per_epoch)


def rates(name: str, steps: int = STEPS, **chosen: Any) -> list[float]:
    made = schedule(name, **chosen)
    return [made(step) for step in range(steps)]


def torch_rates(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], steps: int = STEPS) -> list[float]:
    """The rates of torch's scheduler, asked before every step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK, momentum=0.9)
    scheduler, seen = make(optimizer), []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # OneCycleLR does not like to be asked beyond its last step
            scheduler.step() if len(seen) < steps else None
    return seen


def test_constant_is_the_same_at_every_step():
    assert rates("constant") == [PEAK] * STEPS


@pytest.mark.parametrize("epochs", [1, 2, 10, 49])
def test_cosine_equals_torchs(epochs: int):
    theirs = torch_rates(lambda optimizer: CosineAnnealingLR(optimizer, T_max=epochs), epochs)
    assert rates("cosine", epochs, epochs=epochs, steps_per_epoch=1) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("steps_per_epoch", [1, 3, 30])
def test_onecycle_equals_torchs(steps_per_epoch: int):
    steps = EPOCHS * steps_per_epoch
    theirs = torch_rates(lambda optimizer: OneCycleLR(optimizer, max_lr=PEAK, total_steps=steps), steps)
    assert rates("onecycle", steps, steps_per_epoch=steps_per_epoch) == pytest.approx(theirs, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("drop_at", ["0.5, 0.75", "0.1", "0.01, 0.02, 0.99"])
def test_step_equals_torchs_drops(drop_at: str):
    milestones = [math.ceil(float(place) * STEPS) for place in drop_at.split(",")]
    theirs = torch_rates(lambda optimizer: MultiStepLR(optimizer, milestones, gamma=0.2))
    assert rates("step", drop_at=drop_at, drop_factor=0.2) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("knots", ["0:0.1, 0.3:1, 1:0", "0:1, 1:1", "0:0, 0.001:1, 0.5:0.2, 0.999:0.3, 1:0"])
def test_linear_joins_its_knots_by_straight_lines(knots: str):
    places, shares = zip(*([float(value) for value in pair.split(":")] for pair in knots.split(",")), strict=True)
    expected = PEAK * np.interp(np.arange(STEPS) / STEPS, places, shares)
    assert rates("linear", knots=knots) == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)


def losses(seed: int, count: int) -> list[float]:
    """Validation losses that fall, linger and rise, some by next to nothing."""
    rng = np.random.default_rng(seed)
    values = np.concatenate((np.linspace(2, 1, count // 3), np.full(count // 3, 0.99995), 1 + rng.random(count // 3)))
    return (values * rng.choice([1, 1, 0.99999, 0.97], len(values))).tolist()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("patience", [1, 3])
def test_plateau_drops_when_torchs_does(seed: int, patience: int):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    theirs = ReduceLROnPlateau(optimizer, factor=0.5, patience=patience)
    mine = schedule("plateau", drop_factor=0.5, plateau_patience=patience)
    seen = set()
    for number, loss in enumerate(losses(seed, 60)):
        mine.observe(loss)
        theirs.step(loss)
        assert mine(number) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6, abs=1e-8)
        seen.add(mine(number))
    assert len(seen) > 3


def test_a_plateau_continues_from_its_state_as_if_nothing_had_happened():
    for place in range(1, 20):
        one, other = (schedule("plateau", drop_factor=0.5, plateau_patience=2) for _ in range(2))
        values = losses(1, 60)
        for loss in values[:place]:
            one.observe(loss)
        other.load_state(one.state)
        for loss in values[place:]:
            one.observe(loss)
            other.observe(loss)
            assert one(5) == other(5) and one.state == other.state


@pytest.mark.parametrize("name", choices("schedule"))
def test_only_the_plateau_schedule_listens_to_the_validation_loss_and_has_a_memory(name: str):
    made = schedule(name, plateau_patience=1)
    before = [made(step) for step in range(0, STEPS, 7)]
    for loss in (1.0, 2.0, 3.0, 4.0):
        made.observe(loss)
    assert ([made(step) for step in range(0, STEPS, 7)] == before) == (name != "plateau")
    assert bool(made.state) == (name == "plateau")
    schedule(name).load_state(made.state)


@pytest.mark.parametrize("name", choices("schedule"))
@pytest.mark.parametrize(("warmup", "ramp"), [(0.02, 6), (0.1, 30), (0.5, 150), (0.001, 0)])
def test_a_warm_up_rises_in_a_straight_line_and_then_leaves_the_schedule_as_it_is(name: str, warmup: float, ramp: int):
    warm, plain = rates(name, warmup=warmup), rates(name)
    assert warm[ramp:] == plain[ramp:]
    expected = [rate * (step + 1) / (ramp + 1) for step, rate in enumerate(plain[:ramp])]
    assert warm[:ramp] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", choices("schedule"))
@pytest.mark.parametrize("warmup", [0, 0.02, 0.5])
def test_every_rate_is_a_number_never_negative_and_never_above_the_peak(name: str, warmup: float):
    for epochs, steps_per_epoch in ((1, 1), (1, 2), (3, 1), (1, 4), (7, 13), (1000, 3)):
        for peak in (1e-12, 0.3, 10.0):
            made = schedule(name, warmup=warmup, epochs=epochs, steps_per_epoch=steps_per_epoch, learning_rate=peak)
            values = [made(step) for step in range(epochs * steps_per_epoch)]
            assert all(math.isfinite(rate) and 0 <= rate <= peak * (1 + 1e-12) for rate in values)
            made.observe(math.nan)
            assert math.isfinite(made(0))


def test_a_plateau_of_a_thousand_epochs_comes_down_to_zero_and_no_further():
    made = schedule("plateau", drop_factor=0.001, plateau_patience=1)
    for _ in range(1000):
        made.observe(1.0)
    assert 0 <= made(0) < 1e-300


def test_a_schedule_can_be_printed():
    assert str(schedule("constant")) == "WarmUp(then=Constant(peak=0.04), steps=0)"
    assert "knots=((0.0, 0.1), (0.3, 1.0), (1.0, 0.0))" in str(schedule("linear"))


def test_images_grow_in_eighths_from_their_first_side_to_the_full_one_at_two_thirds_of_the_training():
    side = make_resizing(make_config(model="speed", epochs=10, start_side=0.5), 30, image_size=32)
    sides = [side(step) for step in range(300)]
    assert sides[0] == 16 and sides == sorted(sides) and set(sides) == {16, 20, 24, 28, 32}
    assert sides[199] == 28 and set(sides[200:]) == {32}
    assert [sides.index(reached) for reached in (20, 24, 28, 32)] == [50, 100, 150, 200]


def test_images_start_no_smaller_than_the_model_takes_and_keep_their_size_where_it_takes_but_one():
    assert make_resizing(make_config(model="mobilenet", start_side=0.5), 30, image_size=28)(0) == 16
    assert make_resizing(make_config(model="simple", start_side=0.5), 30, image_size=32) is None
    assert make_resizing(make_config(model="speed"), 30, image_size=32) is None


def test_an_odd_side_grows_to_itself():
    side = make_resizing(make_config(model="speed", epochs=10, start_side=0.6), 30, image_size=45)
    assert side(0) == 27 and side(299) == 45 and all(27 <= side(step) <= 45 for step in range(300))
