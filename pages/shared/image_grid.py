"""Images of a subject in a paged grid, each with its prediction. All views of Evaluate use it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.components.picker import GridImage, pick_images
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

PAGE = 24
RANKED = 3  # classes in the description of an image
PREDICTED, TRUE = "{mark} Predicted: {name} ({probability:.0%})", "True: {name}"


def open_explain(image: int) -> None:
    """Open the Explain view of this page at an image."""
    st.query_params.update({"view": "Explain", "image": str(image)})
    st.rerun()


def show_image_grid(
    subject: EvaluationSubject,
    evaluation: "Evaluation",
    indices: np.ndarray,
    key: str,
    caption: Callable[[int], str] | None = None,
    explain: Callable[[int], None] = open_explain,
    *,
    are_large: bool = False,
) -> list[int]:
    """Show the images at `indices` (int64, in this order) in pages and return the ticked ones.

    `key`: of the widgets, unique for each list. `caption`: returns the caption of an image instead of its prediction. `explain`: opens the
    explanation of an image. `are_large`: images large enough to check a label.
    """
    if not len(indices):
        st.info("There are no images in this list.", icon=":material/search:")
        return []
    pages = -(-len(indices) // PAGE)
    page = st.pagination(pages, key=f"{key}-page") if pages > 1 else 1
    shown = indices[(page - 1) * PAGE : page * PAGE]
    images, probabilities = subject.images()[shown], evaluation.probabilities(shown)
    grid_images = [
        GridImage(int(index), image, *_describe(subject, evaluation, int(index), row, caption), not evaluation.is_correct[index])
        for index, image, row in zip(shown, images, probabilities, strict=True)
    ]
    picked = pick_images(f"{key}-picked", grid_images, are_large=are_large)
    _offer_explanation(picked, key, explain)
    return picked


def describe_prediction(evaluation: "Evaluation", index: int) -> str:
    """Return the predicted class of an image with its probability and, below it, the true class if it differs."""
    predicted, truth = (evaluation.classes[labels[index]] for labels in (evaluation.predicted, evaluation.labels))
    is_correct, probability = evaluation.is_correct[index], evaluation.scores.confidence[index]
    line = PREDICTED.format(mark="✓" if is_correct else "✗", name=predicted, probability=probability)
    return line if is_correct else f"{line}\n{TRUE.format(name=truth)}"


def _offer_explanation(picked: list[int], key: str, explain: Callable[[int], None]) -> None:
    """Offer the explanation of the first ticked image."""
    if not picked:
        st.caption("Tick an image to explain its prediction with Grad-CAM.")
    elif st.button(f"Grad-CAM of image {picked[0]}", icon=":material/visibility:", key=f"{key}-why"):
        explain(picked[0])


def _describe(
    subject: EvaluationSubject,
    evaluation: "Evaluation",
    index: int,
    probabilities: np.ndarray,
    caption: Callable[[int], str] | None,
) -> tuple[str, str]:
    """Return the caption of an image, and its description for screen readers and tooltips."""
    truth = evaluation.labels[index]
    ranked = np.argsort(-probabilities, kind="stable")[:RANKED]
    ranking = ", ".join(f"{evaluation.classes[label]} {probabilities[label]:.1%}" for label in ranked)
    about = f"{SPLITS[subject.split].capitalize()} image {index}, true class {evaluation.classes[truth]}: {ranking}"
    return caption(index) if caption else describe_prediction(evaluation, index), about
