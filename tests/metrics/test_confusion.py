"""Reading a confusion matrix: pairs, orders, small matrices of large ones, and the images behind a cell."""

import itertools

import numpy as np
import pytest

from cnn_core.metrics.confusion import confused_pairs, find_cell_images, merge_classes, most_confused_classes, order_by_confusion
from cnn_core.metrics.evaluation import Evaluation

# cat and dog are mixed up most, dog and wolf next; car and bus only with each other.
ANIMALS = np.array(
    [
        [50, 0, 3, 0, 0],
        [0, 40, 0, 6, 4],
        [2, 0, 45, 0, 0],
        [0, 9, 0, 38, 0],
        [0, 1, 0, 0, 30],
    ]
)
CAR, DOG, BUS, CAT, WOLF = range(5)


def random_confusion(seed: int, classes: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, (classes, classes))


def test_pairs_are_listed_by_confusion_with_their_fraction_of_the_true_class():
    pairs = confused_pairs(ANIMALS)
    listed = list(zip(pairs.true, pairs.predicted, pairs.count, strict=True))
    assert listed[:4] == [(CAT, DOG, 9), (DOG, CAT, 6), (DOG, WOLF, 4), (CAR, BUS, 3)]
    assert pairs.fraction[:2].tolist() == [9 / 47, 6 / 50]
    assert confused_pairs(ANIMALS, 2).count.tolist() == [9, 6]


@pytest.mark.parametrize("seed", range(5))
def test_the_pairs_hold_every_mistake_once(seed: int):
    confusion = random_confusion(seed, 7)
    pairs = confused_pairs(confusion)
    expected = {(t, p): confusion[t, p] for t, p in itertools.permutations(range(7), 2) if confusion[t, p]}
    assert dict(zip(zip(pairs.true, pairs.predicted, strict=True), pairs.count, strict=True)) == expected
    assert (np.diff(pairs.count) <= 0).all()


def test_a_network_that_is_always_right_confuses_no_pair():
    assert len(confused_pairs(np.diag([4, 5, 0])).count) == 0
    assert order_by_confusion(np.diag([4, 5, 0])).tolist() == most_confused_classes(np.diag([4, 5, 0]), 9).tolist() == [0, 1, 2]


def test_sorted_by_confusion_the_most_confused_classes_are_first_and_side_by_side():
    assert order_by_confusion(ANIMALS).tolist() == [CAT, DOG, WOLF, CAR, BUS]
    assert most_confused_classes(ANIMALS, 3).tolist() == [CAT, DOG, WOLF]


@pytest.mark.parametrize("classes", [1, 2, 3, 12])
def test_an_order_holds_every_class_once(classes: int):
    for order in (order_by_confusion(random_confusion(0, classes)), most_confused_classes(random_confusion(0, classes), classes)):
        assert sorted(order.tolist()) == list(range(classes))


@pytest.mark.parametrize("chosen", [[3, 1], [0], [], [4, 2, 0, 1, 3]])
def test_a_small_matrix_of_a_large_one_adds_up_to_the_same(chosen: list[int]):
    confusion = random_confusion(3, 5)
    small = merge_classes(confusion, np.array(chosen, np.int64))
    others = [label for label in range(5) if label not in chosen]
    groups = [[label] for label in chosen] + ([others] if others else [])
    assert small.tolist() == [[confusion[np.ix_(true, predictions)].sum() for predictions in groups] for true in groups]
    assert small.sum() == confusion.sum()


def test_the_images_of_a_cell_are_those_of_its_classes_the_surest_first():
    rng = np.random.default_rng(0)
    evaluation = Evaluation(tuple("abcd"), rng.standard_normal((300, 4)).astype(np.float32), rng.integers(0, 4, 300))
    predictions = evaluation.logits.argmax(1)
    for true, predicted in (([0], [1]), ([2], [2]), ([0, 3], [1, 2]), ([1], []), ([0, 1, 2, 3], [0, 1, 2, 3])):
        found = find_cell_images(evaluation, np.array(true, np.int64), np.array(predicted, np.int64))
        expected = [i for i in range(300) if evaluation.labels[i] in true and predictions[i] in predicted]
        assert sorted(found.tolist()) == expected
        assert (np.diff(evaluation.probabilities(found).max(1, initial=0)) <= 1e-12).all()
        assert len(found) == evaluation.confusion[np.ix_(true, predicted)].sum()
