"""A map of images: near each other where the network's last layer is given nearly the same, by PCA at once or by t-SNE when asked."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.source import ImageSet
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.metrics.sampling import spread_over_classes
from pages.charts.components.map import Marked, Points, show_points
from pages.charts.image_sheets import Sheet, make_sheet
from pages.shared.evaluation_results import compute_once, is_computed
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.text import percent, plain
from pages.views.evaluate.embedding.colours import CLASSES, PREDICTED, TRUTH, VERDICT, colour
from pages.views.evaluate.embedding.details import show_chosen, show_pinned, show_table, take_row

if TYPE_CHECKING:
    from cnn_core.explain.embedding import Layout
    from cnn_core.metrics.evaluation import Evaluation

SIZES, USUAL = (500, 2000, 5000), 2000  # images
PCA, TSNE = "PCA", "t-SNE"
PERPLEXITIES = (5, 15, 30, 50)
DIVERGED = (
    "The network diverged: its features or its answers are no numbers, so there is no map of it. Choose another epoch or run."
)


@dataclass(frozen=True, eq=False)
class Sample:
    """Images by their `numbers` (n,) int64 in the evaluation, with `features` (n, D) float32 and thumbnails in the same order."""

    numbers: np.ndarray
    features: np.ndarray
    sheet: Sheet


def show_map(subject: EvaluationSubject) -> None:
    """The view. What takes long is outside of the fragment: a press on Cancel in a fragment waits for its end."""
    evaluation = subject.evaluation()
    st.subheader("Map of images")
    st.caption(
        "A point is an image, and points are near each other where the network sees images alike: what its last layer is given of them, laid "
        "out in the plane. A cross is a mistake. Rest on a point to see its image, press it to keep it, draw a loop around several to see them all."
    )
    count, by, method = _choose(subject, evaluation)
    sample = compute_once(subject, evaluation, f"map-sample-{count}", lambda: _take_sample(subject, evaluation, count))
    if not (np.isfinite(sample.features).all() and np.isfinite(evaluation.logits[sample.numbers]).all()):
        st.warning(DIVERGED, icon=":material/error:")
        return
    layout, name = _lay_out(subject, evaluation, sample, method)
    if layout is not None:
        points = _points(evaluation, sample, layout, f"{subject.name} {evaluation.key} {name}")
        _show_layout(subject, evaluation, sample, points, by)


@st.fragment
def _show_layout(subject: EvaluationSubject, evaluation: "Evaluation", sample: Sample, points: Points, by: str) -> None:
    """The map with what is pinned and chosen in it: another choice runs this part alone."""
    state = st.session_state.setdefault(f"map-{subject.name}", {"pinned": None, "chosen": [], "turn": 0})
    take_row(points, state)
    wide, beside = st.columns([5, 2])
    with wide:
        _show_points(subject, points, by, state)
        if state["chosen"]:
            show_chosen(subject, evaluation, state)
    with beside:
        show_pinned(subject, evaluation, sample.numbers, sample.features, state)
    show_table(points)


def _choose(subject: EvaluationSubject, evaluation: "Evaluation") -> tuple[int, str, str]:
    """How many images, what colours mean, and how they are laid out."""
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
            help=f"As many of every class as of the others, of the {total:,} {PARTS[subject.part]} images; the same ones every time.",
        )
        by = st.segmented_control(
            "Colours",
            [TRUTH, PREDICTED, VERDICT],
            default=VERDICT if are_many else TRUTH,
            required=True,
            key=f"map-colours-{subject.run.id}",
            help=f"Up to {CLASSES} classes have a colour, and the second ten another shape; of more, those with most mistakes here.",
        )
        method = st.segmented_control(
            "Laid out by",
            [PCA, TSNE],
            default=PCA,
            required=True,
            key="map-method",
            help="PCA: the two directions in which the features vary most, at once. t-SNE: neighbours are kept together; it takes seconds to minutes.",
        )
    return count, by, method


def _take_sample(subject: EvaluationSubject, evaluation: "Evaluation", count: int) -> Generator[Progress, None, Sample]:
    from cnn_core.explain.embedding import compute_features

    numbers = spread_over_classes(evaluation.labels, count)
    images: ImageSet = subject.images().take(numbers)
    model, card = subject.network()
    features = yield from compute_features(model, card, images)
    sheet = yield from make_sheet(images)
    return Sample(numbers, features, sheet)


def _lay_out(subject: EvaluationSubject, evaluation: "Evaluation", sample: Sample, method: str) -> "tuple[Layout | None, str]":
    """The layout and its name; no layout while t-SNE waits to be asked for, or where it fails."""
    from cnn_core.explain.embedding import lay_out_by_pca

    name = f"{PCA} {len(sample.numbers)}"
    if method == TSNE:
        return _lay_out_by_tsne(subject, evaluation, sample)

    def steps() -> "Generator[Progress, None, Layout]":
        yield Progress("Laying out images by PCA", 0, 1)
        return lay_out_by_pca(sample.features)

    layout = compute_once(subject, evaluation, name, steps)
    first, second = layout.shares
    st.caption(
        f"PCA: across, the direction in which the features vary most ({percent(first)} of their variance), upwards the next ({percent(second)}); "
        f"the other {percent(max(0.0, 1 - first - second))} is not seen here. (K. Pearson, 1901; H. Hotelling, 1933)"
    )
    return layout, name


def _lay_out_by_tsne(subject: EvaluationSubject, evaluation: "Evaluation", sample: Sample) -> "tuple[Layout | None, str]":
    from cnn_core.explain.embedding import lay_out_by_tsne

    perplexity = st.segmented_control(
        "Perplexity",
        PERPLEXITIES,
        default=30,
        required=True,
        key="map-perplexity",
        help="Roughly how many neighbours an image is to stay near to. Small: many small groups, some by chance. Large: the coarse picture.",
    )
    st.caption(
        "t-SNE keeps neighbours together. How far apart groups are, and how large, means little; what is a group can change with the "
        "perplexity. (L. van der Maaten, G. Hinton: Visualizing Data using t-SNE, 2008)"
    )
    count = len(sample.numbers)
    name, asked = f"{TSNE} {count} {perplexity}", f"map-asked-{subject.name}"
    if not is_computed(subject, evaluation, name) and st.session_state.get(asked) != name:
        st.button(
            f"Lay out {count:,} images by t-SNE",
            type="primary",
            icon=":material/scatter_plot:",
            key="map-tsne",
            on_click=st.session_state.__setitem__,
            args=(asked, name),
        )
        st.caption(f"It takes about {_duration(count)} on a processor that has nothing else to do, and can be cancelled.")
        return None, name
    try:
        return compute_once(subject, evaluation, name, lambda: lay_out_by_tsne(sample.features, perplexity)), name
    except StudioError as error:
        st.session_state.pop(asked)
        st.error(plain(error), icon=":material/error:")
        return None, name


def _duration(count: int) -> str:
    """Of t-SNE for `count` images; its work grows a little faster than they do."""
    return "3 seconds" if count <= 500 else "10 seconds" if count <= 2000 else "half a minute"


def _points(evaluation: "Evaluation", sample: Sample, layout: "Layout", name: str) -> Points:
    numbers, shares = sample.numbers, layout.shares
    return Points(
        name,
        layout.places,
        numbers,
        evaluation.labels[numbers],
        evaluation.predicted[numbers],
        np.nan_to_num(evaluation.scores.confidence[numbers]),
        evaluation.classes,
        sample.sheet,
        (f"first component · {percent(shares[0])} of the variance", f"second component · {percent(shares[1])} of the variance")
        if shares
        else ("", ""),
        not shares,
    )


def _show_points(subject: EvaluationSubject, points: Points, by: str, state: dict) -> None:
    """The chart, with what is pinned and chosen marked in it."""
    row_of = {int(number): row for row, number in enumerate(points.numbers)}
    chosen = [row_of[number] for number in state["chosen"] if number in row_of]

    def pin(row: int) -> None:
        state["pinned"] = int(points.numbers[row])

    def choose(rows: list[int]) -> None:
        state.update(chosen=[int(points.numbers[row]) for row in rows], turn=state["turn"] + bool(rows))

    marked = Marked(
        row_of.get(state["pinned"]),
        chosen,
        f"{len(chosen):,} {'image is' if len(chosen) == 1 else 'images are'} shown below." if chosen else "",
        f"map-chosen-{state['turn']}" if state["chosen"] else "",
        state["turn"],
    )
    show_points(
        f"map-chart-{subject.name}",
        PARTS[subject.part].capitalize(),
        points,
        colour(by, points.truth, points.predicted, points.names),
        marked,
        pin,
        choose,
    )
    missing = len(points.names) - len(np.unique(points.truth))
    if missing:
        st.caption(f"{missing:,} {'class has' if missing == 1 else 'classes have'} no image here.")
