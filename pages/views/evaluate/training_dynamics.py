"""The Training dynamics view: when images were learned, how often they were forgotten, and the epochs of single images."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.source import Split
from cnn_core.errors import RunError
from cnn_core.home import TRAINING_DYNAMICS
from cnn_core.text import counted
from pages.charts.training_dynamics import epochs_chart, forgetting_chart, learned_chart
from pages.shared.chart import show_chart
from pages.shared.choice import choose_class
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.training_dynamics import TrainingDynamics

NOTES = {
    "train": "Training images are classified during the epoch: augmented, with dropout, by the model at that step.",
    "val": "Validation images are classified after each epoch.",
}
LEARNED = "In the last epoch, **{last:,} of {images}** were correct; {never:,} were never correct."
EPOCHS_ALT = "Epochs in which images were correct: {images}"
CORRECT_IN = "{name} correct in {correct} of {epochs} epochs"
LISTS = {
    "Most often forgotten": "Correct in one epoch and wrong in the next, most often first: unusual images and possible label errors.",
    "Never learned": "Wrong in all epochs: difficult images and possible label errors.",
    "Learned last": "Correct at least once, latest first.",
    "Never forgotten": "Correct once and in each later epoch, earliest first: typical images.",
}


def show_training_dynamics(subject: EvaluationSubject) -> None:
    """Show the view."""
    if subject.split == "test":
        st.info(
            "Test images are evaluated only at the end of a run, so they have no training dynamics. Choose the training or validation split above.",
            icon=":material/history:",
        )
        return
    evaluation = subject.evaluation()
    try:
        history = _history_of(subject, len(evaluation))
    except RunError as error:
        st.info(plain(error), icon=":material/history:")
        return
    st.markdown(_summarise(history, SPLITS[subject.split]))
    st.caption(f"{NOTES[subject.split]} All epochs of the run are shown, whichever model is chosen above.")
    for note in history.notes:
        st.warning(note, icon=":material/warning:")
    _show_metrics(subject, history)
    _show_charts(subject, history)
    _show_images(subject, evaluation, history)


def _summarise(history: "TrainingDynamics", split: str) -> str:
    """Return how many images are correct in the last epoch, and how many were never correct, in a sentence."""
    count, last = len(history.is_never_learned), int(history.correct_per_epoch[-1])
    return LEARNED.format(last=last, images=counted(count, f"{split} image"), never=int(history.is_never_learned.sum()))


def _history_of(subject: EvaluationSubject, count: int) -> "TrainingDynamics":
    """Return the training dynamics of the split, which has `count` images. Raises RunError."""
    folder = subject.folder
    version = (folder / TRAINING_DYNAMICS).stat().st_mtime_ns if (folder / TRAINING_DYNAMICS).exists() else 0
    done = int(subject.run.summary.get("epochs") or 0)
    return _read(folder, subject.split, count, subject.source.info.fingerprint, done, version)


@st.cache_resource(max_entries=8, show_spinner="Reading training dynamics…")
def _read(folder: Path, split: Split, count: int, fingerprint: str, done: int, version: int) -> "TrainingDynamics":
    from cnn_core.metrics.training_dynamics import read_dynamics

    return read_dynamics(folder, split, count, fingerprint, done)


def _show_metrics(subject: EvaluationSubject, history: "TrainingDynamics") -> None:
    never, unforgettable = int(history.is_never_learned.sum()), int(history.is_unforgettable.sum())
    forgotten = int((history.forgetting_events > 0).sum())
    metrics = st.grid(4, min_column_width=150)
    for name, count, text in (
        ("Never forgotten", unforgettable, "Correct once and in each later epoch."),
        ("Forgotten at least once", forgotten, "Correct in an epoch and wrong in the next: a forgetting event."),
        ("Never learned", never, f"Wrong in all {len(history.epochs):,} epochs."),
        (f"Correct in epoch {history.epochs[-1]}", int(history.is_correct_at_end.sum()), "In the last recorded epoch."),
    ):
        metrics.metric(
            name,
            f"{count / history.count:.1%}",
            delta=f"{count:,} of {history.count:,} images",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"{text} Fraction of the {SPLITS[subject.split]} images.",
        )


def _show_charts(subject: EvaluationSubject, history: "TrainingDynamics") -> None:
    images, left, right = SPLITS[subject.split], *st.columns(2)
    for place, title, figure, alt in (
        (
            left,
            "When images were learned",
            learned_chart(history),
            f"Number of {images} images that were first correct in each epoch",
        ),
        (
            right,
            "Forgetting events",
            forgetting_chart(history),
            f"Number of {images} images by how often they were forgotten",
        ),
    ):
        with place:
            st.header(title)
            show_chart(figure, alt=alt)
    st.caption("An image is forgotten if it is correct in one epoch and wrong in the next (M. Toneva and others, 2019).")


@st.fragment
def _show_images(subject: EvaluationSubject, evaluation: "Evaluation", history: "TrainingDynamics") -> None:
    st.header("Images")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("List", list(LISTS), key="learning-list", width=260)
        true_class = choose_class("True class", evaluation.classes, key=f"learning-class-{subject.run.id}", width=220)
    indices = _select(name, history)
    if true_class is not None:
        indices = indices[evaluation.labels[indices] == true_class]
    st.caption(f"{LISTS[name]} {counted(len(indices), f'{SPLITS[subject.split]} image')}. Tick images to compare their epochs.")
    key = f"learning-{subject.name}-{name}-{true_class}"
    ticked = show_image_grid(subject, evaluation, indices, key, lambda index: _describe_image(evaluation, history, index))
    chosen = ticked or indices[:1].tolist()
    if chosen:
        _show_epochs(evaluation, history, chosen)


def _select(name: str, history: "TrainingDynamics") -> np.ndarray:
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


def _describe_image(evaluation: "Evaluation", history: "TrainingDynamics", index: int) -> str:
    """Return the caption of an image: its true class, when it was learned, how often it was forgotten."""
    name, first, times = (
        evaluation.classes[evaluation.labels[index]],
        history.first_correct_epoch[index],
        history.forgetting_events[index],
    )
    if history.is_never_learned[index]:
        return f"{name}: never correct"
    return f"{name}: correct from epoch {first}" if not times else f"{name}: first correct in epoch {first}, forgotten {times}×"


def _show_epochs(evaluation: "Evaluation", history: "TrainingDynamics", chosen: list[int]) -> None:
    names = [f"{evaluation.classes[evaluation.labels[index]]}, image {index}" for index in chosen]
    st.subheader("Epoch by epoch")
    st.caption("Blue with ✓: correct in this epoch. Orange with ✗: wrong.")
    text = "; ".join(
        CORRECT_IN.format(name=name, correct=int(history.image_history(index).sum()), epochs=len(history.epochs))
        for index, name in zip(chosen, names, strict=True)
    )
    show_chart(epochs_chart(history, chosen, names), alt=EPOCHS_ALT.format(images=text))
