"""Correcting the data where its mistakes are seen: what can be done with ticked images, and what a correction means for a run."""

from collections import Counter
from collections.abc import Mapping

import streamlit as st

from cnn_core.data.imported import ImportedSource, OnDemandSource
from cnn_core.data.owners import owner_of
from pages.charts.components.picker import untick
from pages.shared.evaluation_subject import EvaluationSubject
from pages.shared.form_values import fill_form
from pages.shared.links import page_file
from pages.shared.people import may_change, show_owner
from pages.shared.server import get_store

MADE = "evaluate-corrections"  # a sentence on the correction that was just made


def editable(subject: EvaluationSubject) -> ImportedSource | None:
    """The set whose index corrections go into; None while it is not in the studio home."""
    source = subject.source
    if isinstance(source, OnDemandSource):
        return ImportedSource(source.folder) if source.folder.is_dir() else None
    return source if isinstance(source, ImportedSource) else None


def correct(source: ImportedSource, rows: list[int], field: str, new: int | list[int], ticks: str = "") -> None:
    """Change images of the set; the ticks kept under `ticks` go. To be called on a click."""
    changed = source.index.edit(rows, field, new)
    what = "class was changed" if field == "label" else "image was excluded" if new else "image was taken back in"
    st.session_state[MADE] = f"{changed:,} × {what}." if changed else "Nothing had to be changed."
    if ticks:
        untick(ticks)


def show_actions(subject: EvaluationSubject, picked: list[int], ticks: str, suggested: Mapping[int, int] | None = None) -> None:
    """What can be done with the ticked images: exclude them, or give them another class, for suspects the `suggested` one of each."""
    source = editable(subject)
    if source is None:
        st.caption(
            "These images cannot be corrected here: their data set is not in the studio. Look at it on the Data page first."
        )
        return
    if not may_change(owner := owner_of(source.folder)):
        show_owner(owner)
        return
    if not picked:
        st.caption("Tick images to exclude them from the data or to correct their class.")
        return
    rows, classes = subject.images().rows[picked].tolist(), source.info.classes
    with st.container(horizontal=True, vertical_alignment="bottom", border=True):
        if suggested:
            st.button(
                f"Relabel {len(picked)} to the suggested class",
                type="primary",
                icon=":material/auto_fix_high:",
                on_click=correct,
                args=(source, rows, "label", [int(suggested[index]) for index in picked], ticks),
            )
        st.button(
            f"Exclude {len(picked)}", icon=":material/block:", on_click=correct, args=(source, rows, "is_excluded", 1, ticks)
        )
        label = st.selectbox("Right class", range(len(classes)), format_func=classes.__getitem__, width=200, key=f"{ticks}-class")
        st.button(f"Relabel {len(picked)}", icon=":material/label:", on_click=correct, args=(source, rows, "label", label, ticks))


def show_change(subject: EvaluationSubject) -> None:
    """Where the data is no longer what the run was trained on: that, what it means for what is shown, and a way to train again."""
    from cnn_core.models.saving import read_card

    made = st.session_state.pop(MADE, "")
    if read_card(subject.folder).fingerprint == subject.source.info.fingerprint:
        return
    split = (
        " Which of them are for validation was drawn anew, so this network has seen some of those that are shown as validation images."
        if subject.part != "test" and not subject.source.info.val_count
        else ""
    )
    with st.container(border=True):
        st.markdown(
            f"**The data was corrected since this run was trained.** {made} {_in_all(subject)}What is shown was computed anew on the data as it is now; the "
            f"run and its network are what they were, and every correction can be undone.{split}"
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Train again on the corrected data",
                icon=":material/tune:",
                help="Opens the form with this run's settings. Nothing is started.",
            ):
                fill_form(get_store().config_in_force(subject.run.id))
                st.switch_page(page_file("configure"))
            if source := editable(subject):
                st.page_link(
                    page_file("data"),
                    label="Look at the corrections, or undo them",
                    icon=":material/undo:",
                    query_params={"set": source.folder.name, "view": "Corrections"},
                )


def _in_all(subject: EvaluationSubject) -> str:
    """What of the corrections since the run was made still holds, in a sentence; an image that was taken back in as well is none."""
    source = editable(subject)
    before: dict[tuple[int, str], int] = {}
    after: dict[tuple[int, str], int] = {}
    for edit in reversed(source.index.edits(-1) if source else []):
        if edit.at > subject.run.created:
            before.setdefault((edit.row, edit.field), edit.old)
            after[edit.row, edit.field] = edit.new
    changed = [place for place, new in after.items() if new != before[place]]
    words = {("is_excluded", 1): "excluded", ("is_excluded", 0): "taken back in"}
    counts = Counter(words.get((place[1], after[place]), "given another class") for place in changed)
    told = ", ".join(f"{count:,} {'image was' if count == 1 else 'images were'} {word}" for word, count in counts.items())
    return f"Since then, in all: {told}. " if told else ""
