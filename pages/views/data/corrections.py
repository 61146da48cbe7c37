"""The images of a data set and their corrections: a grid to exclude or relabel images, pairs of duplicates, and the list of corrections."""

import time
from typing import Literal

import streamlit as st

from cnn_core.class_labels import shorten
from cnn_core.data.imported import ImportedSource
from cnn_core.data.index.schema import USED, Correction, ImageRecord
from cnn_core.data.owners import owner_of
from cnn_core.data.source import SPLIT_NAMES, SPLITS
from cnn_core.text import counted
from pages.charts.components.picker import GridImage, pick_images, untick
from pages.charts.images import image_html
from pages.shared.choice import choose_class, choose_new_class
from pages.shared.notices import notify
from pages.shared.people import may_change
from pages.shared.text import plain
from pages.views.data.own_copy import offer_own_copy

PAGE, PAIRS_PAGE = 32, 8
NAME_WIDTH = 40  # letters of a name below an image
CHANGED = "data-changed"
ACROSS_FIRST = "Pairs across two splits come first: they make the test accuracy too high."
COUNTED_TWICE = "An image that is there twice counts twice in training, or in the accuracy."
EXCLUDE_ONE = "Exclude one image of each pair."
STICKY = "sticky-data-actions"  # the style of the key keeps the actions in view while the images scroll
ALL_SPLITS, SPLIT = "all", "data-split"
STATES = {"Used": USED, "Excluded": "problem is null and is_excluded", "Relabelled": "problem is null and label != given"}
NO_IMAGES = "No images match these filters. Choose another class, split or state, or search for another name."
SORTS = {
    "Import order": "row",
    "File name": "path collate nocase, row",
    "Largest file": "bytes desc, row",
    "Largest image": "width * height desc, row",
    "Smallest image": "width * height, row",
}
TICKED = "{images} ticked"
Field = Literal["is_excluded", "label"]
Values = tuple[int | str, ...]


