"""Classification metrics from labels, after the usual definitions (scikit-learn is the oracle in the tests)."""

from dataclasses import dataclass

import numpy as np


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes) int64: row = true class, column = predicted class."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class ClassMetrics:
    """Per class, float64 (classes,) in 0..1: precision (right among those predicted), recall (found among those there), F1. `support` counts."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def class_metrics(confusion: np.ndarray) -> ClassMetrics:
    """Precision, recall and F1 of every class of a confusion matrix; 0 where a share has nothing to divide by."""
    right = confusion.diagonal().astype(np.float64)
    predicted, true = confusion.sum(0), confusion.sum(1)
    precision, recall = right / np.maximum(predicted, 1), right / np.maximum(true, 1)
    return ClassMetrics(precision, recall, 2 * right / np.maximum(predicted + true, 1), true)
