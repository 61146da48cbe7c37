"""Curves of one class against the rest, with the area below them, against scikit-learn, also with ties and missing classes."""

import numpy as np
import pytest
import scipy.special
from sklearn import metrics as sk

from cnn_core.data.source import finish
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.threshold_curves import (
    ClassAreas,
    class_thresholds,
    compute_class_areas,
    count_at_thresholds,
    select_points,
)
from tests.helpers import drain


def random_evaluation(seed: int, classes: int, *, missing: int | None = None) -> Evaluation:
    """Every second one with many ties, also inside a class's column; `missing`: a class without images."""
    rng = np.random.default_rng(seed)
    count = 30 * classes
    logits = rng.integers(0, 3, (count, classes)) if seed % 2 else 2 * rng.standard_normal((count, classes))
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    if missing is not None:
        labels[labels == missing] = (missing + 1) % classes
    return Evaluation(tuple(map(str, range(classes))), logits.astype(np.float32), labels)


@pytest.mark.parametrize("seed", range(20))
def test_curves_and_the_areas_below_them_equal_scikit_learns(seed: int):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 400))
    probability = rng.random(count) if seed % 2 else rng.integers(0, 8, count) / 8
    is_class = rng.random(count) < probability
    is_class[:2] = True, False
    mine = count_at_thresholds(is_class, probability)
    precision, recall, at = sk.precision_recall_curve(is_class, probability)
    np.testing.assert_allclose(mine.precision[::-1], precision[:-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(mine.recall[::-1], recall[:-1], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(mine.thresholds[::-1], at)
    false_positive, true_positive, at = sk.roc_curve(is_class, probability, drop_intermediate=False)
    np.testing.assert_allclose(mine.false_positive_rate, false_positive[1:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(mine.recall, true_positive[1:], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(mine.thresholds, at[1:])
    assert mine.average_precision == pytest.approx(sk.average_precision_score(is_class, probability), abs=1e-9)
    assert mine.roc_auc == pytest.approx(sk.roc_auc_score(is_class, probability), abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [3, 7])
def test_the_areas_of_all_classes_and_their_means_equal_scikit_learns(seed: int, classes: int):
    evaluation = random_evaluation(seed, classes).with_temperature(1.7)
    labels = evaluation.labels
    shares = np.stack([evaluation.class_probability(label) for label in range(classes)], 1)
    np.testing.assert_allclose(shares, scipy.special.softmax(evaluation.logits.astype(np.float64) / 1.7, 1), rtol=0, atol=1e-12)
    areas = finish(compute_class_areas(evaluation))
    is_class = labels[:, None] == np.arange(classes)
    np.testing.assert_allclose(
        areas.average_precision, sk.average_precision_score(is_class, shares, average=None), rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(areas.roc_auc, sk.roc_auc_score(is_class, shares, average=None), rtol=0, atol=1e-9)
    for average, means in (("macro", areas.macro()), ("weighted", areas.weighted(np.bincount(labels, minlength=classes)))):
        expected = (
            sk.average_precision_score(is_class, shares, average=average),
            sk.roc_auc_score(is_class, shares, average=average),
        )
        np.testing.assert_allclose(means, expected, rtol=0, atol=1e-9)


def test_a_class_without_images_has_no_area_and_is_left_out_of_the_means():
    evaluation = random_evaluation(0, 4, missing=2)
    areas = finish(compute_class_areas(evaluation))
    for values, mean in ((areas.average_precision, areas.macro()[0]), (areas.roc_auc, areas.macro()[1])):
        assert np.isnan(values).tolist() == [False, False, True, False]
        assert mean == pytest.approx(np.delete(values, 2).mean())
    weights = np.bincount(evaluation.labels, minlength=4)
    assert areas.weighted(weights)[1] == pytest.approx(np.average(areas.roc_auc[[0, 1, 3]], weights=weights[[0, 1, 3]]))


def test_a_single_class_has_recall_but_no_curve():
    curve = count_at_thresholds(np.ones(3, bool), np.array([0.2, 0.5, 0.9]))
    assert curve.average_precision == 1 and np.isnan(curve.roc_auc)
    assert np.isnan(curve.false_positive_rate).all()


def test_without_images_and_of_a_network_that_diverged_there_is_no_curve_and_no_area():
    diverged = Evaluation(("a", "b"), np.full((4, 2), np.nan, np.float32), np.array([0, 1, 0, 1]))
    for curve in (count_at_thresholds(np.zeros(0, bool), np.zeros(0)), class_thresholds(diverged, 0)):
        assert len(curve.thresholds) == len(curve.precision) == len(curve.recall) == 0
        assert np.isnan(curve.average_precision) and np.isnan(curve.roc_auc)
    assert np.isnan(ClassAreas(np.full(2, np.nan), np.full(2, np.nan)).macro()).all()


def test_the_areas_are_watched_class_by_class():
    seen, _ = drain(compute_class_areas(random_evaluation(1, 5)))
    assert [(stage.done, stage.total) for stage in seen] == [(label, 5) for label in range(5)]


@pytest.mark.parametrize("count", [1, 3, 400, 401, 5000])
def test_a_long_curve_is_drawn_with_few_points_that_lie_on_it_and_near_all_of_it(count: int):
    rng = np.random.default_rng(count)
    across, up = (np.sort(rng.random(count)) ** power for power in (1, 5))
    selected = select_points(across, up, 400)
    assert len(selected) <= 400 and selected[0] == 0 and selected[-1] == count - 1 and (np.diff(selected) > 0).all()
    gaps = np.abs(np.diff(across[selected])) + np.abs(np.diff(up[selected]))
    largest = (np.abs(np.diff(across)) + np.abs(np.diff(up))).max(initial=0)
    assert (gaps <= 2 / 399 + largest + 1e-12).all()
