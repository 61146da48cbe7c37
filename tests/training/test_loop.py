"""The training loop against the same training written out by hand, and what its events promise."""

import contextlib
import io
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cnn_core.events import Epoch, Steps
from cnn_core.training import meter
from cnn_core.training.loop import Report
from tests.training.small_training import BATCH, EPOCHS, RATE, batches, losses, network, state, trainer, training, validation


def by_hand(model: nn.Module) -> tuple[list[float], list[float], list[int]]:
    """The same training written out: same batches, cosine schedule, torch's unfused Adam. Loss, accuracy, batch size by step."""
    data = batches()
    steps, step = EPOCHS * math.ceil(50 / BATCH), 0
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.999), eps=1e-8, fused=False, foreach=False)
    losses, accuracies, sizes = [], [], []
    for _ in range(EPOCHS):
        for images, labels in data:
            optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            logits = model(images)
            chosen = logits.log_softmax(1)[torch.arange(len(labels)), labels]
            optimizer.zero_grad()
            (-chosen.mean()).backward()
            optimizer.step()
            losses.append(-chosen.mean().item())
            accuracies.append(
                sum(int(row.argmax()) == int(label) for row, label in zip(logits, labels, strict=True)) / len(labels)
            )
            sizes.append(len(labels))
            step += 1
    return losses, accuracies, sizes


def test_training_equals_the_same_training_written_by_hand(every_step: None):
    mine, theirs = network(), network()
    events = list(training(mine))
    losses, accuracies, sizes = by_hand(theirs)
    reports = [event for event in events if isinstance(event, Steps)]
    assert [loss for report in reports for loss in report.loss] == pytest.approx(losses, rel=1e-4, abs=1e-5)
    assert [share for report in reports for share in report.accuracy] == pytest.approx(accuracies, abs=1e-6)
    assert [report.images for report in reports] == np.cumsum(sizes).tolist()
    for one, other in zip(state(mine), state(theirs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    for epoch, end in zip((e for e in events if isinstance(e, Epoch)), (4, 8, 12), strict=True):
        part = slice(end - 4, end)
        assert epoch.train_loss == pytest.approx(np.average(losses[part], weights=sizes[part]), rel=1e-4)
        assert epoch.train_accuracy == pytest.approx(np.average(accuracies[part], weights=sizes[part]), abs=1e-6)


def test_the_learning_rates_reported_are_those_of_the_schedule(every_step: None):
    schedule = trainer(network()).schedule
    rates = [event.learning_rate for event in training(network()) if isinstance(event, Steps)]
    assert rates == [schedule(step) for step in range(12)]


@pytest.mark.parametrize("seconds", [-1.0, 1000.0])
def test_steps_are_numbered_from_one_without_a_gap(monkeypatch: pytest.MonkeyPatch, seconds: float):
    monkeypatch.setattr(meter, "REPORT_SECONDS", seconds)
    reached, images, epoch = 0, 0, 1
    for event in training(network()):
        if isinstance(event, Steps):
            assert event.step - len(event.loss) == reached and len(event.loss) == len(event.accuracy)
            assert event.epoch == epoch and event.images > images
            reached, images = event.step, event.images
        elif isinstance(event, Epoch):
            assert (event.epoch, event.step) == (epoch, reached) == (epoch, 4 * epoch)
            epoch += 1
    assert (reached, images, epoch) == (12, 150, EPOCHS + 1)


def test_times_only_grow(every_step: None):
    events = [event for event in training(network()) if isinstance(event, (Steps, Epoch))]
    for name in ("train_seconds", "seconds"):
        values = [getattr(event, name) for event in events]
        assert values == sorted(values) and values[0] > 0
    assert all(event.train_seconds <= event.seconds + 1e-6 for event in events)
    assert all(event.images_per_second > 0 for event in events if isinstance(event, Steps))


def test_an_epochs_validation_figures_are_those_of_the_weights_at_its_event():
    model = network(dropout=0.5)
    checked = 0
    for event in training(model):
        if isinstance(event, Epoch):
            images, labels = (torch.cat(parts) for parts in zip(*validation(), strict=True))
            model.eval()
            with torch.no_grad():
                logits = model(images)
            model.train()
            assert event.val_loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), rel=1e-4)
            assert event.val_accuracy == pytest.approx((logits.argmax(1) == labels).double().mean().item(), abs=1e-6)
            checked += 1
    assert checked == EPOCHS


