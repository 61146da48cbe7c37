"""The Embedding view: images as points by the features of the model's last layer, with PCA or t-SNE."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from cnn_core.data.source import ImageSet
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.metrics.sampling import spread_over_classes
from cnn_core.text import counted, percent
from pages.charts.components.map import Points, PointSelection, show_points
from pages.charts.image_sheets import Sheet, make_sheet
from pages.shared.evaluation_results import compute_once, is_computed
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.text import plain
from pages.views.evaluate.embedding.colours import CLASSES, CORRECTNESS, PREDICTED, TRUTH, colour_points
from pages.views.evaluate.embedding.details import pin_selected_row, show_pinned, show_selection, show_table
from pages.views.evaluate.summary import EMBEDDING

if TYPE_CHECKING:
    from cnn_core.explain.embedding import EmbeddingLayout
    from cnn_core.metrics.evaluation import Evaluation

SIZES, USUAL = (500, 2000, 5000), 2000  # images
PCA, TSNE = "PCA", "t-SNE"
PERPLEXITIES = (5, 15, 30, 50)
ABOUT_TSNE = (
    "t-SNE keeps neighbours together. Sizes of groups and distances between them mean little, and groups can change with the perplexity. "
    "(L. van der Maaten, G. Hinton: Visualizing Data using t-SNE, 2008)"
)
PERPLEXITY_HELP = (
    "Roughly the number of neighbours of each point. A small value shows many small groups, some by chance; a large value shows the coarse structure. "
    "It can be at most a third of the number of images."
)
ONE_PERPLEXITY = "Perplexity: {perplexity:.1f}, the largest for {count}."
TOO_FEW = "t-SNE needs at least {least} images. The positions will be those of PCA."
DIVERGED = (
    "The model diverged: its features or logits are not finite numbers, so there is no embedding. Choose another epoch or run."
)


@dataclass(frozen=True, eq=False)
class EmbeddingSample:
    """Images by their indices in the evaluation, `numbers` (n,) int64, with `features` (n, D) float32 and thumbnails in that order."""

    numbers: np.ndarray
    features: np.ndarray
    sheet: Sheet


def show_embedding(subject: EvaluationSubject) -> None:
    """Show the view. Long computations run outside the fragment, because a fragment reacts to Cancel only at its end."""
    evaluation = subject.evaluation()
    st.markdown(EMBEDDING)
    st.header("Embedding")
    st.caption(
        "Each point is an image, placed by its features (inputs of the last layer). A cross is a mistake. Hover over a point to see its image, "
        "press the point to pin the image, and draw a loop around points to select them."
    )
    count, by, method = _choose(subject, evaluation)
    sample = compute_once(subject, evaluation, f"map-sample-{count}", lambda: _take_sample(subject, evaluation, count))
    if not (np.isfinite(sample.features).all() and np.isfinite(evaluation.logits[sample.numbers]).all()):
        st.warning(DIVERGED, icon=":material/error:")
        return
    layout, name = _compute_layout(subject, evaluation, sample, method)
    if layout is not None:
        points = _points(evaluation, sample, layout, f"{subject.name} {evaluation.key} {name}")
        _show_layout(subject, evaluation, sample, points, by)


@st.fragment
def _show_layout(subject: EvaluationSubject, evaluation: "Evaluation", sample: EmbeddingSample, points: Points, by: str) -> None:
    """Show the map with the pinned image and the selection. An interaction reruns this fragment only."""
    state = st.session_state.setdefault(f"map-{subject.name}", {"pinned": None, "chosen": [], "turn": 0})
    pin_selected_row(points, state)
    wide, beside = st.columns([5, 2])
    with wide:
        _show_points(subject, points, by, state)
        if state["chosen"]:
            show_selection(subject, evaluation, state)
    with beside:
        show_pinned(subject, evaluation, sample.numbers, sample.features, state)
    show_table(points)


def _choose(subject: EvaluationSubject, evaluation: "Evaluation") -> tuple[int, str, str]:
    """Show the inputs. Return the number of images, what the colours show, and the method."""
    total = len(evaluation)
    sizes = [size for size in SIZES if size < total]
    sizes += [total] if total <= SIZES[-1] else []
    are_many = len(evaluation.classes) > CLASSES
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.segmented_control(
            "Images",
            sizes,
            default=USUAL if USUAL in sizes else sizes[-1],
            required=True,
            format_func=lambda size: f"all {size:,}" if size == total else f"{size:,}",
            key=f"map-count-{subject.name}",
            help=f"A sample of the {total:,} {SPLITS[subject.split]} images, balanced over the classes. The sample is always the same.",
        )
        by = st.segmented_control(
            "Colours",
            [TRUTH, PREDICTED, CORRECTNESS],
            default=CORRECTNESS if are_many else TRUTH,
            required=True,
            key=f"map-colours-{subject.run.id}",
            help=f"Up to {CLASSES} classes have their own colour; the second ten have another shape. If there are more, the classes with most mistakes have one.",
        )
        method = st.segmented_control(
            "Method",
            [PCA, TSNE],
            default=PCA,
            required=True,
            key="map-method",
            help="PCA shows the two directions of largest variance, at once. t-SNE keeps neighbours together and takes seconds to minutes.",
        )
    return count, by, method


def _take_sample(subject: EvaluationSubject, evaluation: "Evaluation", count: int) -> Generator[Progress, None, EmbeddingSample]:
    from cnn_core.explain.embedding import compute_features
    from cnn_core.features.store import open_feature_store

    numbers = spread_over_classes(evaluation.labels, count)
    images: ImageSet = subject.images().take(numbers)
    model, card = subject.model()
    features = yield from compute_features(model, card, images, open_feature_store(subject.source))
    sheet = yield from make_sheet(images)
    return EmbeddingSample(numbers, features, sheet)


def _compute_layout(
    subject: EvaluationSubject, evaluation: "Evaluation", sample: EmbeddingSample, method: str
) -> "tuple[EmbeddingLayout | None, str]":
    """Return the layout, None before t-SNE is started or if it fails, and the name of the layout."""
    from cnn_core.explain.embedding import project_by_pca

    name = f"{PCA} {len(sample.numbers)}"
    if method == TSNE:
        return _compute_tsne(subject, evaluation, sample)

    def steps() -> "Generator[Progress, None, EmbeddingLayout]":
        yield Progress("Computing PCA", 0, 1)
        return project_by_pca(sample.features)

    layout = compute_once(subject, evaluation, name, steps)
    assert layout.explained_variance is not None
    first, second = layout.explained_variance
    st.caption(
        f"PCA: the first two principal components, with {percent(first)} and {percent(second)} of the features' variance; "
        f"{percent(max(0.0, 1 - first - second))} is not shown. (K. Pearson, 1901; H. Hotelling, 1933)"
    )
    return layout, name


def _compute_tsne(
    subject: EvaluationSubject, evaluation: "Evaluation", sample: EmbeddingSample
) -> "tuple[EmbeddingLayout | None, str]":
    from cnn_core.explain.embedding import project_by_tsne

    count = len(sample.numbers)
    perplexity = _choose_perplexity(count)
    st.caption(ABOUT_TSNE)
    name, requested = f"{TSNE} {count} {perplexity}", f"map-requested-{subject.name}"
    if not is_computed(subject, evaluation, name) and st.session_state.get(requested) != name:
        st.button(
            f"Compute t-SNE of {count:,} images",
            type="primary",
            icon=":material/scatter_plot:",
            key="map-tsne",
            on_click=st.session_state.__setitem__,
            args=(requested, name),
        )
        st.caption(f"It takes about {_duration(count)} on an idle processor and can be cancelled.")
        return None, name
    try:
        return compute_once(subject, evaluation, name, lambda: project_by_tsne(sample.features, perplexity)), name
    except StudioError as error:
        st.session_state.pop(requested)
        st.error(plain(error), icon=":material/error:")
        return None, name


def _choose_perplexity(count: int) -> float:
    """Show the control and return the choice; for few images, of which t-SNE takes no perplexity of PERPLEXITIES, the largest that it takes."""
    from cnn_core.explain.embedding import PERPLEXITY, largest_perplexity

    options = perplexities(count)
    if not options:
        st.caption(describe_perplexity(count))
        return largest_perplexity(count)
    return st.segmented_control(
        "Perplexity",
        options,
        default=min(PERPLEXITY, options[-1]),
        required=True,
        key="map-perplexity" if len(options) == len(PERPLEXITIES) else f"map-perplexity-{len(options)}",
        help=PERPLEXITY_HELP,
    )


def perplexities(count: int) -> list[int]:
    """Return those of PERPLEXITIES that t-SNE of `count` images takes."""
    from cnn_core.explain.embedding import largest_perplexity

    return [perplexity for perplexity in PERPLEXITIES if perplexity <= largest_perplexity(count)]


def describe_perplexity(count: int) -> str:
    """Return which perplexity t-SNE has for `count` images, of which it takes none of PERPLEXITIES."""
    from cnn_core.explain.embedding import MIN_IMAGES, largest_perplexity

    if count < MIN_IMAGES:
        return TOO_FEW.format(least=MIN_IMAGES)
    return ONE_PERPLEXITY.format(count=counted(count, "image"), perplexity=largest_perplexity(count))


def _duration(count: int) -> str:
    """Return the estimated time of t-SNE for `count` images, which grows slightly faster than their number."""
    return "3 seconds" if count <= 500 else "10 seconds" if count <= 2000 else "half a minute"


def _points(evaluation: "Evaluation", sample: EmbeddingSample, layout: "EmbeddingLayout", name: str) -> Points:
    numbers, fractions = sample.numbers, layout.explained_variance
    return Points(
        name,
        layout.coordinates,
        numbers,
        evaluation.labels[numbers],
        evaluation.predicted[numbers],
        np.nan_to_num(evaluation.scores.confidence[numbers]),
        evaluation.classes,
        sample.sheet,
        (
            f"first component · {percent(fractions[0])} of the variance",
            f"second component · {percent(fractions[1])} of the variance",
        )
        if fractions
        else ("", ""),
        not fractions,
    )


def _show_points(subject: EvaluationSubject, points: Points, by: str, state: dict[str, Any]) -> None:
    """Show the chart with the pinned image and the selection marked."""
    row_of = {int(number): row for row, number in enumerate(points.numbers)}
    chosen = [row_of[number] for number in state["chosen"] if number in row_of]

    def pin(row: int) -> None:
        state["pinned"] = int(points.numbers[row])

    def choose(rows: list[int]) -> None:
        state.update(chosen=[int(points.numbers[row]) for row in rows], turn=state["turn"] + bool(rows))

    selection = PointSelection(
        row_of.get(state["pinned"]),
        chosen,
        f"{counted(len(chosen), 'image is', 'images are')} shown below." if chosen else "",
        f"map-chosen-{state['turn']}" if state["chosen"] else "",
        state["turn"],
    )
    show_points(
        f"map-chart-{subject.name}",
        SPLITS[subject.split].capitalize(),
        points,
        colour_points(by, points.labels, points.predicted, points.classes),
        selection,
        pin,
        choose,
    )
    missing = len(points.classes) - len(np.unique(points.labels))
    if missing:
        st.caption(f"{counted(missing, 'class has', 'classes have')} no image here.")
