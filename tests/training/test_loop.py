"""The training loop against the same training written out by hand, and what its events promise."""

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from cnn_core.data.augment import RandomCrop, RandomFlip
from cnn_core.data.batches import Batches
from cnn_core.data.source import ImageSet
from cnn_core.errors import DivergedError
from cnn_core.events import Epoch, Event, Steps
from cnn_core.models.simple import SimpleCNN
from cnn_core.training import loop
from cnn_core.training.optimizer import make_optimizer
from cnn_core.training.schedule import Constant, make_schedule
from tests.helpers import is_a_sentence

CPU = torch.device("cpu")
RATE, EPOCHS, BATCH = 0.01, 3, 16


def image_set(count: int, seed: int) -> ImageSet:
    """Noise whose class is how bright it is: learnable, and no two images alike."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 120, (count, 8, 8, 1)) + labels[:, None, None, None] * 60
    return ImageSet(pixels.astype(np.uint8), labels)


def batches(count: int = 50, *, seed: int = 0, shuffle: bool = True, data_seed: int = 1) -> Batches:
    return Batches(
        image_set(count, data_seed),
        batch_size=BATCH,
        device=CPU,
        mean=(0.4,),
        std=(0.3,),
        augmentations=(RandomCrop(1), RandomFlip()) if shuffle else (),
        shuffle=shuffle,
        seed=seed,
    )


def validation() -> Batches:
    return batches(30, shuffle=False, data_seed=2)


def network(seed: int = 0, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    return SimpleCNN(channels=1, image_size=8, classes=3, dropout=dropout)


def training(
    model: nn.Module, *, epochs: int = EPOCHS, seed: int = 0, rate: float = RATE, optimizer: str = "adam"
) -> Iterator[Event]:
    data = batches(seed=seed)
    schedule = make_schedule("cosine", peak=rate, steps=epochs * len(data))
    return loop.train(model, data, validation(), make_optimizer(optimizer, model, rate), schedule, epochs=epochs)


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports after every step instead of four times a second."""
    monkeypatch.setattr(loop, "REPORT_SECONDS", -1.0)


def state(model: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def by_hand(model: nn.Module) -> tuple[list[float], list[float], list[int]]:
    """The same training written out: same batches, cosine schedule, torch's unfused Adam. Loss, accuracy, batch size by step."""
    data = batches()
    steps, step = EPOCHS * math.ceil(50 / BATCH), 0
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.999), eps=1e-8, fused=False, foreach=False)
    losses, accuracies, sizes = [], [], []
    for _ in range(EPOCHS):
        for images, labels in data:
            optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))  # under 50 steps: no warm-up
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
    schedule = make_schedule("cosine", peak=RATE, steps=EPOCHS * 4)
    rates = [event.learning_rate for event in training(network()) if isinstance(event, Steps)]
    assert rates == [schedule(step) for step in range(12)]


@pytest.mark.parametrize("seconds", [-1.0, 1000.0])
def test_steps_are_numbered_from_one_without_a_gap(monkeypatch: pytest.MonkeyPatch, seconds: float):
    monkeypatch.setattr(loop, "REPORT_SECONDS", seconds)
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


def test_the_network_learns_what_can_be_learned():
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


def test_dropout_is_on_while_training_and_off_while_validating():
    modes: list[tuple[int, bool]] = []
    model = network(dropout=0.5).eval()  # however it comes
    model.register_forward_hook(lambda module, inputs, output: modes.append((len(output), module.training)))
    for _ in training(model, epochs=2):
        pass
    one_epoch = [(16, True), (16, True), (16, True), (2, True), (16, False), (14, False)]
    assert modes == one_epoch * 2


def test_a_loss_that_is_no_number_ends_training_with_a_sentence_that_names_the_step():
    model = network()
    with torch.no_grad():
        next(model.parameters()).fill_(math.inf)
    with pytest.raises(DivergedError, match="at step 1: training diverged. Choose a lower learning rate") as problem:
        list(training(model))
    assert is_a_sentence(problem.value)


def test_a_learning_rate_far_too_high_is_noticed():
    with pytest.raises(DivergedError):
        list(training(network(), optimizer="sgd", rate=10, epochs=200))


def test_a_validation_loss_that_is_no_number_is_noticed_too():
    model, data = network(), batches(12)  # one step an epoch: its loss is fine, and the weights after it are not
    optimizer = make_optimizer("sgd", model, 1e38)
    with pytest.raises(DivergedError):
        list(loop.train(model, data, validation(), optimizer, Constant(1e38), epochs=1))


def test_closing_the_generator_within_an_epoch_leaves_a_model_that_has_learned_so_far(every_step: None):
    model = network()
    before = state(model)
    with contextlib.closing(training(model)) as events:
        assert next(events).step == 1 and next(events).step == 2
    assert all(not torch.equal(old, new) for old, new in zip(before, state(model), strict=True))
    assert all(bool(value.isfinite().all()) for value in state(model))
    assert list(events) == []


def test_nothing_is_trained_until_events_are_asked_for(every_step: None):
    model = network()
    before = state(model)
    events = training(model)
    assert all(torch.equal(old, new) for old, new in zip(before, state(model), strict=True))
    next(events)
    after_one = state(model)
    assert all(torch.equal(old, new) for old, new in zip(after_one, state(model), strict=True))
    assert not all(torch.equal(old, new) for old, new in zip(before, after_one, strict=True))
