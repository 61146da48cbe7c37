"""The training loop against the same training written out by hand, and what its events promise."""

import contextlib
import io
import math
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cnn_core.config.defaults import make_config
from cnn_core.data.augmentation import RandomCrop, RandomFlip
from cnn_core.data.batches import Batches
from cnn_core.data.mixing import MixUp
from cnn_core.data.source import ImageSet
from cnn_core.device import Arithmetic
from cnn_core.errors import DivergedError
from cnn_core.events import Epoch, Note, Steps
from cnn_core.models.simple import SimpleCNN
from cnn_core.training import meter
from cnn_core.training.loop import Report, Trainer
from cnn_core.training.meter import Meter
from cnn_core.training.optimizer import make_optimizer
from cnn_core.training.schedule import Constant, WarmUp, make_schedule
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


def trainer(
    model: nn.Module,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    rate: float = RATE,
    optimizer: str = "adam",
    schedule: str = "cosine",
    data: Batches | None = None,
    dtype: torch.dtype = torch.float32,
    **chosen: Any,
) -> Trainer:
    data = data or batches(seed=seed)
    config = make_config(epochs=epochs, learning_rate=rate, optimizer=optimizer, schedule=schedule, warmup=0, weight_decay=0)
    return Trainer(
        model=model,
        batches=data,
        validation=validation(),
        optimizer=make_optimizer(config, model),
        schedule=make_schedule(config, len(data)),
        arithmetic=Arithmetic(CPU, dtype),
        epochs=epochs,
        seed=seed,
        **chosen,
    )


