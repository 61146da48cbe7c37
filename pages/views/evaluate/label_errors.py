"""Probable label errors: images for which models that were not trained on them predict another class; training images by cross-validation."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.config.images import image_shape
from cnn_core.data.imported import ImportedSource
from cnn_core.data.source import DataInfo, ImageSet, Split, finish
from cnn_core.text import counted
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.links import page_file
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.views.evaluate.corrections import editable_source, rows_of, show_actions

if TYPE_CHECKING:
    from cnn_core.config.schema import TrainConfig
    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.label_errors import LabelErrors
    from cnn_core.training.out_of_fold import OutOfFoldPredictions

REQUESTED = "label-errors-requested"
SUSPECTED = (
    "**{suspected}** of {images}. If {rate:.1%} of the labels are wrong, as on average in ten well-known data sets, expect about **{expected}** with a wrong "
    "label among them. The others are labelled correctly, and the model is wrong."
)
ESTIMATED = "Confident learning estimates that {fraction:.1%} of {total:,.0f} labels are wrong; mistakes of the model raise this estimate."
MOSTLY_MISTAKES = (
    "**{suspected}: a mistake of the model is more likely here than a label error.** It misclassifies {error:.0%} of {images}. In ten well-known data sets, "
    "{rate:.1%} of the labels are wrong on average and {highest:.0%} at most, so expect about {expected} with a wrong label here. First train a "
    "better model: for more epochs, with augmentation, or {start}. Until then, correct a label only if you see that it is wrong."
)
FROM_PRETRAINED, OTHER_PRETRAINED = "from pretrained weights", "with another pretrained network"
SOURCE = "Rates: C. Northcutt, A. Athalye and J. Mueller, Pervasive Label Errors in Test Sets, 2021."
ORDER = "{images}, smallest margin first: the probability of the label minus that of the predicted class."
QUICK, OWN = "quick settings", "this run's settings"
ABOUT = (
    "**The model was trained on these images.** Label errors are found by cross-validation: the {count:,} training and validation images are divided "
    "into {folds} folds, and those of each fold are classified by {model} that was trained on the others."
)
SAVED_PREDICTIONS = (
    "The predictions are out-of-fold: the images were divided into {folds} folds, and those of each fold were classified by {model} that was trained on "
    "the others. They are saved with the run and stay valid when you correct labels."
)
MODEL, HEAD = "a model", "a head on the kept features"
TAKES_MINUTES = (
    "With the quick settings this takes minutes for tens of thousands of small images on a CPU. No other run starts on this device meanwhile. Each "
    "finished model is saved. If you cancel, the next start continues with the next model."
)
TAKES_SECONDS = "This takes seconds where the features of the images are kept; others are computed first. No other run starts on this device meanwhile."


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
        from cnn_core.training.cross_validation import count_folds, cross_validate_run, load_all_training_images, quick_recipe

        config = get_store().config_in_force(subject.run.id)
        quick = quick_recipe(config, source.info.image_size, source.index.count("problem is null and part < 2"))
        # A head is trained on kept features, which is as quick with its own settings: there is nothing to choose.
        recipes = {OWN: quick} if quick == config or config.learns_on_features else {QUICK: quick, OWN: config}
        shaped = ImportedSource(source.folder, image_shape(config))  # a quick model takes the small squares
        sources = {name: shaped if recipe.model == config.model else source for name, recipe in recipes.items()}
        learned = finish(load_all_training_images(source))
        found = _read_saved(subject.folder, [(sources[name].info, recipes[name]) for name in reversed(recipes)], learned)
        if (
            found is None and config.learns_on_features and subject.split == "train"
        ):  # where only training images were cross-validated at the end of the run
            found = _read_saved(subject.folder, [(shaped.info, quick)], subject.images())
            learned = subject.images() if found else learned
    if found is None:
        chosen = _choose_settings(subject, recipes, len(learned))
        if chosen is None:
            return None
        recipe = recipes[chosen]
        steps = cross_validate_run(sources[chosen], subject.folder, recipe, count_folds(recipe))
        found = run_with_progress(wait_for_device(get_store(), recipe.device, steps), f"cross-validation-{subject.run.id}")
        st.session_state.pop(REQUESTED, None)
    st.caption(SAVED_PREDICTIONS.format(folds=found.folds, model=_model_of(quick)))
    return _examine_unseen(subject.folder, found.key, source.version, subject.split, found, learned, subject.images())


def _read_saved(folder: Path, made_by: list[tuple[DataInfo, "TrainConfig"]], images: ImageSet) -> "OutOfFoldPredictions | None":
    """Return the first predictions for all `images` that are saved in the folder of the run; None without any.

    made_by: the data set and the settings that they may have been made by.
    """
    from cnn_core.training.cross_validation import FOLDS, count_folds
    from cnn_core.training.out_of_fold import read_out_of_fold

    for info, recipe in made_by:
        for folds in dict.fromkeys((count_folds(recipe), FOLDS)):  # also those of heads in earlier versions
            found = read_out_of_fold(folder, info, recipe, folds)
            if found and found.covers(rows_of(images)):
                return found
    return None


def _model_of(recipe: "TrainConfig") -> str:
    return HEAD if recipe.learns_on_features else MODEL


@st.cache_resource(max_entries=4, show_spinner="Comparing labels with probabilities…")
def _examine_unseen(
    folder: Path, key: str, version: str, split: Split, _found: "OutOfFoldPredictions", _learned: ImageSet, _shown: ImageSet
) -> FoundLabelErrors:
    from cnn_core.metrics.label_errors import find_label_errors

    new_indices = np.searchsorted(rows_of(_shown), rows_of(_learned)).clip(max=len(_shown) - 1)
    new_indices[rows_of(_shown)[new_indices] != rows_of(_learned)] = -1
    return FoundLabelErrors(_found.evaluate(_shown), find_label_errors(_found.evaluate(_learned)).reindex(new_indices))


def _choose_settings(subject: EvaluationSubject, recipes: "dict[str, TrainConfig]", count: int) -> str | None:
    """Return the name of the settings for cross-validation; None until the button is pressed."""
    if (requested := st.session_state.get(REQUESTED)) and requested[0] == subject.run.id:
        return str(requested[1])
    from cnn_core.training.cross_validation import count_folds

    recipe, names = next(iter(recipes.values())), list(recipes)
    with st.container(border=True):
        st.markdown(ABOUT.format(count=count, folds=count_folds(recipe), model=_model_of(recipe)))
        st.caption(TAKES_SECONDS if recipe.learns_on_features else TAKES_MINUTES)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = names[0]
            if len(names) > 1:
                name = st.selectbox("Settings", names, width=260, key=f"label-errors-settings-{subject.run.id}")
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
    _judge(subject, evaluation, errors)
    predicted = dict(zip(errors.indices.tolist(), errors.suggested.tolist(), strict=True))
    is_shown = slice(None) if true_class is None else evaluation.labels[errors.indices] == true_class
    indices, classes = errors.indices[is_shown], evaluation.classes
    if not len(indices):
        st.success("No probable label errors were found.", icon=":material/check_circle:")
        return
    st.caption(ORDER.format(images=counted(len(indices), "suspected image")))

    def describe(index: int) -> str:
        return f"Label: {classes[evaluation.labels[index]]}\nPrediction: {classes[predicted[index]]}"

    key = f"label-errors-{subject.name}-{true_class}"
    picked = show_image_grid(subject, evaluation, indices, key, describe, are_large=True)
    show_actions(subject, picked, f"{key}-picked", predicted)


def better_start(config: "TrainConfig") -> str:
    """Return what a better model than that of a run with these settings may start from."""
    return FROM_PRETRAINED if config.starting_weights == "scratch" else OTHER_PRETRAINED


def _judge(subject: EvaluationSubject, evaluation: "Evaluation", errors: "LabelErrors") -> None:
    """Say how many of the suspected images are label errors, and what to do first if most are mistakes of the model."""
    from cnn_core.metrics.label_errors import HIGHEST_RATE, TYPICAL_RATE, are_mostly_mistakes, expected_label_errors

    suspects, images = len(errors.indices), len(evaluation)
    if not suspects:
        return
    expected = counted(expected_label_errors(suspects, images), "image")
    suspected, of_split = counted(suspects, "suspected image"), f"{images:,} {SPLITS[subject.split]} images"
    if not are_mostly_mistakes(evaluation.accuracy):
        total = float(errors.joint.sum())
        estimate = ESTIMATED.format(fraction=errors.estimated_count / total, total=total)
        st.markdown(SUSPECTED.format(suspected=suspected, images=of_split, rate=TYPICAL_RATE, expected=expected))
        st.caption(f"{estimate} {SOURCE}")
        return
    st.warning(
        MOSTLY_MISTAKES.format(
            suspected=suspected,
            images=of_split,
            error=1 - evaluation.accuracy,
            rate=TYPICAL_RATE,
            highest=HIGHEST_RATE,
            expected=expected,
            start=better_start(subject.run.config),
        ),
        icon=":material/warning:",
    )
    st.caption(SOURCE)
    st.page_link(page_file("configure"), label="Choose settings", icon=":material/tune:")
