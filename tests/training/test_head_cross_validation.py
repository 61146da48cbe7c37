"""Cross-validation of a head: each image is classified by a head that never saw it, trained as the run's own, which stays the same to the bit."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.device import choose_arithmetic
from cnn_core.training.head_cross_validation import FOLDS, MOST_IMAGES, HeadCrossValidation, cross_validate_head
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import make_trainer
from tests.helpers import drain
from tests.training.test_stages import CPU, INFO, config, images, trainer

ARITHMETIC = choose_arithmetic("float32", "off", CPU)
RATE, EPOCHS = 0.5, 40


def features() -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes of 25, 20 and 15 images that overlap: some are classified wrongly."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), (25, 20, 15))
    values = rng.normal(size=(60, 6)) + np.eye(3, 6)[labels] * 1.2
    return torch.from_numpy(values.astype(np.float32)), torch.from_numpy(labels)


def softmax_regression(
    weight: np.ndarray, bias: np.ndarray, values: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient descent on the mean cross-entropy of all images at once, by its formula."""
    for _ in range(EPOCHS):
        logits = values @ weight.T + bias
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        error = (probabilities - np.eye(3)[labels]) / len(labels)
        weight, bias = weight - RATE * error.T @ values, bias - RATE * error.sum(0)
    return weight, bias


def test_it_agrees_with_scikit_learns_folds_and_a_head_trained_by_its_formula():
    from sklearn.model_selection import StratifiedKFold

    values, labels = features()
    torch.manual_seed(1)
    head, fold_of = nn.Linear(6, 3), np.empty(60, np.int64)
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=3).split(values, labels))
    expected = np.empty(60, bool)
    for number, (training, held_out) in enumerate(folds):
        fold_of[held_out] = number
        start = (head.weight.detach().numpy().astype(float), head.bias.detach().numpy().astype(float))
        weight, bias = softmax_regression(*start, values.numpy()[training].astype(float), labels.numpy()[training])
        expected[held_out] = (values.numpy()[held_out] @ weight.T + bias).argmax(1) == labels.numpy()[held_out]
    plain = {"optimizer": "sgd", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0}
    settings = make_config(epochs=EPOCHS, batch_size=4096, learning_rate=RATE, **plain)
    logits = drain(cross_validate_head(head, values, labels, fold_of, settings, ARITHMETIC))[1]
    assert np.array_equal((logits.argmax(1) == labels).numpy(), expected) and 0.5 < expected.mean() < 1
    assert not np.array_equal(expected, (values @ head.weight.T + head.bias).argmax(1).eq(labels).numpy()), "an untrained head"


def test_labels_without_a_rule_are_predicted_no_better_than_by_chance():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 400)).astype(np.float32))
    labels = torch.arange(200) % 2  # a head with 400 weights learns all of them by heart
    fold_of = np.random.default_rng(1).permutation(np.arange(200) % FOLDS)
    settings = make_config(model="efficientnet-lite0", epochs=20, learning_rate=0.1)
    reports, logits = drain(cross_validate_head(nn.Linear(400, 2), values, labels, fold_of, settings, ARITHMETIC))
    done = [report.done for report in reports]
    assert done == sorted(done) and set(done) == set(range(FOLDS)), "the progress never goes back"
    assert 0.35 < (logits.argmax(1) == labels).float().mean() < 0.65


@pytest.mark.parametrize("has_drawn_validation", [True, False])
def test_a_runs_weights_stay_the_same_to_the_bit_and_all_of_its_training_images_are_judged(has_drawn_validation: bool):
    settings = config(train="head", dropout=0.2)
    training, alone = trainer(settings), trainer(settings)
    checked = HeadCrossValidation(training, settings, has_drawn_validation=has_drawn_validation)
    list(training)
    list(alone)
    before = copy.deepcopy(training.state_dict()["model"])
    first = drain(checked.run(settings))[1]
    assert first.logits.shape == ((36 if has_drawn_validation else 24), len(INFO.classes))
    assert (first.rows is None) == has_drawn_validation, "these validation images are in no data set"
    assert first.accuracy == pytest.approx((first.logits.argmax(1) == first.labels).sum().item() / len(first.labels))
    for name, value in alone.model.state_dict().items():
        assert torch.equal(value, before[name]) and torch.equal(value, training.model.state_dict()[name])
    resumed = trainer(settings)
    again = HeadCrossValidation(resumed, settings, has_drawn_validation=has_drawn_validation)
    resumed.load_state_dict(alone.state_dict())
    assert torch.equal(drain(again.run(settings))[1].logits, first.logits), (
        "a run that is resumed after its last epoch says the same"
    )


@pytest.mark.parametrize(
    "settings",
    [
        config(train="all"),
        config(weights="scratch"),
        config(train="head", flip="random", mirror=True),
        make_config(model="simple", batch_size=8),
    ],
)
def test_other_trainings_have_none(settings: TrainConfig):
    checked = HeadCrossValidation(trainer(settings), settings, has_drawn_validation=True)
    assert not checked.is_possible and drain(checked.run(settings)) == ([], None)


def test_it_is_made_for_few_images_only():
    def make(count: int) -> Trainer:
        return make_trainer(config(train="head"), INFO, images(count, 1), CPU, images(12, 2))[0]

    for count, is_possible in ((MOST_IMAGES - 12, True), (MOST_IMAGES - 11, False)):
        assert HeadCrossValidation(make(count), config(train="head"), has_drawn_validation=True).is_possible == is_possible