def training(model: nn.Module, **chosen: Any) -> Iterator[Report]:
    return iter(trainer(model, **chosen))


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports after every step instead of four times a second."""
    monkeypatch.setattr(meter, "REPORT_SECONDS", -1.0)


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
        list(training(network(), optimizer="sgd", schedule="constant", rate=10, epochs=200))


def test_a_validation_loss_that_is_no_number_is_noticed_too():
    one_step = trainer(network(), data=batches(12))  # its loss is fine, and the weights after it are not
    one_step.schedule, one_step.optimizer = WarmUp(Constant(1e38)), make_optimizer(make_config(optimizer="sgd"), one_step.model)
    with pytest.raises(DivergedError, match="The validation loss became"):
        list(one_step)


def test_a_loss_that_is_no_number_is_noticed_within_one_report_and_told_with_the_remedy(every_step: None):
    model = network()
    spoil = Meter(remedy="Choose a learning rate below 7, and start again.")
    seen = []
    with pytest.raises(DivergedError, match="at step 6: .* below 7, and start again") as problem:
        for event in training(model, meter=spoil):
            seen.append(event)
            if isinstance(event, Steps) and event.step == 5:
                with torch.no_grad():
                    next(model.parameters()).fill_(math.nan)
    assert [event.step for event in seen if isinstance(event, Steps)] == [1, 2, 3, 4, 5] and is_a_sentence(problem.value)


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


def losses(events: Iterator[Report]) -> list[float]:
    return [loss for event in events if isinstance(event, Steps) for loss in event.loss]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_label_smoothing_is_torchs(share: float):
    model = network()
    with torch.no_grad():
        expected = [nn.functional.cross_entropy(model(x), y, label_smoothing=share).item() for x, y in batches()]
    assert losses(training(model, rate=1e-10, epochs=1, label_smoothing=share)) == pytest.approx(expected, rel=1e-4)


def test_smoothed_labels_are_not_validated_with():
    model = network()
    (epoch,) = [e for e in training(model, rate=1e-10, epochs=1, label_smoothing=0.5) if isinstance(e, Epoch)]
    images, labels = (torch.cat(parts) for parts in zip(*validation(), strict=True))
    with torch.no_grad():
        assert epoch.val_loss == pytest.approx(nn.functional.cross_entropy(model(images), labels).item(), rel=1e-4)


def slope(model: nn.Module) -> float:
    return math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters()))


def test_a_slope_longer_than_the_largest_norm_is_shortened_to_it_and_a_shorter_one_left(every_step: None):
    model = network()
    free = [slope(model) for event in training(model, rate=1e-10) if isinstance(event, Steps)]
    limit = sorted(free)[len(free) // 2]
    model = network()
    clipped = [slope(model) for event in training(model, rate=1e-10, clip_norm=limit) if isinstance(event, Steps)]
    assert clipped == pytest.approx([min(norm, limit) for norm in free], rel=1e-3)
    assert min(clipped) < limit * 0.999 < max(free)


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_averaged_weights_are_the_running_mean_and_are_what_is_validated(every_step: None, decay: float):
    model = SimpleCNN(channels=1, image_size=8, classes=3, batch_norm=True)
    averaging, means, checked = trainer(model, ema=decay), [], 0
    for event in averaging:
        if isinstance(event, Steps):
            weights = [value.double().clone() for value in model.state_dict().values() if value.is_floating_point()]
            means = [decay * mean + (1 - decay) * value for mean, value in zip(means or weights, weights, strict=True)]
        if isinstance(event, Epoch):
            kept = [value for value in averaging.measured.state_dict().values() if value.is_floating_point()]
            for mean, value in zip(means, kept, strict=True):
                torch.testing.assert_close(value.double(), mean, rtol=1e-4, atol=1e-6)
            images, labels = (torch.cat(parts) for parts in zip(*validation(), strict=True))
            with torch.no_grad():
                logits = averaging.measured.eval()(images)
            assert event.val_loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), rel=1e-4)
            checked += 1
    assert checked == EPOCHS and not torch.equal(averaging.measured.features[0][0].weight, model.features[0][0].weight)


def test_without_averaging_the_network_itself_is_measured():
    model = network()
    assert trainer(model).measured is model


def test_training_stops_after_so_many_epochs_without_a_better_one_and_says_so():
    events = list(training(network(), rate=1e-12, epochs=20, patience=3))  # nothing moves: the first epoch stays the best
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [(epoch.is_best, epoch.waited) for epoch in epochs] == [(True, 0), (False, 1), (False, 2), (False, 3)]
    assert isinstance(events[-1], Note) and "Stopped early after epoch 4: 3 epochs" in events[-1].text
    assert is_a_sentence(events[-1].text)


def test_epochs_waited_are_counted_from_the_best_one_and_stop_nothing_unless_asked():
    epochs = [e for e in training(network(), epochs=12, rate=0.03) if isinstance(e, Epoch)]
    best = 0
    for epoch in epochs:
        best = epoch.epoch if epoch.is_best else best
        assert epoch.waited == epoch.epoch - best
    assert len(epochs) == 12 and max(epoch.waited for epoch in epochs) > 0


def test_the_last_epoch_needs_no_early_stop():
    events = list(training(network(), rate=1e-12, epochs=4, patience=3))
    assert sum(isinstance(event, Epoch) for event in events) == 4 and not any(isinstance(event, Note) for event in events)


def test_training_that_stopped_early_stays_stopped_when_it_goes_on():
    stopped = trainer(network(), rate=1e-12, epochs=20, patience=3)
    for event in stopped:
        if isinstance(event, Epoch) and event.waited == 3:
            break
    resumed = trainer(network(), rate=1e-12, epochs=20, patience=3)
    resumed.load_state_dict(stopped.state_dict())
    assert [type(event) for event in resumed] == [Note]


def test_shared_targets_are_learned_from_and_an_image_is_right_where_its_larger_share_is_named():
    mixed = batches()
    mixed.mix = MixUp(1.0, 3)
    model = network()
    copies = batches()
    copies.mix = MixUp(1.0, 3)
    expected = []
    with torch.no_grad():
        for images, targets in copies:
            logits = model(images)
            loss = -(targets * logits.log_softmax(1)).sum(1).mean().item()
            expected.append((loss, (logits.argmax(1) == targets.argmax(1)).double().mean().item()))
    reports = [event for event in training(model, data=mixed, rate=1e-10, epochs=1) if isinstance(event, Steps)]
    seen = [pair for event in reports for pair in zip(event.loss, event.accuracy, strict=True)]
    assert seen == [(pytest.approx(loss, rel=1e-4), pytest.approx(share, abs=1e-6)) for loss, share in expected]


def test_dropout_draws_the_same_whatever_others_draw_between_two_steps(every_step: None):
    undisturbed, disturbed = network(dropout=0.5), network(dropout=0.5)
    for _ in training(undisturbed):
        pass
    for event in training(disturbed):
        thread = threading.Thread(target=torch.rand, args=(event.step * 7,))  # from the one generator that all threads share
        thread.start()
        thread.join()
    assert all(torch.equal(one, two) for one, two in zip(state(undisturbed), state(disturbed), strict=True))


def test_dropout_is_another_one_in_every_step_and_with_every_seed():
    def drawn(seed: int) -> list[torch.Tensor]:
        model, kept = network(dropout=0.5), []
        model.classifier[3].register_forward_hook(lambda module, given, out: kept.append(out == 0) if module.training else None)
        for _ in training(model, seed=seed, epochs=1, rate=1e-10):
            pass
        return kept[:3]

    one, again, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one[0], one[1]) and not torch.equal(one[0], other[0])


def test_bfloat16_trains_too_with_weights_that_stay_float32():
    model = network()
    epochs = [event for event in training(model, epochs=15, dtype=torch.bfloat16) if isinstance(event, Epoch)]
    assert epochs[-1].val_accuracy > 0.9 and all(value.dtype == torch.float32 for value in model.state_dict().values())
    one, other = (losses(training(network(), epochs=1, rate=1e-10, dtype=dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert one == pytest.approx(other, rel=0.01) and one != other


@pytest.mark.parametrize(
    "chosen", [{}, {"ema": 0.8, "optimizer": "muon"}, {"schedule": "plateau", "optimizer": "sgd", "clip_norm": 0.5}]
)
def test_a_trainers_state_taken_at_any_event_goes_on_to_the_same_end(every_step: None, chosen: dict[str, Any]):
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
        assert all(torch.equal(one, two) for one, two in zip(state(whole.measured), state(resumed.measured), strict=True))
        assert (resumed.best, resumed.waited) == (whole.best, whole.waited)


def without_times(event: Report) -> dict[str, Any]:
    return {
        name: value
        for name, value in asdict(event).items()
        if name not in ("train_seconds", "seconds", "at", "images_per_second", "memory", "load")
    }
