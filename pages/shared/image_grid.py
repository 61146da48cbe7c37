"""Images of a subject in a paged grid, each with what the network said of it: the one way in which every view shows images."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.charts.components.picker import GridImage, pick_images
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation

PAGE = 24
TOLD = 3  # classes whose probabilities are told of an image


def open_explain(image: int) -> None:
    """The Inside view of this page, at the image of an index."""
    st.query_params.update({"view": "Inside", "image": str(image)})
    st.rerun()


def show_image_grid(
    subject: EvaluationSubject,
    evaluation: "Evaluation",
    indices: np.ndarray,
    key: str,
    caption: Callable[[int], str] | None = None,
    look: Callable[[int], None] = open_explain,
) -> list[int]:
    """The images at `indices` (int64, in the order in which they are shown), a page of them at a time; gives those that are ticked.

    `key`: of the widgets, another one for every list. `caption`: what stands below the image of an index, instead of the network's verdict.
    `look`: goes to where one sees inside of the network at an image.
    """
    if not len(indices):
        st.info("There is no such image.", icon=":material/search:")
        return []
    pages = -(-len(indices) // PAGE)
    page = st.pagination(pages, key=f"{key}-page") if pages > 1 else 1
    shown = indices[(page - 1) * PAGE : page * PAGE]
    images, shares = subject.images()[shown], evaluation.probabilities(shown)
    pictures = [
        GridImage(int(index), image, *_in_words(subject, evaluation, int(index), row, caption))
        for index, image, row in zip(shown, images, shares, strict=True)
    ]
    picked = pick_images(f"{key}-picked", pictures)
    _offer_inside(picked, key, look)
    return picked


def _offer_inside(picked: list[int], key: str, look: Callable[[int], None]) -> None:
    """The way to see inside, about the first of the ticked images."""
    if not picked:
        st.caption("Tick an image to see where in it the network looked.")
    elif st.button(f"Why? Grad-CAM of image {picked[0]}", icon=":material/visibility:", key=f"{key}-why"):
        look(picked[0])


def _in_words(
    subject: EvaluationSubject, evaluation: "Evaluation", index: int, shares: np.ndarray, caption: Callable[[int], str] | None
) -> tuple[str, str]:
    """What stands below an image, and what a screen reader or a resting pointer is told."""
    said, truth = evaluation.predicted[index], evaluation.labels[index]
    verdict = "✓" if said == truth else f"✗ is {evaluation.classes[truth]}"
    ranked = np.argsort(-shares, kind="stable")[:TOLD]
    told = ", ".join(f"{evaluation.classes[label]} {shares[label]:.1%}" for label in ranked)
    about = f"{SPLITS[subject.split].capitalize()} image {index}, true class {evaluation.classes[truth]}: {told}"
    return caption(index) if caption else f"{evaluation.classes[said]} {shares[said]:.0%} {verdict}", about
