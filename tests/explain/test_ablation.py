"""Filter result, against a network whose weights of the channel were set to zero, and against arithmetic."""

import copy

import numpy as np
import pytest
import torch

from cnn_core.explain.ablation import Ablation, compute_sample_logits, measure_ablation
from cnn_core.metrics.sampling import spread_over_classes
from cnn_core.models.hooks import conv_layers
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import average_with_flipped
from tests.explain.nets import CLASSES, Unchanged, network
from tests.explain.test_feature_maps import card_of, random_image_set
from tests.helpers import drain


def without_weights(model, layer, channels):
    """A copy in which the channels' weights and biases are zero."""
    other = copy.deepcopy(model)
    convolution = other.get_submodule(layer)
    with torch.no_grad():
        convolution.weight[channels] = 0
        if convolution.bias is not None:
            convolution.bias[channels] = 0
    return other


@pytest.mark.parametrize(("family", "mirrored"), [*((name, False) for name in FAMILIES), ("simple", True), ("resnet20", True)])
def test_a_channel_switched_off_is_a_channel_without_weights(family, mirrored):
    model, images, card = network(family), random_image_set(6), card_of(family)
    if mirrored:
        model.register_forward_hook(average_with_flipped)
    names = list(conv_layers(model))
    for layer, channels in ((names[0], [3]), (names[-1], [0, 2, 5])):
        with Unchanged(model):
            _, result = drain(measure_ablation(model, card, images, layer, channels))
        _, expected = drain(compute_sample_logits(without_weights(model, layer, channels), card, images, "reference"))
        np.testing.assert_allclose(result.after, expected, atol=1e-4)
        assert np.abs(result.before - result.after).max() > 1e-6
    _, untouched = drain(compute_sample_logits(model, card, images, "reference"))
    np.testing.assert_array_equal(result.before, untouched)


def test_what_is_known_of_the_untouched_network_is_not_computed_again():
    model, images, card = network("simple"), random_image_set(60), card_of()
    _, first = drain(measure_ablation(model, card, images, "features.0.0", [0]))
    marked = first.before + 1
    _, second = drain(measure_ablation(model, card, images, "features.0.0", [0], marked))
    assert second.before is marked
    np.testing.assert_array_equal(second.after, first.after)


def test_changes_are_counted_by_class():
    logits = np.eye(3, dtype=np.float32)
    labels = np.array([0, 0, 0, 1, 1])
    result = Ablation(labels, before=logits[[0, 0, 1, 1, 0]], after=logits[[0, 2, 0, 1, 1]])
    assert result.changed.tolist() == [1, 2, 4]
    assert (result.accuracy_before, result.accuracy_after) == (3 / 5, 4 / 5)
    np.testing.assert_allclose(result.class_before, [2 / 3, 1 / 2, np.nan])
    np.testing.assert_allclose(result.class_after, [2 / 3, 1, np.nan])
    np.testing.assert_allclose(result.class_change, [0, 1 / 2, np.nan])
    assert result.predicted_before.tolist() == [0, 0, 1, 1, 0] and result.predicted_after.tolist() == [0, 2, 0, 1, 1]


def test_a_cancelled_or_failed_operation_leaves_the_model_as_it_was(monkeypatch):
    model, images, card = network("simple"), random_image_set(200), card_of()
    monkeypatch.setattr("cnn_core.inference.logits.REPORT_SECONDS", -1.0)  # a report after every batch
    with Unchanged(model):
        steps = measure_ablation(model, card, images, "features.0.0", [0])
        stages = [next(steps).stage for _ in range(6)]
        assert stages[0] != stages[-1], "it is cancelled in the midst of the second part"
        steps.close()
    with Unchanged(model), pytest.raises(RuntimeError):
        drain(measure_ablation(model, card, random_image_set(10, side=16), "features.0.0", [0]))
    with Unchanged(model), pytest.raises(IndexError):
        drain(measure_ablation(model, card, images, "features.0.0", [10_000]))


def test_a_sample_has_as_many_of_every_class_as_it_can():
    labels = np.repeat([0, 1, 2, 3], [1000, 7, 0, 300])
    np.random.default_rng(0).shuffle(labels)
    chosen = spread_over_classes(labels, 107)
    assert np.bincount(labels[chosen], minlength=4).tolist() == [50, 7, 0, 50]
    assert (np.diff(chosen) > 0).all()
    assert spread_over_classes(labels, 5000).tolist() == list(range(1307))


def test_a_sample_is_spread_over_the_set():
    chosen = spread_over_classes(np.zeros(1000, np.int64), 100)
    assert np.diff(chosen).max() <= 20 and chosen.min() < 20 and chosen.max() > 980


@pytest.mark.parametrize("limit", [1, 3, CLASSES])
def test_a_sample_smaller_than_the_classes_has_different_ones(limit):
    labels = np.arange(40) % CLASSES
    assert len(set(labels[spread_over_classes(labels, limit)])) == limit
