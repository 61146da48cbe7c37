"""Probable label errors: images for which models that were not trained on them predict another class; training images by cross-validation."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.source import ImageSet, Split, finish
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.views.evaluate.corrections import editable_source, rows_of, show_actions

if TYPE_CHECKING:
    from cnn_core.config.schema import TrainConfig
    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.label_errors import LabelErrors
    from cnn_core.training.cross_validation import OutOfFoldPredictions

REQUESTED = "label-errors-requested"
MIN_ACCURACY = 0.6  # below it, most suspected images are mistakes of the model
QUICK, OWN = "quick settings", "this run's settings"
ABOUT = (
    "**The model was trained on these images.** Label errors are found by 4-fold cross-validation: four models, each trained on three quarters of "
    "the {count:,} training and validation images and evaluated on the others."
)
SAVED_PREDICTIONS = (
    "The predictions are from 4-fold cross-validation: four models, each trained without a quarter of the images and evaluated on that quarter. "
    "They are saved with the run and stay valid when you correct labels."
)


@dataclass(frozen=True)
class FoundLabelErrors:
    """An out-of-sample evaluation of the images, and the suspected label errors."""

    evaluation: "Evaluation"
    errors: "LabelErrors"


def show_label_errors(subject: EvaluationSubject, true_class: int | None) -> None:
    """Show the suspected images; for images that the model was trained on, first the settings for cross-validation."""
    st.caption(
        "Images that are confidently predicted as another class than their label, by models that were not trained on them (confident learning, "
        "C. Northcutt and others, 2021). Check each image before you correct it: some are difficult but labelled correctly."
    )
    found = _by_cross_validation(subject) if _may_have_seen(subject) else _by_own_model(subject)
    if found:
        _show(subject, found, true_class)


def _may_have_seen(subject: EvaluationSubject) -> bool:
    """Whether the model was trained on some of the images; a correction changes the validation split."""
    from cnn_core.models.saving import read_card

    info = subject.source.info
    is_unchanged = bool(info.val_count) or read_card(subject.folder).fingerprint == info.fingerprint
    return subject.split == "train" or (subject.split == "val" and not is_unchanged)


def _by_own_model(subject: EvaluationSubject) -> FoundLabelErrors:
    evaluation = subject.evaluation()
    st.caption(f"The model was not trained on {SPLITS[subject.split]} images, so its own predictions are used.")
    return _examine_evaluation(subject.folder, evaluation.key, evaluation)


@st.cache_resource(max_entries=4, show_spinner="Comparing labels with probabilities…")
def _examine_evaluation(folder: Path, key: str, _evaluation: "Evaluation") -> FoundLabelErrors:
    from cnn_core.metrics.label_errors import find_label_errors

    return FoundLabelErrors(_evaluation, find_label_errors(_evaluation))


def _by_cross_validation(subject: EvaluationSubject) -> FoundLabelErrors | None:
    """Return the result of cross-validation. If there is none, show how to start it and return None."""
    source = editable_source(subject)
    if source is None:
        st.info("The data set is not imported. Open it on the Data page first.", icon=":material/photo_library:")
        return None
    with st.spinner("Reading saved results…"):
        from cnn_core.execution.device_queue import wait_for_device
        from cnn_core.training.cross_validation import (
            cross_validate_run,
            load_all_training_images,
            quick_recipe,
            read_out_of_fold,
        )

        config = get_store().config_in_force(subject.run.id)
        count = source.index.count("problem is null and part < 2")
        recipes = {QUICK: quick_recipe(config, source.info.image_size, count), OWN: config}
        learned = finish(load_all_training_images(source))
        saved = (read_out_of_fold(subject.folder, source.info, recipe) for recipe in reversed(recipes.values()))
        found = next((predictions for predictions in saved if predictions and predictions.covers(rows_of(learned))), None)
    if found is None:
        recipe = _choose_settings(subject, recipes, len(learned))
        if recipe is None:
            return None
        steps = wait_for_device(get_store(), recipe.device, cross_validate_run(source, subject.folder, recipe))
        found = run_with_progress(steps, f"cross-validation-{subject.run.id}")
        st.session_state.pop(REQUESTED, None)
    st.caption(SAVED_PREDICTIONS)
    return _examine_unseen(subject.folder, found.key, source.version, subject.split, found, learned, subject.images())


@st.cache_resource(max_entries=4, show_spinner="Comparing labels with probabilities…")
def _examine_unseen(
    folder: Path, key: str, version: str, split: Split, _found: "OutOfFoldPredictions", _learned: ImageSet, _shown: ImageSet
) -> FoundLabelErrors:
    from cnn_core.metrics.label_errors import find_label_errors

    new_indices = np.searchsorted(rows_of(_shown), rows_of(_learned)).clip(max=len(_shown) - 1)
    new_indices[rows_of(_shown)[new_indices] != rows_of(_learned)] = -1
    return FoundLabelErrors(_found.evaluate(_shown), find_label_errors(_found.evaluate(_learned)).reindex(new_indices))


def _choose_settings(subject: EvaluationSubject, recipes: "dict[str, TrainConfig]", count: int) -> "TrainConfig | None":
    """Return the settings for cross-validation; None until the button is pressed."""
    if (requested := st.session_state.get(REQUESTED)) and requested[0] == subject.run.id:
        return recipes[requested[1]]
    with st.container(border=True):
        st.markdown(ABOUT.format(count=count))
        st.caption(
            "With the quick settings this takes minutes for tens of thousands of small images on a CPU. No other run starts on this device "
            "meanwhile. Each finished model is saved. If you cancel, the next start continues with the next model."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.selectbox("Settings", list(recipes), width=260, key=f"label-errors-settings-{subject.run.id}")
            st.button(
                "Cross-validate",
                type="primary",
                icon=":material/play_arrow:",
                on_click=_start,
                args=(subject.run.id, name),
                key="cross-validate",
            )
    return None


def _start(run: str, name: str) -> None:
    st.session_state[REQUESTED] = run, name


def _show(subject: EvaluationSubject, found: FoundLabelErrors, true_class: int | None) -> None:
    evaluation, errors = found.evaluation, found.errors
    suggested = dict(zip(errors.indices.tolist(), errors.suggested.tolist(), strict=True))
    is_shown = slice(None) if true_class is None else evaluation.labels[errors.indices] == true_class
    indices, total, classes = errors.indices[is_shown], errors.joint.sum(), evaluation.classes
    metrics = st.grid(2, min_column_width=180)
    metrics.metric("Suspected images", f"{len(indices):,}", border=True, help="Shown below, smallest margin first.")
    metrics.metric(
        "Estimated label errors",
        f"{errors.estimated_count / total:.1%} of {total:,.0f}" if evaluation.accuracy >= MIN_ACCURACY else "–",
        border=True,
        help="Estimated from the images that are confidently predicted as another class. These include mistakes of the models, so the true number is probably lower.",
    )
    if evaluation.accuracy < MIN_ACCURACY:
        st.warning(
            f"The accuracy on these images is only {evaluation.accuracy:.0%}: most suspected images are mistakes of the model. Train a better "
            "model first.",
            icon=":material/warning:",
        )
    if not len(indices):
        st.success("No probable label errors were found.", icon=":material/check_circle:")
        return

    def describe(index: int) -> str:
        return f"{classes[suggested[index]]}, not {classes[evaluation.labels[index]]}?"

    key = f"label-errors-{subject.name}-{true_class}"
    show_actions(subject, show_image_grid(subject, evaluation, indices, key, describe), f"{key}-picked", suggested)