@st.fragment
def show_images(source: ImportedSource) -> None:
    """Show a filtered, paged grid; ticked images can be excluded, restored or relabelled."""
    if st.session_state.pop(CHANGED, False):
        st.rerun()  # the counts above have changed too, and they are outside this fragment
    where, values = _choose_filters(source)
    where, values, order = _search_and_sort(where, values)
    count = source.index.count(where, values) if _is_search(values) else source.count(where, values)
    st.caption(counted(count, "image"))
    if not count:
        st.info(NO_IMAGES, icon=":material/search:")
        return
    pages = -(-count // PAGE)
    page = st.pagination(pages, key=f"data-page-{where}-{values}-{order}") if pages > 1 else 1
    records = source.index.records(where, values=values, limit=PAGE, offset=(page - 1) * PAGE, order=order)
    classes = source.info.classes
    images = [
        GridImage(record.row, source.image(record.row), _caption(record, classes), _describe(record, classes))
        for record in records
    ]
    _show_actions(source, pick_images(_picked_key(source), images))


def _picked_key(source: ImportedSource) -> str:
    """Return the session key of the ticked images."""
    return f"picked-{source.folder.name}"


def _choose_filters(source: ImportedSource) -> tuple[str, Values]:
    """Return the SQL condition of the chosen filters, with its values."""
    classes = source.info.classes
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = choose_class("Class", classes, width=220, key=f"data-class-filter-{source.folder.name}")
        splits = _splits_of(source)
        if st.session_state.get(SPLIT) not in splits:  # chosen for another data set
            st.session_state[SPLIT] = ALL_SPLITS
        split = st.segmented_control("Split", splits, required=True, key=SPLIT, format_func=_split_name) or ALL_SPLITS
        state = st.segmented_control("State", list(STATES), default="Used", required=True, key="data-state")
    where, values = STATES[state], list[int | str]()
    if label is not None:
        where, values = f"{where} and label = ?", [*values, label]
    if split != ALL_SPLITS:
        where, values = f"{where} and part = ?", [*values, SPLITS.index(split)]
    return where, tuple(values)


def _splits_of(source: ImportedSource) -> list[str]:
    """Return the splits with images, excluded or not: validation images that each run draws from the training images are in no split of the set."""
    return [
        ALL_SPLITS,
        *(split for number, split in enumerate(SPLITS) if source.count("problem is null and part = ?", (number,))),
    ]


def _search_and_sort(where: str, values: Values) -> tuple[str, Values, str]:
    """Return the condition extended by the name that is searched for, its values, and the chosen order in SQL."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("File name", placeholder="Part of a name", width=220, key="data-search").strip()
        order = st.selectbox("Order", list(SORTS), width=220, key="data-sort")
    if name:
        pattern = "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in name)
        where, values = f"{where} and path like ? escape '\\'", (*values, f"%{pattern}%")
    return where, values, SORTS[order]


def _is_search(values: Values) -> bool:
    """Whether a name is searched for: counts of such conditions are not cached."""
    return any(isinstance(value, str) for value in values)


def _split_name(split: str) -> str:
    return next((name for known, name in SPLIT_NAMES.items() if known == split), split)


def _show_actions(source: ImportedSource, picked: list[int]) -> None:
    """Show the buttons that correct the ticked images."""
    if not may_change(owner_of(source.folder)):
        with st.container(key=STICKY if picked else "data-actions"):
            offer_own_copy(source)
        return
    if not picked:
        st.caption("Tick images to exclude or relabel them.")
        return
    classes, count = source.info.classes, len(picked)
    with st.container(horizontal=True, vertical_alignment="center", key=STICKY):
        st.markdown(f"**{TICKED.format(images=counted(count, 'image'))}**", width="content")
        for label, key, icon, new in (("Exclude", "data-exclude", "block", 1), ("Restore", "data-restore", "add", 0)):
            st.button(label, key=key, icon=f":material/{icon}:", on_click=_correct, args=(source, picked, "is_excluded", new))
        chosen = choose_new_class(classes, f"data-correct-class-{source.folder.name}", hides_label=True)
        st.button(
            "Relabel",
            key="data-relabel",
            icon=":material/label:",
            disabled=chosen is None,
            on_click=_correct,
            args=(source, picked, "label", chosen),
        )
        st.button("Untick all", key="data-untick", icon=":material/close:", on_click=untick, args=(_picked_key(source),))


def _correct(source: ImportedSource, rows: list[int], field: Field, new: int) -> None:
    count = source.index.corrections.apply(rows, field, new)
    untick(_picked_key(source))
    notify(
        f"{counted(count, 'image was', 'images were')} changed. To undo this, open Corrections."
        if count
        else "No image was changed, because all ticked images have this value already."
    )
    st.session_state[CHANGED] = True


def show_duplicates(source: ImportedSource) -> None:
    """Show pairs of identical files and nearly identical images, those in two splits first."""
    counts = source.index.duplicates.counts()
    total = counts["same"] + counts["near"]
    if not total:
        st.success("No duplicates were found.", icon=":material/check_circle:")
        return
    st.caption(f"{ACROSS_FIRST if counts['across'] else COUNTED_TWICE} {EXCLUDE_ONE}")
    pages = -(-total // PAIRS_PAGE)
    page = st.pagination(pages, key="data-pairs-page") if pages > 1 else 1
    can_change = may_change(owner_of(source.folder))
    for first, second, is_same in source.index.duplicates.pairs(limit=PAIRS_PAGE, offset=(page - 1) * PAIRS_PAGE):
        _show_pair(source, (first, second), is_same, can_change)


def _show_pair(source: ImportedSource, pair: tuple[ImageRecord, ImageRecord], is_same: bool, can_change: bool) -> None:
    first, second = pair
    classes = source.info.classes
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        for record in pair:
            with st.container(width=190):
                st.html(image_html(source.image(record.row), f"{classes[record.label]}, image {record.row}", width=96))
                st.caption(plain(_describe(record, classes)))
        with st.container(width="stretch"):
            st.badge(
                "identical files" if is_same else "nearly identical images",
                color="orange" if first.split != second.split else "gray",
            )
            if can_change:
                st.button(
                    "Exclude second image",
                    key=f"pair-{first.row}-{second.row}",
                    on_click=_correct,
                    args=(source, [second.row], "is_excluded", 1),
                )


def show_corrections(source: ImportedSource) -> None:
    """List the corrections, newest first, with undo."""
    corrections, classes = source.index.corrections.latest(), source.info.classes
    if not corrections:
        st.info("There are no corrections. Tick images under Images to exclude or relabel them.", icon=":material/edit:")
        return
    if may_change(owner_of(source.folder)):
        st.button("Undo last correction", key="data-undo", icon=":material/undo:", on_click=_undo, args=(source,))
    st.dataframe(
        {
            "Time": [time.strftime("%Y-%m-%d %H:%M", time.localtime(correction.at)) for correction in corrections],
            "Image": [correction.path for correction in corrections],
            "Correction": [describe_correction(correction, classes) for correction in corrections],
        },
        hide_index=True,
    )


def describe_correction(correction: Correction, classes: tuple[str, ...]) -> str:
    """Return what a correction changed."""
    if correction.field == "is_excluded":
        return "excluded" if correction.new else "restored"
    return f"{classes[correction.old]} → {classes[correction.new]}"


def _undo(source: ImportedSource) -> None:
    source.index.corrections.undo()


def _caption(record: ImageRecord, classes: tuple[str, ...]) -> str:
    """Return the name of the file, shortened in its middle, above the class."""
    return f"{shorten(record.path.rpartition('/')[2], NAME_WIDTH)}\n{shorten(classes[record.label], NAME_WIDTH)}"


def _describe(record: ImageRecord, classes: tuple[str, ...]) -> str:
    imported = f", imported as {classes[record.imported_label]}" if record.imported_label != record.label else ""
    split = SPLIT_NAMES[SPLITS[record.split]]
    return f"{record.path} · {classes[record.label]}{imported} · {split} · {record.width}×{record.height}"
