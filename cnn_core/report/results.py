"""The parts of a report on what the network gets right and wrong: every class, the confusion matrix, the worst mistakes, calibration."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cnn_core.data.source import ImageSet
from cnn_core.inference.confidence import Calibration
from cnn_core.metrics.calibration import reliability_of
from cnn_core.metrics.confusion import confused_pairs, merge_classes, most_confused_classes
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.metrics.mistakes import highest_loss
from cnn_core.metrics.prediction_table import FileNames
from cnn_core.report.markup import Html, facts, join, percent, scrolling, section, table, tag

WHOLE_MATRIX, SOME_CLASSES = 30, 15  # more classes than the first: only the most confused ones, and the others together
PAIRS, MISTAKES = 10, 24
SHORT_NAME = 3  # letters
SMALL_SIDE, LARGEST_SIDE = 64, 160  # pixels; larger pictures than the first become JPEGs of at most the second


def show_classes(evaluation: Evaluation) -> Html:
    metrics = evaluation.per_class
    is_said, is_there = (metrics.support + metrics.predicted) > 0, metrics.support > 0
    rows = [
        (
            name,
            percent(metrics.precision[label] if is_said[label] else None),
            percent(metrics.recall[label] if is_there[label] else None),
            percent(metrics.f1[label] if is_there[label] else None),
            f"{metrics.support[label]:,}",
        )
        for label, name in enumerate(evaluation.classes)
    ]
    for title, means in (("Mean of the classes", metrics.macro), ("Mean weighted by images", metrics.weighted)):
        rows.append((title, *map(percent, means), f"{len(evaluation):,}"))
    about = "Precision: right among those predicted. Recall: found among those there. F1: their harmonic mean."
    return section("Classes", table(about, ("Class", "Precision", "Recall", "F1", "Images"), rows))


def show_confusion(evaluation: Evaluation) -> Html:
    confusion, names = evaluation.confusion, list(evaluation.classes)
    about = "Rows: true class. Columns: predicted class. Colour: share of the row; blue is right, orange wrong."
    if len(names) > WHOLE_MATRIX:
        chosen = most_confused_classes(confusion, SOME_CLASSES)
        confusion, names = (
            merge_classes(confusion, chosen),
            [*(names[label] for label in chosen), f"{len(names) - len(chosen):,} others"],
        )
        about += f" Of {len(evaluation.classes):,} classes the {len(chosen)} that are confused most."
    return section("Confusion matrix", _matrix(confusion, names, about), _pairs(evaluation))


def _matrix(confusion: np.ndarray, names: Sequence[str], about: str) -> Html:
    """Counts (C, C), shaded by their share of the row."""
    totals = np.maximum(confusion.sum(1), 1)
    head = tag("tr", tag("td", class_="none"), *map(_column_head, names))
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row", title=name),
            *(_cell(count, count / totals[true], is_correct=true == said) for said, count in enumerate(confusion[true].tolist())),
        )
        for true, name in enumerate(names)
    ]
    body = tag("table", tag("caption", about), tag("thead", head), tag("tbody", *rows), class_="matrix")
    return scrolling("Confusion matrix", body)


def _column_head(name: str) -> Html:
    """Long names stand upright, so that columns stay narrow."""
    return tag("th", tag("span", name, title=name), scope="col", class_="short" if len(name) <= SHORT_NAME else None)


def _cell(count: int, share: float, *, is_correct: bool) -> Html:
    if not count:
        return tag("td", "0", class_="none")
    return tag("td", f"{count:,}", class_="right" if is_correct else "wrong", style=f"--share: {share:.3f}", title=percent(share))


def _pairs(evaluation: Evaluation) -> Html | str:
    found = confused_pairs(evaluation.confusion, PAIRS)
    if not len(found.count):
        return ""
    rows = [
        (evaluation.classes[true], evaluation.classes[said], f"{count:,}", percent(share))
        for true, said, count, share in zip(found.true, found.predicted, found.count, found.fraction, strict=True)
    ]
    return table("Confused most often", ("True class", "Predicted", "Images", "Of the class"), rows, words=2)


def show_mistakes(evaluation: Evaluation, images: ImageSet, names: FileNames, split: str) -> Html:
    wrong = evaluation.select(is_correct=False)
    if not len(wrong):
        return section("Worst mistakes", tag("p", f"All {len(evaluation):,} {split} images are classified right."))
    worst = highest_loss(evaluation, wrong)[:MISTAKES]
    shots = [
        _shot(pixels, evaluation, index, name, split)
        for pixels, index, name in zip(images[worst], worst.tolist(), names(worst), strict=True)
    ]
    about = (
        f"{len(wrong):,} of {len(evaluation):,} {split} images are classified wrong; "
        f"{'these are' if len(wrong) > len(worst) else 'here are'} the {len(worst):,} whose true class was held least probable."
        if len(wrong) > 1
        else f"One of {len(evaluation):,} {split} images is classified wrong."
    )
    return section("Worst mistakes", tag("p", about, class_="hint"), tag("div", *shots, class_="shots"))


def _shot(pixels: np.ndarray, evaluation: Evaluation, index: int, name: str, split: str) -> Html:
    """An image (H, W, C) uint8 with what was said of it."""
    scores = evaluation.scores
    said, truth = evaluation.classes[scores.predicted[index]], evaluation.classes[evaluation.labels[index]]
    called = f"{split.capitalize()} image {index}"
    caption = join(
        [
            tag("b", said),
            f" {percent(scores.confidence[index])}",
            Html("<br>"),
            f"is {truth} {percent(scores.true_probability[index])}",
            tag("small", f"{called}: {name}" if name else called),
        ]
    )
    picture = tag(
        "img",
        src=picture_address(pixels),
        alt=f"{called}: predicted {said}, true class {truth}",
        class_="small" if max(pixels.shape[:2]) <= SMALL_SIDE else None,
    )
    return tag("figure", picture, tag("figcaption", caption))


def picture_address(pixels: np.ndarray) -> str:
    """Pixels (H, W, C) uint8 as an address that holds them: exact where they are few, else small and nearly so."""
    image, out = Image.fromarray(pixels.squeeze()), io.BytesIO()
    if max(image.size) <= SMALL_SIDE:
        image.save(out, "PNG", optimize=True)
        kind = "png"
    else:
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
        image.save(out, "JPEG", quality=85)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"


def show_calibration(evaluation: Evaluation, calibration: Calibration) -> Html:
    """How far confidence and accuracy lie apart, and what the run's kept temperature makes of it."""
    found = reliability_of(evaluation)
    confidence = float(np.nan_to_num(evaluation.scores.confidence).mean())
    pairs = [
        ("Accuracy", percent(evaluation.accuracy)),
        ("Mean confidence", percent(confidence)),
        (
            "Calibration error",
            f"{percent(found.expected_error)}, in the worst of {len(found.count)} groups {percent(found.largest_error)}",
        ),
    ]
    if calibration.is_fitted:
        mended = reliability_of(evaluation.with_temperature(calibration.temperature))
        pairs += [
            ("Temperature", f"{calibration.temperature:.2f}, fitted on {calibration.images:,} validation images"),
            ("Calibration error, calibrated", percent(mended.expected_error)),
        ]
    if calibration.threshold:
        pairs.append(("Answers from a probability of", percent(calibration.threshold)))
    about = (
        "Whether the network is as often right as it is sure: images are grouped by confidence, and in each group mean confidence and accuracy "
        "are compared (expected calibration error, Naeini and others, 2015). 0 % is perfect."
    )
    return section("Calibration", tag("p", about, class_="hint"), facts(pairs))
