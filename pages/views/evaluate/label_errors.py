"""Labels that are probably wrong: found by networks that never saw the images, which for training images have to be trained first."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.data.source import ImageSet, finish
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.image_grid import show_image_grid
from pages.shared.progress import run_with_progress
from pages.shared.server import get_store
from pages.views.evaluate.corrections import editable, show_actions

if TYPE_CHECKING:
    from cnn_core.config.schema import TrainConfig
    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.metrics.label_errors import LabelErrors
    from cnn_core.training.cross_validation import OutOfFoldPredictions

ASKED = "label-doubts-asked"
GOOD_ENOUGH = 0.6  # accuracy below which a network's mix-ups drown the labels that are wrong
QUICK, OWN = "a quick recipe", "this run's own settings"


@dataclass(frozen=True)
class FoundLabelErrors:
    """An evaluation of the images that are shown, by networks that never saw them, and the suspects among them."""

    evaluation: "Evaluation"
    errors: "LabelErrors"


def show_label_errors(subject: EvaluationSubject, true_class: int | None) -> None:
    """The list, or for images that the run learned from, first of all, the way to it."""
    st.caption(
        "An image is listed when networks that never saw it are confident of another class than its label (confident learning, "
        "C. Northcutt and others, 2021). Look before you correct: a hard image with a right label may be among them."
    )
    doubts = _of_seen(subject) if _may_have_seen(subject) else _of_unseen(subject)
    if doubts:
        _show(subject, doubts, true_class)


def _may_have_seen(subject: EvaluationSubject) -> bool:
    """Whether the run's network learned from some of the subject's images; after a correction, the split is another one."""
    from cnn_core.models.saving import read_card

    info = subject.source.info
    is_as_it_was = bool(info.val_count) or read_card(subject.folder).fingerprint == info.fingerprint
    return subject.part == "train" or (subject.part == "val" and not is_as_it_was)


def _of_unseen(subject: EvaluationSubject) -> FoundLabelErrors:
    evaluation = subject.evaluation()
    st.caption(
        f"This run did not learn from its {PARTS[subject.part]} images, so its own network is asked: nothing has to be trained."
    )
    return _examine_evaluation(subject.folder, evaluation.key, evaluation)


@st.cache_resource(max_entries=4, show_spinner="Comparing labels with probabilities…")
def _examine_evaluation(folder: Path, key: str, _evaluation: "Evaluation") -> FoundLabelErrors:
    from cnn_core.metrics.label_errors import find_label_errors

    return FoundLabelErrors(_evaluation, find_label_errors(_evaluation))


def _of_seen(subject: EvaluationSubject) -> FoundLabelErrors | None:
    """By cross-validation, from what is kept of one; without, None and the button that starts it."""
    source = editable(subject)
    if source is None:
        st.info("The data set is not in the studio. Look at it on the Data page first.", icon=":material/photo_library:")
        return None
    with st.spinner("Looking for what is kept…"):
        from cnn_core.execution.device_queue import in_turn
        from cnn_core.training.cross_validation import cross_validate_run, load_learned, quick_recipe, read_out_of_fold

        config = get_store().config_in_force(subject.run.id)
        count = source.index.count("problem is null and part < 2")
        recipes = {QUICK: quick_recipe(config, source.info.image_size, count), OWN: config}
        learned = finish(load_learned(source))
        kept = (read_out_of_fold(subject.folder, source.info, recipe) for recipe in reversed(recipes.values()))
        found = next((one for one in kept if one and one.covers(learned.rows)), None)
    if found is None:
        recipe = _ask(subject, recipes, len(learned))
        if recipe is None:
            return None
        steps = in_turn(get_store(), recipe.device, cross_validate_run(source, subject.folder, recipe))
        found = run_with_progress(steps, f"cross-validation-{subject.run.id}")
        st.session_state.pop(ASKED, None)
    st.caption(
        "Four networks were trained for this, each without a quarter of the images, and asked about that quarter only. Their answers are "
        "kept with the run and stay valid when you correct labels: the list follows at once."
    )
    return _examine_unseen(subject.folder, found.key, source.version, subject.part, found, learned, subject.images())


@st.cache_resource(max_entries=4, show_spinner="Comparing labels with probabilities…")
def _examine_unseen(
    folder: Path, key: str, version: str, part: str, _found: "OutOfFoldPredictions", _learned: ImageSet, _part: ImageSet
) -> FoundLabelErrors:
    from cnn_core.metrics.label_errors import find_label_errors

    to = np.searchsorted(_part.rows, _learned.rows).clip(max=len(_part) - 1)
    to[_part.rows[to] != _learned.rows] = -1
    return FoundLabelErrors(_found.of(_part), find_label_errors(_found.of(_learned)).moved(to))


def _ask(subject: EvaluationSubject, recipes: "dict[str, TrainConfig]", count: int) -> "TrainConfig | None":
    """By which settings the networks are to be trained; None until that was said."""
    if (asked := st.session_state.get(ASKED)) and asked[0] == subject.run.id:
        return recipes[asked[1]]
    with st.container(border=True):
        st.markdown(
            f"**The run learned from these images, and with them their labels.** To doubt a label it takes networks that never saw the image. "
            f"Four are trained, each on three quarters of the {count:,} training and validation images, and asked about the others."
        )
        st.caption(
            "Minutes for tens of thousands of small images on a CPU, by the quick recipe. No run starts on this device meanwhile. Each network is kept when it is done: "
            "if you cancel or leave, the next start goes on from there."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            word = st.selectbox("Train them by", list(recipes), width=260, key=f"doubts-recipe-{subject.run.id}")
            st.button(
                "Train four networks", type="primary", icon=":material/play_arrow:", on_click=_start, args=(subject.run.id, word)
            )
    return None


def _start(run: str, word: str) -> None:
    st.session_state[ASKED] = run, word


def _show(subject: EvaluationSubject, doubts: FoundLabelErrors, true_class: int | None) -> None:
    evaluation, errors = doubts.evaluation, doubts.errors
    suggested = dict(zip(errors.indices.tolist(), errors.suggested.tolist(), strict=True))
    is_shown = slice(None) if true_class is None else evaluation.labels[errors.indices] == true_class
    indices, total, classes = errors.indices[is_shown], errors.joint.sum(), evaluation.classes
    figures = st.grid(2, min_column_width=180)
    figures.metric("Suspects", f"{len(indices):,}", border=True, help="Shown below, the most doubtful first.")
    figures.metric(
        "Wrong labels, estimated",
        f"{errors.estimated / total:.1%} of {total:,.0f}" if evaluation.accuracy >= GOOD_ENOUGH else "–",
        border=True,
        help="From how often images of each class are confidently taken for another one. Networks mix classes up by themselves too, so the truth is rather lower.",
    )
    if evaluation.accuracy < GOOD_ENOUGH:
        st.warning(
            f"The network asked is right on {evaluation.accuracy:.0%} of these images only. With so many mistakes of its own it can hardly tell "
            "wrong labels: most suspects will be its own mix-ups. Train a better one first.",
            icon=":material/warning:",
        )
    if not len(indices):
        st.success("No label is doubted here.", icon=":material/check_circle:")
        return

    def ask(index: int) -> str:
        return f"{classes[suggested[index]]}, not {classes[evaluation.labels[index]]}?"

    key = f"doubts-{subject.name}-{true_class}"
    show_actions(subject, show_image_grid(subject, evaluation, indices, key, ask), f"{key}-picked", suggested)
