"""Options of the training loop: label smoothing, clipping, averaged weights, early stopping, mixed targets, dropout."""

import math
import threading

import pytest
import torch
from torch import nn

from cnn_core.data.mixing import MixUp
from cnn_core.events import Epoch, Note, Steps
from cnn_core.models.simple import SimpleCNN
from cnn_core.text import counted
from cnn_core.training.loop import STOPPED_EARLY
from tests.helpers import is_a_sentence
from tests.training.small_training import EPOCHS, batches, losses, network, state, trainer, training, validation


def test_dropout_is_on_while_training_and_off_while_validating():
    modes: list[tuple[int, bool]] = []
    model = network(dropout=0.5).eval()  # however it comes
    model.register_forward_hook(lambda module, inputs, output: modes.append((len(output), module.training)))
    for _ in training(model, epochs=2):
        pass
    one_epoch = [(16, True), (16, True), (16, True), (2, True), (16, False), (14, False)]
    assert modes == one_epoch * 2


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


def test_a_gradient_longer_than_the_largest_norm_is_shortened_to_it_and_a_shorter_one_left(every_step: None):
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
            averages = [value for value in averaging.state_dict()["average"].values() if value.is_floating_point()]
            for mean, value in zip(means, averages, strict=True):
                torch.testing.assert_close(value.double(), mean, rtol=1e-4, atol=1e-6)
            images, labels = (torch.cat(parts) for parts in zip(*validation(), strict=True))
            with torch.no_grad():
                logits = averaging.validated_model.eval()(images)
            assert event.val_loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), rel=1e-4)
            checked += 1
    assert checked == EPOCHS and not torch.equal(averaging.validated_model.features[0][0].weight, model.features[0][0].weight)


def test_without_averaging_the_model_itself_is_measured():
    model = network()
    assert trainer(model).validated_model is model


def test_training_stops_after_so_many_epochs_without_a_better_one_and_says_so():
    events = list(training(network(), rate=1e-12, epochs=20, patience=3))  # nothing moves: the first epoch stays the best
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [(epoch.is_best, epoch.waited) for epoch in epochs] == [(True, 0), (False, 1), (False, 2), (False, 3)]
    assert isinstance(events[-1], Note) and events[-1].text == STOPPED_EARLY.format(epoch=4, epochs=counted(3, "epoch"))
    assert is_a_sentence(events[-1].text)


def test_epochs_waited_are_counted_from_the_best_one_and_stop_nothing_without_patience():
    epochs = [e for e in training(network(), epochs=12, rate=0.03) if isinstance(e, Epoch)]
    best = 0
    for epoch in epochs:
        best = epoch.epoch if epoch.is_best else best
        assert epoch.waited == epoch.epoch - best
    assert len(epochs) == 12 and max(epoch.waited for epoch in epochs) > 0


def test_the_last_epoch_needs_no_early_stop():
    events = list(training(network(), rate=1e-12, epochs=4, patience=3))
    assert sum(isinstance(event, Epoch) for event in events) == 4 and not any(isinstance(event, Note) for event in events)


def test_training_that_stopped_early_stays_stopped_when_it_continues():
    stopped = trainer(network(), rate=1e-12, epochs=20, patience=3)
    for event in stopped:
        if isinstance(event, Epoch) and event.waited == 3:
            break
    resumed = trainer(network(), rate=1e-12, epochs=20, patience=3)
    resumed.load_state_dict(stopped.state_dict())
    assert [type(event) for event in resumed] == [Note]


def test_shared_targets_are_learned_from_and_an_image_is_right_where_its_larger_weight_is_named():
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
        model, masks = network(dropout=0.5), []
        model.classifier[3].register_forward_hook(lambda module, given, out: masks.append(out == 0) if module.training else None)
        for _ in training(model, seed=seed, epochs=1, rate=1e-10):
            pass
        return masks[:3]

    one, again, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one[0], one[1]) and not torch.equal(one[0], other[0])
