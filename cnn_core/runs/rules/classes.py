"""Rules about single classes: far more images of one than of another, and a class that is recognised far less often than the others.

In: a case. Out: a finding, or None. Importing this module does not import torch.
"""

from statistics import mean, stdev

from cnn_core.data.library import IMBALANCE
from cnn_core.runs.finding import DiagnosticCase, Finding
from cnn_core.runs.signals import standard_error

CLASS_IMBALANCE = "Class imbalance"
WEAK_CLASS = "Weak class"
WEAK_FRACTION = 0.5  # of the other classes' accuracy
WEAK_SPREAD = 3  # times the standard deviation of the other classes: a smaller gap is normal


def class_imbalance(case: DiagnosticCase) -> Finding | None:
    """Report a class that has many times the training images of another."""
    started = case.started
    counts = started.class_counts if started else ()
    if not started or len(counts) < 2 or max(counts) <= IMBALANCE * min(counts):
        return None
    large, small, names = counts.index(max(counts)), counts.index(min(counts)), started.classes
    last = case.history.epochs[-1:]
    accuracy = last[0].class_accuracy[small] if last and last[0].class_accuracy else None
    result = (
        f" Its validation accuracy is {accuracy:.1%}, that of all {last[0].val_accuracy:.1%}." if accuracy is not None else ""
    )
    return Finding(
        CLASS_IMBALANCE,
        f"The largest class, “{names[large]}”, has {counts[large]:,} training images, the smallest, “{names[small]}”, {counts[small]:,}.{result}",
        "Accuracy hides errors on small classes. On the Data page, add images to them or exclude images of large ones.",
    )


def weak_class(case: DiagnosticCase) -> Finding | None:
    """Report a class that has a far lower accuracy than the others."""
    last, started = case.history.best, case.started
    measured = [(a, c) for c, a in enumerate(last.class_accuracy) if a is not None] if last else []
    if (
        not last
        or len(measured) < 3
        or not started
        or 2 * len(case.history.epochs) < started.epochs
        or not sum(started.class_counts)
    ):
        return None
    (accuracy, weak), *others = sorted(measured)
    average, spread = mean(a for a, _ in others), stdev(a for a, _ in others)
    images = max(
        1,
        started.val_class_counts[weak]
        if started.val_class_counts
        else round(started.val_count * started.class_counts[weak] / sum(started.class_counts)),
    )
    if average - accuracy < max(WEAK_SPREAD * max(spread, standard_error(average, images)), WEAK_FRACTION * average):
        return None
    return Finding(
        WEAK_CLASS,
        f"After epoch {last.epoch} the accuracy of “{started.classes[weak]}” is {accuracy:.1%} on {images:,} validation images, that of the other classes {average:.1%} on average.",
        "Check its images and labels on the Data page, and its row of the confusion matrix on the Evaluate page.",
    )
