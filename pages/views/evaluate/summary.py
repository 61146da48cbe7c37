"""The sentence at the beginning of a view: what its figures mean for this model, or what it shows.

In: an Evaluation and the split's name. Out: Markdown.
"""

from typing import TYPE_CHECKING

import numpy as np

from cnn_core.text import counted
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

SURE = 0.9  # probability from which a mistake is called confident
CORRECT = "The model classifies **{correct:,} of {images}** correctly."
WEAKEST = "It recognises **{name}** least often: {found:,} of {images}."
BASELINE = "Always predicting the most frequent class, {name}, would be correct for {found:,}."
NOT_BETTER = (
    "That is not better than always predicting the most frequent class, {name}, which is correct for {found:,}. Open the diagnostics of this run on "
    "the Train page first."
)
ONE_CLASS = "The model predicts **{name}** for every image, so it does not tell the classes apart yet."
MOST_CONFUSED = "**{count:,} of {images} of {true} are classified as {predicted}**, the most frequent confusion."
REVERSE = "The reverse, {true} as {predicted}: {count:,} of {images}."
WRONG = "The model misclassifies **{wrong:,} of {images}**."
CONFIDENT = "In {count:,} of these mistakes, the wrong class has a probability of {sure:.0%} or more."
NOT_CONFIDENT = "In none of these mistakes does the wrong class have a probability of {sure:.0%} or more."
CONFIDENCE = (
    "The mean probability of the predicted class is **{confidence:.1%}**, and **{accuracy:.1%}** of the predictions are correct."
)
OVERCONFIDENT = "The model is overconfident: its probabilities are too high."
UNDERCONFIDENT = "The model is underconfident: its probabilities are too low."
EXPLAIN = (
    "Choose one image to see which of its regions raise the prediction (Grad-CAM), what the channels respond to (feature maps), and what changes "
    "without some of them (ablation)."
)
EMBEDDING = "Images that are similar to the model lie close together: it tells classes in separate groups apart, and confuses classes in mixed groups."
COMPARE = "See which of two models is more accurate on the same images, for which classes, and whether the difference may be due to chance."
EXPORT = (
    "Create files with the results of {model} on the {count:,} {split} images. They need neither this program nor the internet."
)
WELL_CALIBRATED = "Its probabilities can be taken as they are."
WITHIN_CHANCE = "The images show no miscalibration: the calibration error (ECE) is {error:.1%}, and with only {images}, chance alone gives up to {chance:.1%}."
UNEVEN = "The model is overconfident at some confidences and underconfident at others, as the reliability diagram shows."


def summarise_metrics(evaluation: "Evaluation", split: str) -> str:
    """Return how many images are classified correctly, compared with the most frequent class, and the class with the lowest recall."""
    metrics, correct = evaluation.per_class, int(evaluation.is_correct.sum())
    frequent = int(metrics.support.argmax())
    sentence = CORRECT.format(correct=correct, images=_images(len(evaluation), split))
    baseline = {"name": plain(evaluation.classes[frequent]), "found": int(metrics.support[frequent])}
    if correct <= metrics.support[frequent]:
        return f"{sentence} {NOT_BETTER.format(**baseline)}"
    recall = np.where(metrics.support > 0, metrics.recall, np.inf)
    weakest, parts = int(recall.argmin()), [sentence]
    if recall[weakest] < 1:
        found, count = int(evaluation.confusion[weakest, weakest]), int(metrics.support[weakest])
        parts.append(WEAKEST.format(name=plain(evaluation.classes[weakest]), found=found, images=counted(count, "image")))
    return " ".join([*parts, BASELINE.format(**baseline)])


def summarise_confusion(evaluation: "Evaluation") -> str:
    """Return the most frequent confusion and its reverse; an empty text without mistakes."""
    from cnn_core.metrics.confusion import confused_pairs

    confusion, predicted = evaluation.confusion, np.unique(evaluation.predicted)
    pairs = confused_pairs(confusion, 1)
    if not len(pairs.count):
        return ""
    if len(predicted) == 1 and len(evaluation.classes) > 1:
        return ONE_CLASS.format(name=plain(evaluation.classes[predicted[0]]))
    first = _describe_pair(evaluation, MOST_CONFUSED, int(pairs.true[0]), int(pairs.predicted[0]))
    return f"{first} {_describe_pair(evaluation, REVERSE, int(pairs.predicted[0]), int(pairs.true[0]))}"


def summarise_mistakes(evaluation: "Evaluation", split: str) -> str:
    """Return how many images are misclassified, and in how many of them the model is confident."""
    wrong = int((~evaluation.is_correct).sum())
    confident = int((~evaluation.is_correct & (evaluation.scores.confidence >= SURE)).sum())
    sentence = WRONG.format(wrong=wrong, images=_images(len(evaluation), split))
    how_sure = (CONFIDENT if confident else NOT_CONFIDENT).format(count=confident, sure=SURE)
    return f"{sentence} {how_sure}" if wrong else sentence


def summarise_calibration(evaluation: "Evaluation") -> str:
    """Return the mean confidence beside the accuracy, and the verdict on the calibration, the only one of the view."""
    from cnn_core.metrics.calibration import reliability_of

    reliability = reliability_of(evaluation)
    confidence = float(np.nan_to_num(evaluation.scores.confidence).mean())
    verdict = {
        "calibrated": WELL_CALIBRATED,
        "within chance": WITHIN_CHANCE,
        "overconfident": OVERCONFIDENT,
        "underconfident": UNDERCONFIDENT,
        "uneven": UNEVEN,
    }[reliability.verdict]
    facts = {"error": reliability.expected_error, "chance": reliability.chance_error, "images": counted(len(evaluation), "image")}
    return f"{CONFIDENCE.format(confidence=confidence, accuracy=evaluation.accuracy)} {verdict.format(**facts)}"


def _describe_pair(evaluation: "Evaluation", text: str, true: int, predicted: int) -> str:
    return text.format(
        count=int(evaluation.confusion[true, predicted]),
        images=counted(int(evaluation.per_class.support[true]), "image"),
        true=plain(evaluation.classes[true]),
        predicted=plain(evaluation.classes[predicted]),
    )


def _images(count: int, split: str) -> str:
    return counted(count, f"{split} image")
