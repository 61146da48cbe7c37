"""The out-of-fold accuracy of a run beside its validation accuracy: both with their 95% intervals, and which of the two to trust.

In: the summary of a run that trained a head on few images. Out: values and sentences. Importing this module does not import torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnn_core.events import Finished, Started
from cnn_core.metrics.intervals import wilson_interval
from cnn_core.text import counted

HELP = (
    "Accuracy on all training images, each classified by a head that was trained without it (stratified 5-fold cross-validation). The saved model was trained "
    "on more images than each of these heads."
)
TRUST_OUT_OF_FOLD = "Trust the out-of-fold accuracy more than the validation accuracy: it was measured on more images, and it did not choose the best epoch."
TRUST_VALIDATION = "Trust the validation accuracy more than the out-of-fold accuracy: it was measured on more images."


@dataclass(frozen=True)
class Measured:
    """An accuracy (0..1) that was measured on `images` images."""

    accuracy: float
    images: int

    @property
    def interval(self) -> str:
        """The 95% interval (Wilson), "91.9% to 97.1%"."""
        low, high = wilson_interval(round(self.accuracy * self.images), self.images)
        return f"{low:.1%} to {high:.1%}"

    def __str__(self) -> str:
        return f"{self.accuracy:.1%} ({self.interval}) on {counted(self.images, 'image')}"


@dataclass(frozen=True)
class OutOfFoldResult:
    """The two estimates of the accuracy on new images."""

    out_of_fold: Measured
    validation: Measured

    @property
    def advice(self) -> str:
        """The sentence that says which of them to trust: the one that was measured on more images."""
        return TRUST_OUT_OF_FOLD if self.out_of_fold.images >= self.validation.images else TRUST_VALIDATION


def out_of_fold_metrics(finished: Finished | None, started: Started | None) -> dict[str, Any]:
    """Return what the summary of a run holds of its cross-validation, with its number of validation images; nothing for a run without it."""
    if not finished or not started or finished.out_of_fold_accuracy is None:
        return {}
    return {
        "out_of_fold_accuracy": finished.out_of_fold_accuracy,
        "out_of_fold_images": finished.out_of_fold_images,
        "val_images": started.val_count,
    }


def out_of_fold_result(summary: Mapping[str, Any]) -> OutOfFoldResult | None:
    """Return both estimates from the summary of a run; None for a run without cross-validation."""
    accuracy, validation = summary.get("out_of_fold_accuracy"), summary.get("best_val_accuracy")
    if accuracy is None or validation is None:
        return None
    return OutOfFoldResult(Measured(accuracy, summary["out_of_fold_images"]), Measured(validation, summary["val_images"]))


def describe_out_of_fold(summary: Mapping[str, Any]) -> list[str]:
    """Return the lines that a terminal shows; none for a run without cross-validation."""
    result = out_of_fold_result(summary)
    return (
        [f"out-of-fold accuracy {result.out_of_fold}, validation accuracy {result.validation}. {result.advice}"] if result else []
    )
