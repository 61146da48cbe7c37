"""Batch-norm statistics that have not settled are replaced for validation; the training itself stays the same to the bit."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from cnn_core.data.batches import Batches
from cnn_core.device import Arithmetic
from cnn_core.events import Epoch
from cnn_core.inference.logits import compute_logits
from cnn_core.models.checkpoint import validated_weights
from cnn_core.models.torchvision_nets import mobilenet
from cnn_core.training import loop
from cnn_core.training.batch_norm import (
    MAX_IMAGES,
    estimate_statistics,
    initial_weight,
    shrinkage,
    statistics_of,
    with_settled_statistics,
)
from cnn_core.training.loop import Trainer
from tests.helpers import drain
from tests.training.small_training import CPU, batches, image_set, network, trainer
from tests.training.small_training import state as state_of

FLOAT32 = Arithmetic(CPU)


def deep_network(norms: int = 6, momentum: float = 0.1) -> nn.Module:
    """A deep network with small weights, whose activations have variances far below 1."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs in (1, *[8] * (norms - 1)):
        convolution = nn.Conv2d(inputs, 8, 3, padding=1, bias=False)
        convolution.weight.data *= 0.03
        layers += [convolution, nn.BatchNorm2d(8, momentum=momentum), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def epochs_of(training: Trainer) -> list[Epoch]:
    return [event for event in training if isinstance(event, Epoch)]


def without_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "with_settled_statistics", lambda *_, **__: None)


def test_a_short_training_of_a_deep_network_is_validated_with_what_it_has_learned(monkeypatch: pytest.MonkeyPatch):
    mended, plain = trainer(deep_network()), trainer(deep_network())
    good = epochs_of(mended)
    without_the_mend(monkeypatch)
    bad = epochs_of(plain)
    assert bad[-1].train_accuracy == good[-1].train_accuracy > 0.8 and good[-1].val_accuracy > 0.8
    assert bad[-1].val_accuracy < 0.5, "the fault itself: without the mend most is lost"
    assert all(torch.equal(one, two) for one, two in zip(state_of(mended.model), state_of(plain.model), strict=True))


def test_estimated_statistics_are_those_that_torch_computes():
    model, images = deep_network(), [images for images, _ in batches(60).sample(MAX_IMAGES)]
    reference = copy.deepcopy(model)
    update_bn(images, reference)
    estimate_statistics(model, images, FLOAT32)
    theirs = statistics_of(reference)
    assert theirs and all(torch.allclose(value, theirs[name], atol=1e-6) for name, value in statistics_of(model).items())
    assert not model.training and {norm.momentum for norm in model.modules() if isinstance(norm, nn.BatchNorm2d)} == {0.1}


def test_an_estimate_draws_no_random_number_and_leaves_the_model_alone():
    model = mobilenet(channels=1, image_size=16, classes=3)  # with dropout
    for images, _ in batches():
        model.train()(images)
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    settled = with_settled_statistics(model, len(batches()), batches(), FLOAT32)
    assert settled and settled is not model and torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_settled_statistics_and_networks_without_batch_norm_are_left_as_they_are():
    model = deep_network()
    assert with_settled_statistics(model, 1000, batches(), FLOAT32) is None
    assert shrinkage(network(), 1) == shrinkage(model, 1000) == 1
    training = trainer(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    drain(iter(training))
    assert training.validated_model is training.model and training.state_dict()["statistics"] is None


def test_the_statistics_of_pretrained_weights_are_left_as_they_are():
    pretrained = trainer(deep_network(), starts_untrained=False)
    drain(iter(pretrained))
    assert pretrained.validated_model is pretrained.model


@pytest.mark.parametrize(("momentum", "decay"), [(0.1, 0.0), (0.01, 0.0), (0.1, 0.9), (0.1, 0.99)])
def test_the_weight_of_the_initial_values_is_that_in_torchs_running_statistics(momentum: float, decay: float):
    norm = nn.BatchNorm2d(1, momentum=momentum)
    average = AveragedModel(norm, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    for step in range(1, 30):
        norm.train()(torch.zeros(2, 1, 4, 4))  # a variance of 0: only the initial 1 is left
        average.update_parameters(norm)
        left = average.module.running_var if decay else norm.running_var
        assert initial_weight(step, momentum, decay) == pytest.approx(left.item(), rel=1e-3)


def test_shrinkage_is_the_factor_by_which_outputs_are_too_small():
    model = nn.Sequential(nn.BatchNorm2d(1, affine=False))
    images = 0.1 * torch.randn(512, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(20):
        model.train()(images)
    factor = model.train()(images).std() / model.eval()(images).std()
    assert factor > 2 and shrinkage(model, 21) == pytest.approx(factor.item(), rel=0.01)


def test_a_state_holds_what_was_validated_and_goes_on_to_the_same_end():
    whole, parts = trainer(deep_network()), trainer(deep_network())
    drain(iter(whole))
    first = next(event for event in parts if isinstance(event, Epoch))
    state = copy.deepcopy(parts.state_dict())
    model = deep_network()
    model.load_state_dict(validated_weights(state))
    logits = drain(compute_logits(model, parts.validation, ""))[1]
    assert (logits.argmax(1) == parts.validation.labels).float().mean().item() == first.val_accuracy
    resumed = trainer(deep_network())
    resumed.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(state_of(resumed.validated_model), state_of(parts.validated_model), strict=True))
    drain(iter(resumed))
    assert resumed.best == whole.best
    assert all(torch.equal(a, b) for a, b in zip(state_of(resumed.validated_model), state_of(whole.validated_model), strict=True))


def test_a_sample_mixes_the_whole_set_in_every_batch_and_leaves_the_epoch_alone():
    data, same = batches(50), batches(50)
    seen = list(data.sample(40))
    assert sum(len(labels) for _, labels in seen) == 40 and len(seen) == 1 and set(seen[0][1].tolist()) == {0, 1, 2}
    assert [len(labels) for _, labels in batches(200).sample(MAX_IMAGES)] == [34, 34, 33, 33, 33, 33]
    for (images, labels), (others, other_labels) in zip(data, same, strict=True):
        assert torch.equal(images, others) and torch.equal(labels, other_labels)
    streamed = Batches(image_set(50, 1), batch_size=16, device=CPU, mean=(0.4,), std=(0.3,), resident=False)
    assert torch.equal(next(streamed.sample(40))[0], seen[0][0])
