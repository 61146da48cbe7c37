"""Corrections of the data: exclude or relabel ticked images, and notes on data that changed after training."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import streamlit as st

from cnn_core.data.imported import ImportedSource, OnDemandSource
from cnn_core.data.owners import owner_of
from cnn_core.data.source import ImageSet
from cnn_core.text import counted
from pages.charts.components.picker import untick
from pages.shared.choice import choose_new_class
from pages.shared.evaluation_subject import EvaluationSubject
from pages.shared.form_values import fill_form
from pages.shared.links import page_file
from pages.shared.people import may_change, show_owner
from pages.shared.server import get_store

CORRECTED = "**The data was corrected after this run was trained.**"
EXCLUDED, RESTORED, RELABELLED = "excluded", "restored", "relabelled"
OWN_COPY = "Make a copy of your own on the Data page"
SINCE = "Total since then: {changes}."
LAST = "evaluate-corrections"  # session key of the message about the last correction


def editable_source(subject: EvaluationSubject) -> ImportedSource | None:
    """Return the data set to correct; None if it is not imported."""
    source = subject.source
    if isinstance(source, OnDemandSource):
        return ImportedSource(source.folder) if source.folder.is_dir() else None
    return source if isinstance(source, ImportedSource) else None


def rows_of(images: ImageSet) -> np.ndarray:
    """Return the rows of the images in their data set, (N,) int64."""
    assert images.rows is not None  # images of an imported data set have rows
    return images.rows


def correct_images(source: ImportedSource, rows: list[int], field: str, new: int, ticks: str = "") -> None:
    """Change images of the data set and clear the ticks stored under `ticks`. Called by buttons."""
    changed = source.index.corrections.apply(rows, field, new)
    verb = RELABELLED if field == "label" else EXCLUDED if new else RESTORED
    st.session_state[LAST] = f"{describe_change(changed, verb)}." if changed else "No image was changed."
    if ticks:
        untick(ticks)


def show_actions(subject: EvaluationSubject, picked: list[int], ticks: str, predicted: Mapping[int, int] | None = None) -> None:
    """Show the buttons that exclude or relabel the ticked images.

    predicted: of each suspected label error the class that it is predicted as. Those of the ticked images are at the top of the list of classes;
    none is chosen.
    """
    source = editable_source(subject)
    if source is None:
        st.caption("These images cannot be corrected: the data set is not imported. Open it on the Data page first.")
        return
    if not may_change(owner := owner_of(source.folder)):
        show_owner(owner)
        st.page_link(page_file("data"), label=OWN_COPY, icon=":material/content_copy:", query_params={"set": source.folder.name})
        return
    if not picked:
        st.caption("Tick images to exclude or relabel them.")
        return
    rows, classes = rows_of(subject.images())[picked].tolist(), source.info.classes
    with st.container(horizontal=True, vertical_alignment="bottom", border=True):
        st.button(
            f"Exclude {counted(len(picked), 'image')}",
            key="exclude-ticked",
            icon=":material/block:",
            on_click=correct_images,
            args=(source, rows, "is_excluded", 1, ticks),
        )
        label = choose_new_class(classes, f"{ticks}-class", [predicted[index] for index in picked] if predicted else ())
        st.button(
            f"Relabel {counted(len(picked), 'image')}",
            key="relabel-ticked",
            icon=":material/label:",
            disabled=label is None,
            on_click=correct_images,
            args=(source, rows, "label", label, ticks),
        )


def show_data_change(subject: EvaluationSubject) -> None:
    """Show a note if the data changed after training, with a button to train again."""
    from cnn_core.models.saving import read_card

    last = st.session_state.pop(LAST, "")
    if read_card(subject.folder).fingerprint == subject.source.info.fingerprint:
        return
    split = (
        " The validation split was drawn again, so the model was trained on some of the images shown as validation images."
        if subject.split != "test" and not subject.source.info.val_count
        else ""
    )
    with st.container(border=True):
        st.markdown(
            f"{CORRECTED} {last} {_summarise(subject)}Metrics are computed on the current data; the "
            f"run and its model are unchanged, and each correction can be undone.{split}"
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Train again",
                key="train-again",
                icon=":material/tune:",
                help="Opens the form with this run's settings. No run is started yet.",
            ):
                fill_form(get_store().config_in_force(subject.run.id))
                st.switch_page(page_file("configure"))
            if source := editable_source(subject):
                st.page_link(
                    page_file("data"),
                    label="Show or undo corrections",
                    icon=":material/undo:",
                    query_params={"set": source.folder.name, "view": "Corrections"},
                )


def _summarise(subject: EvaluationSubject) -> str:
    """Return a sentence that counts the corrections since the run was created, without those that were undone."""
    source = editable_source(subject)
    before: dict[tuple[int, str], int] = {}
    after: dict[tuple[int, str], int] = {}
    for edit in reversed(source.index.corrections.latest(-1) if source else []):
        if edit.at > subject.run.created:
            before.setdefault((edit.row, edit.field), edit.old)
            after[edit.row, edit.field] = edit.new
    changed = [key for key, new in after.items() if new != before[key]]
    verbs = {("is_excluded", 1): EXCLUDED, ("is_excluded", 0): RESTORED}
    counts = Counter(verbs.get((key[1], after[key]), RELABELLED) for key in changed)
    text = ", ".join(describe_change(count, verb) for verb, count in counts.items())
    return f"{SINCE.format(changes=text)} " if text else ""


def describe_change(count: int, verb: str) -> str:
    """Return "2 images were excluded"."""
    return f"{counted(count, 'image was', 'images were')} {verb}"
