"""Confident learning: against the paper's definitions written out plainly, arithmetic, and labels that are known to be wrong."""

import numpy as np
import pytest
import scipy.special

from cnn_core.metrics import label_errors
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.label_errors import (
    are_mostly_mistakes,
    calibrate_joint,
    expected_label_errors,
    find_label_errors,
    mean_class_probabilities,
)


def noisy_evaluation(seed: int, count: int = 400, classes: int = 5, noise: float = 0.1) -> tuple[Evaluation, np.ndarray]:
    """Logits of a network that mostly knows the true class, labels of which a share is wrong, and the true labels."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, count)
    logits = rng.normal(0, 1, (count, classes))
    logits[np.arange(count), true] += 3
    labels = true.copy()
    flipped = rng.choice(count, round(noise * count), replace=False)
    labels[flipped] = (labels[flipped] + rng.integers(1, classes, len(flipped))) % classes
    return Evaluation(tuple("abcdefgh"[:classes]), logits.astype(np.float32), labels), true


def plainly(shares: np.ndarray, labels: np.ndarray) -> tuple[list[float], np.ndarray, dict[int, int]]:
    """Thresholds, confident joint and suspects, image by image (Northcutt and others, 2021, equations 1 and 2)."""
    classes = shares.shape[1]
    thresholds = [
        float(np.mean([row[j] for row, label in zip(shares, labels, strict=True) if label == j])) for j in range(classes)
    ]
    counts, suspects = np.zeros((classes, classes), int), {}
    for index, (row, label) in enumerate(zip(shares, labels, strict=True)):
        possible = [j for j in range(classes) if row[j] >= thresholds[j]]
        if possible:
            best = max(possible, key=lambda j: row[j])
            counts[label, best] += 1
            if best != label:
                suspects[index] = best
    return thresholds, counts, suspects


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_suspects_are_those_of_the_papers_definitions(seed: int, temperature: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(label_errors, "BLOCK", 64)  # several blocks
    evaluation = noisy_evaluation(seed)[0].with_temperature(temperature)
    shares = scipy.special.softmax(evaluation.logits.astype(np.float64) / temperature, 1)
    thresholds, counts, suspects = plainly(shares, evaluation.labels)
    found = find_label_errors(evaluation)
    np.testing.assert_allclose(mean_class_probabilities(evaluation), thresholds, rtol=1e-12)
    assert dict(zip(found.indices.tolist(), found.suggested.tolist(), strict=True)) == suspects
    expected = counts / counts.sum(1, keepdims=True) * np.bincount(evaluation.labels)[:, None]
    np.testing.assert_allclose(found.joint, expected)
    margins = [shares[index, evaluation.labels[index]] - shares[index, suspects[index]] for index in found.indices.tolist()]
    np.testing.assert_allclose(found.margins, margins, atol=1e-12)
    assert margins == sorted(margins) and len(suspects) > 10


def test_labels_that_were_flipped_are_found_named_and_counted():
    evaluation, true = noisy_evaluation(0, count=5000, noise=0.06)
    wrong = np.flatnonzero(evaluation.labels != true)
    found = find_label_errors(evaluation)
    hits = np.isin(found.indices, wrong)
    assert hits.sum() > 0.6 * len(wrong) and hits.mean() > 0.6
    assert (found.suggested[hits] == true[found.indices[hits]]).mean() > 0.95
    assert len(wrong) * 0.8 < found.estimated_count < len(wrong) * 2
    first = found.indices[: len(wrong) // 2]
    assert np.isin(first, wrong).mean() > 0.95  # the most doubtful ones stand in front


def test_labels_that_all_agree_are_not_doubted():
    labels = np.arange(60) % 3
    evaluation = Evaluation(("a", "b", "c"), 5 * np.eye(3, dtype=np.float32)[labels], labels)
    found = find_label_errors(evaluation)
    assert len(found.indices) == 0 and found.estimated_count == pytest.approx(0)


def test_rows_of_the_joint_count_the_images_labelled_so_also_where_nothing_is_confident():
    counts, labels = np.array([[3, 1, 0], [0, 0, 0], [2, 0, 2]]), np.repeat([0, 1, 2], [8, 5, 6])
    expected = [[6, 2, 0], [0, 5, 0], [3, 0, 3]]
    np.testing.assert_allclose(calibrate_joint(counts, labels), expected)


def test_a_class_without_images_is_suggested_to_nobody():
    evaluation, _ = noisy_evaluation(2)
    without = np.where(evaluation.labels == 4, 3, evaluation.labels)
    found = find_label_errors(Evaluation(evaluation.classes, evaluation.logits, without))
    assert len(found.indices) and 4 not in found.suggested
    assert found.joint[4].sum() == 0 and found.joint.sum() == pytest.approx(400)


def test_suspects_can_be_numbered_as_the_images_of_a_part():
    found = find_label_errors(noisy_evaluation(1)[0])
    to = np.full(400, -1)
    to[100:300] = np.arange(200)
    moved = found.reindex(to)
    inside = (found.indices >= 100) & (found.indices < 300)
    assert 0 < inside.sum() < len(inside)
    assert np.array_equal(moved.indices, found.indices[inside] - 100) and np.array_equal(moved.suggested, found.suggested[inside])
    assert moved.estimated_count == found.estimated_count


def test_suspects_of_a_weak_model_are_mostly_its_mistakes():
    # With one wrong label in ten, the highest of the ten data sets, half of the disagreements of a model of 80% are label errors.
    assert are_mostly_mistakes(0.56) and are_mostly_mistakes(0.78) and not are_mostly_mistakes(0.81)


def test_the_expected_number_of_label_errors_is_at_most_that_of_the_suspects():
    assert expected_label_errors(400, 1000) == 33 and expected_label_errors(8, 1000) == 8


def test_a_good_model_on_a_set_with_many_wrong_labels_is_not_called_weak():
    evaluation, true = noisy_evaluation(0, count=5000, noise=0.1)
    evaluation = Evaluation(evaluation.classes, evaluation.logits + 6 * np.eye(5, dtype=np.float32)[true], evaluation.labels)
    assert evaluation.accuracy < 0.91 and not are_mostly_mistakes(evaluation.accuracy)
