"""The report on predictions: metrics of each class, confusion matrix, worst mistakes and calibration, as values for `results.html`."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from cnn_core.data.source import ImageSet
from cnn_core.inference.confidence import Calibration
from cnn_core.metrics.calibration import reliability_of
from cnn_core.metrics.confusion import confused_pairs, merge_classes, most_confused_classes
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.mistakes import highest_loss
from cnn_core.metrics.prediction_table import FileNames
from cnn_core.text import counted, format_percent

WHOLE_MATRIX, SOME_CLASSES = 30, 15  # above the first number of classes, only the most confused ones have their own row
PAIRS, MISTAKES = 10, 24
SMALL_SIDE, LARGEST_SIDE = 64, 160  # pixels; images above the first become JPEGs of at most the second
CLASSES_CAPTION = (
    "Precision: fraction of the images predicted as the class that belong to it. Recall: fraction of the class's images that are found. "
    "F1: their harmonic mean."
)
PAIRS_CAPTION = "Most confused pairs"
CALIBRATION_ERROR, CALIBRATED_ERROR, TEMPERATURE = "Calibration error", "Calibration error, calibrated", "Temperature"
CONFUSION_CAPTION = "Rows: true class. Columns: predicted class. Colour: fraction of the row; blue is correct, orange wrong."


def describe_classes(evaluation: Evaluation) -> dict[str, Any]:
    """Return precision, recall and F1 of each class, and their means."""
    metrics = evaluation.per_class
    rows = [
        (name, *map(format_percent, measured), f"{support:,}")
        for name, *measured, support in zip(evaluation.classes, *metrics.measured, metrics.support, strict=True)
    ]
    for title, (precision, recall, f1) in (("Mean of the classes", metrics.macro), ("Mean weighted by images", metrics.weighted)):
        rows.append((title, format_percent(precision), format_percent(recall), format_percent(f1), f"{len(evaluation):,}"))
    return {"caption": CLASSES_CAPTION, "rows": rows}


def describe_confusion(evaluation: Evaluation) -> dict[str, Any]:
    """Return the confusion matrix, or that of the most confused classes, and the most confused pairs."""
    confusion, names = evaluation.confusion, list(evaluation.classes)
    caption = CONFUSION_CAPTION
    if len(names) > WHOLE_MATRIX:
        chosen = most_confused_classes(confusion, SOME_CLASSES)
        confusion = merge_classes(confusion, chosen)
        caption += f" The {len(chosen)} most confused of {len(names):,} classes."
        names = [*(names[label] for label in chosen), f"{len(names) - len(chosen):,} others"]
    totals = np.maximum(confusion.sum(1), 1)
    rows = [
        {
            "name": name,
            "cells": [
                {"count": count, "fraction": count / totals[true], "is_correct": true == predicted}
                for predicted, count in enumerate(confusion[true].tolist())
            ],
        }
        for true, name in enumerate(names)
    ]
    pairs = _describe_pairs(evaluation)
    return {"caption": caption, "names": names, "rows": rows, "pairs": pairs, "pairs_caption": PAIRS_CAPTION}


def _describe_pairs(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    pairs = confused_pairs(evaluation.confusion, PAIRS)
    return [
        (evaluation.classes[true], evaluation.classes[predicted], f"{count:,}", format_percent(fraction))
        for true, predicted, count, fraction in zip(pairs.true, pairs.predicted, pairs.count, pairs.fraction, strict=True)
    ]


def describe_mistakes(evaluation: Evaluation, images: ImageSet, names: FileNames, split: str) -> dict[str, Any]:
    """Return the misclassified images with the highest loss."""
    wrong = evaluation.select(is_correct=False)
    if not len(wrong):
        return {"images": [], "text": f"All {len(evaluation):,} {split} images are classified correctly."}
    worst = highest_loss(evaluation, wrong)[:MISTAKES]
    return {
        "images": [
            _describe_image(pixels, evaluation, index, name, split)
            for pixels, index, name in zip(images[worst], worst.tolist(), names(worst), strict=True)
        ],
        "text": f"Misclassified: {len(wrong):,} of {len(evaluation):,} {split} images, the highest loss first.",
    }


def _describe_image(pixels: np.ndarray, evaluation: Evaluation, index: int, name: str, split: str) -> dict[str, Any]:
    """Return an image (H, W, C) uint8 with its prediction."""
    scores = evaluation.scores
    predicted, true = evaluation.classes[scores.predicted[index]], evaluation.classes[evaluation.labels[index]]
    title = f"{split.capitalize()} image {index}"
    return {
        "url": to_data_url(pixels),
        "alt": f"{title}: predicted {predicted}, true class {true}",
        "is_small": max(pixels.shape[:2]) <= SMALL_SIDE,
        "predicted": predicted,
        "confidence": format_percent(scores.confidence[index]),
        "true": true,
        "true_probability": format_percent(scores.true_probability[index]),
        "name": f"{title}: {name}" if name else title,
    }


def to_data_url(pixels: np.ndarray) -> str:
    """Return pixels (H, W, C) uint8 as a data URL: a PNG if the image is small, else a reduced JPEG."""
    image, out = Image.fromarray(pixels.squeeze()), io.BytesIO()
    if max(image.size) <= SMALL_SIDE:
        image.save(out, "PNG", optimize=True)
        kind = "png"
    else:
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
        image.save(out, "JPEG", quality=85)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"


def describe_calibration(evaluation: Evaluation, calibration: Calibration) -> list[tuple[str, str]]:
    """Return accuracy, confidence and calibration error, also with the run's saved temperature."""
    reliability = reliability_of(evaluation)
    confidence = float(np.nan_to_num(evaluation.scores.confidence).mean())
    bins = len(reliability.count)
    facts = [
        ("Accuracy", format_percent(evaluation.accuracy)),
        ("Mean confidence", format_percent(confidence)),
        (
            CALIBRATION_ERROR,
            f"{format_percent(reliability.expected_error)}, in the worst of {bins} bins {format_percent(reliability.largest_error)} "
            f"({counted(reliability.largest_error_count, 'image')})",
        ),
    ]
    if calibration.is_fitted:
        calibrated = reliability_of(evaluation.with_temperature(calibration.temperature))
        facts += [
            (TEMPERATURE, f"{calibration.temperature:.2f}, fitted on {calibration.images:,} validation images"),
            (CALIBRATED_ERROR, format_percent(calibrated.expected_error)),
        ]
    if calibration.threshold:
        facts.append(("Confidence threshold", format_percent(calibration.threshold)))
    return facts