def test_the_best_epoch_is_the_most_accurate_one_and_among_equals_the_one_with_the_lowest_loss():
    found = set()
    for seed in range(2):
        best = (-1.0, 0.0)
        for event in training(network(seed), epochs=12, seed=seed, rate=0.03):
            if isinstance(event, Epoch):
                assert event.is_best == ((event.val_accuracy, -event.val_loss) > best)
                best = max(best, (event.val_accuracy, -event.val_loss))
                found.add(event.is_best)
    assert found == {True, False}


def test_the_model_learns_what_can_be_learned():
    epochs = [event for event in training(network(), epochs=15) if isinstance(event, Epoch)]
    assert epochs[-1].val_accuracy > 0.9 and epochs[-1].train_loss < epochs[0].train_loss


def test_the_same_seed_trains_the_same_weights_bit_for_bit_and_another_one_others():
    def trained(seed: int) -> list[torch.Tensor]:
        model = network(seed, dropout=0.3)
        for _ in training(model, seed=seed):
            pass
        return state(model)

    first, again, other = trained(5), trained(5), trained(6)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not any(torch.equal(one, two) for one, two in zip(first, other, strict=True))


def test_closing_the_generator_within_an_epoch_leaves_a_model_that_has_learned_so_far(every_step: None):
    model = network()
    before = state(model)
    with contextlib.closing(training(model)) as events:
        assert next(events).step == 1 and next(events).step == 2
    assert all(not torch.equal(old, new) for old, new in zip(before, state(model), strict=True))
    assert all(bool(value.isfinite().all()) for value in state(model))
    assert list(events) == []


def test_nothing_is_trained_until_events_are_requested(every_step: None):
    model = network()
    before = state(model)
    events = training(model)
    assert all(torch.equal(old, new) for old, new in zip(before, state(model), strict=True))
    next(events)
    after_one = state(model)
    assert all(torch.equal(old, new) for old, new in zip(after_one, state(model), strict=True))
    assert not all(torch.equal(old, new) for old, new in zip(before, after_one, strict=True))


def test_bfloat16_trains_too_with_weights_that_stay_float32():
    model = network()
    epochs = [event for event in training(model, epochs=15, dtype=torch.bfloat16) if isinstance(event, Epoch)]
    assert epochs[-1].val_accuracy > 0.9 and all(value.dtype == torch.float32 for value in model.state_dict().values())
    one, other = (losses(training(network(), epochs=1, rate=1e-10, dtype=dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert one == pytest.approx(other, rel=0.01) and one != other


@pytest.mark.parametrize(
    "chosen", [{}, {"ema": 0.8, "optimizer": "muon"}, {"schedule": "plateau", "optimizer": "sgd", "clip_norm": 0.5}]
)
def test_a_trainers_state_taken_at_any_event_continues_to_the_same_end(every_step: None, chosen: dict[str, Any]):
    whole = trainer(network(dropout=0.3), **chosen)
    states = []
    for event in whole:
        file = io.BytesIO()
        torch.save(whole.state_dict(), file)
        states.append((event, file.getvalue()))
    for number in (0, 2, 3, 4, 6, len(states) - 2, len(states) - 1):
        resumed = trainer(network(seed=9, dropout=0.3), **chosen)
        resumed.load_state_dict(torch.load(io.BytesIO(states[number][1]), weights_only=True))
        rest = list(resumed)
        assert [without_times(event) for event in rest] == [without_times(event) for event, _ in states[number + 1 :]]
        assert all(
            torch.equal(one, two) for one, two in zip(state(whole.validated_model), state(resumed.validated_model), strict=True)
        )
        assert (resumed.best, resumed.waited) == (whole.best, whole.waited)


def without_times(event: Report) -> dict[str, Any]:
    return {
        name: value
        for name, value in asdict(event).items()
        if name not in ("train_seconds", "seconds", "at", "images_per_second", "memory", "load")
    }
