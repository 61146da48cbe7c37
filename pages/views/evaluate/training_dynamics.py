"""The Learning view: in which epoch the images were first right, how often they were forgotten, and every image's own line of epochs."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.source import Part
from cnn_core.errors import RunError
from cnn_core.home import LEARNING
from pages.charts.training_dynamics import epochs_chart, forgetting_chart, learned_chart
from pages.shared.choice import choose_class
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.training_dynamics import TrainingDynamics

JUDGED = {
    "train": "A training image is judged as it was shown in an epoch: augmented, with dropout, and by the network as it was at that moment.",
    "val": "Validation images are judged after every epoch. The network does not learn from them.",
}
LISTS = {
    "Most often forgotten": "Right, then wrong again, the most often first: unusual images, and labels that may be wrong.",
    "Never learned": "Not right in any epoch: what the network cannot do, and labels that may be wrong.",
    "Learned last": "Right at least once, those for which it took longest first.",
    "Never forgotten": "Right once and in every epoch after it, the earliest learned first: typical images.",
}


def show_training_dynamics(subject: EvaluationSubject) -> None:
    """The view."""
    if subject.split == "test":
        st.info(
            "A run looks at its test images once, when it is done, so they have no history. Choose training or validation images above.",
            icon=":material/history:",
        )
        return
    evaluation = subject.evaluation()
    try:
        history = _history_of(subject, len(evaluation))
    except RunError as error:
        st.info(plain(error), icon=":material/history:")
        return
    st.caption(f"{JUDGED[subject.split]} Of all epochs of the run, whichever network is chosen above.")
    for note in history.notes:
        st.warning(note, icon=":material/warning:")
    _show_metrics(subject, history)
    _show_charts(subject, history)
    _show_images(subject, evaluation, history)


def _history_of(subject: EvaluationSubject, count: int) -> "TrainingDynamics":
    """Raises RunError."""
    folder = subject.folder
    version = (folder / LEARNING).stat().st_mtime_ns if (folder / LEARNING).exists() else 0
    done = int(subject.run.summary.get("epochs") or 0)
    return _read(folder, subject.split, count, subject.source.info.fingerprint, done, version)


@st.cache_resource(max_entries=8, show_spinner="Reading what was right when…")
def _read(folder: Path, split: Part, count: int, fingerprint: str, done: int, version: int) -> "TrainingDynamics":
    from cnn_core.metrics.training_dynamics import read_dynamics

    return read_dynamics(folder, split, count, fingerprint, done)


def _show_metrics(subject: EvaluationSubject, history: "TrainingDynamics") -> None:
    never, kept = int(history.is_never_learned.sum()), int(history.is_unforgettable.sum())
    often = int((history.forgetting_events > 0).sum())
    last = f"in epoch {history.epochs[-1]}"
    figures = st.grid(4, min_column_width=150)
    for name, count, told in (
        ("Never forgotten", kept, "Right once, and in every epoch after it."),
        ("Forgotten at least once", often, "Right in an epoch and wrong in the next one: a forgetting event."),
        ("Never learned", never, f"Wrong in all {len(history.epochs):,} epochs."),
        (f"Right {last}", int(history.is_correct_at_end.sum()), "In the last epoch that is known."),
    ):
        figures.metric(
            name,
            f"{count / history.count:.1%}",
            delta=f"{count:,} of {history.count:,} images",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"{told} Share of the {SPLITS[subject.split]} images.",
        )


def _show_charts(subject: EvaluationSubject, history: "TrainingDynamics") -> None:
    images, left, right = SPLITS[subject.split], *st.columns(2)
    for place, title, figure, alt in (
        (
            left,
            "When images were learned",
            learned_chart(history),
            f"Number of {images} images that were first right in each epoch",
        ),
        (
            right,
            "How often they were forgotten",
            forgetting_chart(history),
            f"Number of {images} images by how often they were forgotten",
        ),
    ):
        with place:
            st.markdown(f"**{title}**")
            st.plotly_chart(figure, config={"displayModeBar": False}, alt=alt)
    st.caption(
        "An image is forgotten when it was right in one epoch and is wrong in the next (M. Toneva and others, 2019). Images that are never "
        "forgotten can often be left out of the training without loss; those forgotten again and again carry what is hard."
    )


@st.fragment
def _show_images(subject: EvaluationSubject, evaluation: "Evaluation", history: "TrainingDynamics") -> None:
    st.subheader("Images")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("List", list(LISTS), key="learning-list", width=260)
        true_class = choose_class("True class", evaluation.classes, key=f"learning-class-{subject.run.id}", width=220)
    indices = _listed(name, history)
    if true_class is not None:
        indices = indices[evaluation.labels[indices] == true_class]
    st.caption(
        f"{LISTS[name]} {len(indices):,} {SPLITS[subject.split]} {'image' if len(indices) == 1 else 'images'}. Tick some to see their epochs beside each other."
    )
    key = f"learning-{subject.name}-{name}-{true_class}"
    ticked = show_image_grid(subject, evaluation, indices, key, lambda index: _in_short(evaluation, history, index))
    chosen = ticked or indices[:1].tolist()
    if chosen:
        _show_epochs(evaluation, history, chosen)


def _listed(name: str, history: "TrainingDynamics") -> np.ndarray:
    from cnn_core.metrics import training_dynamics

    match name:
        case "Most often forgotten":
            return training_dynamics.most_often_forgotten(history)
        case "Never learned":
            return np.flatnonzero(history.is_never_learned)
        case "Learned last":
            return training_dynamics.learned_last(history)
        case _:
            return training_dynamics.learned_first(history)


def _in_short(evaluation: "Evaluation", history: "TrainingDynamics", index: int) -> str:
    """What stands below an image: its true class, when it was learned, how often it was forgotten."""
    name, first, times = (
        evaluation.classes[evaluation.labels[index]],
        history.first_correct_epoch[index],
        history.forgetting_events[index],
    )
    if history.is_never_learned[index]:
        return f"{name}: never right"
    return f"{name}: right from epoch {first}" if not times else f"{name}: first right in epoch {first}, forgotten {times}×"


def _show_epochs(evaluation: "Evaluation", history: "TrainingDynamics", chosen: list[int]) -> None:
    names = [f"{evaluation.classes[evaluation.labels[index]]}, image {index}" for index in chosen]
    st.markdown("**Epoch by epoch**")
    st.caption("Blue with ✓: right in this epoch. Orange with ✗: wrong.")
    told = "; ".join(
        f"{name} right in {int(history.image_history(index).sum())} of {len(history.epochs)} epochs"
        for index, name in zip(chosen, names, strict=True)
    )
    st.plotly_chart(
        epochs_chart(history, chosen, names), config={"displayModeBar": False}, alt=f"Epochs in which images were right: {told}"
    )
