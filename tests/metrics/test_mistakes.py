"""Which images are worth a look: every ordering against the numbers it promises to follow."""

import time

import numpy as np
import pytest
import scipy.special

from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.mistakes import ORDERINGS, highest_loss, lowest_loss, most_confidently_wrong, smallest_margin


def random_evaluation(seed: int = 0, count: int = 300, classes: int = 6) -> Evaluation:
    rng = np.random.default_rng(seed)
    return Evaluation(tuple("abcdef"), rng.normal(0, 2, (count, classes)).astype(np.float32), rng.integers(0, classes, count))


def shares_of(evaluation: Evaluation) -> np.ndarray:
    return scipy.special.softmax(evaluation.logits.astype(np.float64), 1)


@pytest.mark.parametrize("among", [None, np.arange(3, 250, 7)], ids=["all", "some"])
@pytest.mark.parametrize("seed", range(3))
def test_orderings_follow_the_probabilities(seed: int, among: np.ndarray | None):
    evaluation = random_evaluation(seed)
    shares, chosen = shares_of(evaluation), range(300) if among is None else among.tolist()
    truth = shares[np.arange(300), evaluation.labels]
    top = np.sort(shares, 1)
    wrong = [index for index in chosen if shares[index].argmax() != evaluation.labels[index]]
    assert highest_loss(evaluation, among).tolist() == sorted(chosen, key=lambda index: truth[index])
    assert lowest_loss(evaluation, among).tolist() == sorted(chosen, key=lambda index: -truth[index])
    assert most_confidently_wrong(evaluation, among).tolist() == sorted(wrong, key=lambda index: -top[index, -1])
    assert smallest_margin(evaluation, among).tolist() == sorted(chosen, key=lambda index: top[index, -1] - top[index, -2])
    assert 0 < len(wrong) < len(chosen)


def test_images_that_are_alike_stay_in_their_order():
    evaluation = Evaluation(("a", "b"), np.zeros((5, 2), np.float32), np.array([0, 1, 0, 1, 0]))
    assert [order(evaluation, None).tolist() for order in (highest_loss, lowest_loss, smallest_margin)] == [[0, 1, 2, 3, 4]] * 3
    assert most_confidently_wrong(evaluation).tolist() == [1, 3]


def test_a_hundred_thousand_images_of_a_thousand_classes_are_ordered_from_numbers_per_image():
    few = random_evaluation(count=100_000)
    assert len(few.scores.loss) == 100_000
    object.__setattr__(few, "logits", None)  # what a file of 400 MB would have to be read for
    begun = time.process_time()
    orders = {name: order(few, None) for name, order in ORDERINGS.items()}
    assert time.process_time() - begun < 2
    assert np.array_equal(orders["lowest loss"][:5], np.argsort(few.scores.loss)[:5])
