"""Images of a set to look at and correct: a grid to pick from, pairs of duplicates, and the list of corrections with its way back."""

import time

import streamlit as st

from cnn_core.data.imported import ImportedSource
from cnn_core.data.index import USED, Item
from cnn_core.data.owners import owner_of
from cnn_core.data.source import PARTS
from pages.charts.components.picker import GridImage, pick_images, untick
from pages.charts.images import image_html
from pages.shared.choice import choose_class
from pages.shared.people import may_change, show_owner
from pages.shared.text import plain

PAGE, PAIRS_PAGE = 32, 8
EDITED = "data-edited"
STATES = {"Used": USED, "Excluded": "problem is null and is_excluded", "Class changed": "problem is null and label != given"}
PART_NAMES = {"train": "training", "val": "validation", "test": "test"}


@st.fragment
def show_images(source: ImportedSource) -> None:
    """A filtered, paged grid; what is ticked can be excluded, taken back in, or given another class."""
    if st.session_state.pop(EDITED, False):
        st.rerun()  # the figures above have changed too, and they are not part of this fragment
    where, values = _filters(source)
    count = source.count(where, values)
    st.caption(f"{count:,} images")
    if not count:
        st.info("No image fits this choice. Choose another class, part or state.", icon=":material/search:")
        return
    pages = -(-count // PAGE)
    page = st.pagination(pages, key=f"data-page-{where}-{values}") if pages > 1 else 1
    items = source.index.items(where, values=values, limit=PAGE, offset=(page - 1) * PAGE)
    pool, classes = source.pool, source.info.classes
    pictures = [GridImage(item.row, pool[item.row], classes[item.label], _about(item, classes)) for item in items]
    _actions(source, pick_images(_picked(source), pictures))


def _picked(source: ImportedSource) -> str:
    """Where the session keeps the ticks."""
    return f"picked-{source.folder.name}"


def _filters(source: ImportedSource) -> tuple[str, tuple[int, ...]]:
    """The condition that the boxes stand for, with its values."""
    classes = source.info.classes
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = choose_class("Class", classes, width=220)
        part = st.segmented_control(
            "Part", ["all", *PARTS], default="all", required=True, format_func=lambda p: PART_NAMES.get(p, p)
        )
        state = st.segmented_control("State", list(STATES), default="Used", required=True)
    where, values = STATES[state], ()
    if label is not None:
        where, values = f"{where} and label = ?", (*values, label)
    if part != "all":
        where, values = f"{where} and part = ?", (*values, PARTS.index(part))
    return where, values


def _actions(source: ImportedSource, picked: list[int]) -> None:
    """What can be done with the ticked images."""
    if not may_change(owner := owner_of(source.folder)):
        show_owner(owner)
        return
    if not picked:
        st.caption("Tick images to exclude them or to change their class.")
        return
    classes = source.info.classes
    with st.container(horizontal=True, vertical_alignment="bottom", border=True):
        st.button(f"Exclude {len(picked)}", icon=":material/block:", on_click=_edit, args=(source, picked, "is_excluded", 1))
        st.button(f"Take {len(picked)} back in", icon=":material/add:", on_click=_edit, args=(source, picked, "is_excluded", 0))
        label = st.selectbox("Right class", range(len(classes)), format_func=lambda number: classes[number], width=200)
        st.button(
            f"Change the class of {len(picked)}", icon=":material/label:", on_click=_edit, args=(source, picked, "label", label)
        )


def _edit(source: ImportedSource, rows: list[int], field: str, new: int) -> None:
    changed = source.index.edit(rows, field, new)
    untick(_picked(source))
    st.toast(f"{changed} images were changed. Corrections lists it, and undoes it." if changed else "Nothing had to be changed.")
    st.session_state[EDITED] = True


def show_duplicates(source: ImportedSource) -> None:
    """Pairs that are the same file or nearly the same picture, those in two parts first."""
    total = sum(source.index.count_pairs()[kind] for kind in ("same", "near"))
    if not total:
        st.success("No duplicates were found.", icon=":material/check_circle:")
        return
    st.caption(
        "Those that stand in two parts come first: they flatter the result. Excluding the second of a pair leaves the first."
    )
    pages = -(-total // PAIRS_PAGE)
    page = st.pagination(pages, key="data-pairs-page") if pages > 1 else 1
    pairs = source.index.pairs(limit=PAIRS_PAGE, offset=(page - 1) * PAIRS_PAGE)
    pool, classes, is_mine = source.pool, source.info.classes, may_change(owner_of(source.folder))
    for first, second, is_same in pairs:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            for item in (first, second):
                with st.container(width=190):
                    st.html(image_html(pool[item.row], _alt(item, classes), width=96))
                    st.caption(plain(_about(item, classes)))
            with st.container(width="stretch"):
                st.badge(
                    "same file" if is_same else "nearly the same picture", color="orange" if first.part != second.part else "gray"
                )
                if is_mine:
                    st.button(
                        "Exclude the second",
                        key=f"pair-{first.row}-{second.row}",
                        on_click=_edit,
                        args=(source, [second.row], "is_excluded", 1),
                    )


def show_corrections(source: ImportedSource) -> None:
    """What was corrected, newest first, and undo."""
    edits, classes = source.index.edits(), source.info.classes
    if not edits:
        st.info(
            "Nothing was corrected. Tick images under Images to exclude them or to change their class.", icon=":material/edit:"
        )
        return
    if may_change(owner_of(source.folder)):
        st.button("Undo the last correction", icon=":material/undo:", on_click=source.index.undo)
    what = {"is_excluded": lambda edit: "excluded" if edit.new else "taken back in"}
    st.dataframe(
        {
            "When": [time.strftime("%Y-%m-%d %H:%M", time.localtime(edit.at)) for edit in edits],
            "Image": [edit.path for edit in edits],
            "Correction": [
                what.get(edit.field, lambda edit: f"{classes[edit.old]} → {classes[edit.new]}")(edit) for edit in edits
            ],
        },
        hide_index=True,
    )


def _about(item: Item, classes: tuple[str, ...]) -> str:
    given = f", came as {classes[item.given]}" if item.given != item.label else ""
    return f"{item.path} · {classes[item.label]}{given} · {PART_NAMES[PARTS[item.part]]} · {item.width}×{item.height}"


def _alt(item: Item, classes: tuple[str, ...]) -> str:
    return f"{classes[item.label]}, image {item.row}"
