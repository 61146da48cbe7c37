"""Duplicates across splits: if the model is evaluated on images that it was trained on, all metrics are too high."""

import streamlit as st

from cnn_core.data.imported import ImportedSource
from cnn_core.data.index.schema import ImageRecord
from cnn_core.data.owners import owner_of
from cnn_core.data.source import SPLITS as ORDER
from cnn_core.text import counted
from pages.charts.images import image_html
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.shared.people import may_change
from pages.shared.text import plain
from pages.views.evaluate.corrections import correct_images, editable_source

PAGE = 8
FOUND = (
    "{pairs} of duplicates across two splits: the model is evaluated on images it was trained on. Exclude the training image of each pair and train "
    "again. The test images then stay the same."
)
NO_DUPLICATES = "No image is in two splits."


def show_split_duplicates(subject: EvaluationSubject) -> None:
    """Show the pairs across splits, with buttons to exclude an image."""
    source = editable_source(subject)
    if source is None:
        st.info("The data set is not imported. Open it on the Data page first.", icon=":material/photo_library:")
        return
    total = source.index.duplicates.counts()["across"]
    if not total:
        st.success(NO_DUPLICATES, icon=":material/check_circle:")
        return
    st.caption(FOUND.format(pairs=counted(total, "pair")))
    pages = -(-total // PAGE)
    page = st.pagination(pages, key=f"duplicates-page-{subject.run.id}") if pages > 1 else 1
    start = (page - 1) * PAGE
    for first, second, is_same in source.index.duplicates.pairs(
        limit=min(PAGE, total - start), offset=start
    ):  # pairs across splits come first
        _show_pair(source, (first, second), is_same)


def _show_pair(source: ImportedSource, pair: tuple[ImageRecord, ImageRecord], is_same: bool) -> None:
    classes = source.info.classes
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        for item in pair:
            split = SPLITS[ORDER[item.split]]
            with st.container(width=190):
                about = f"{split.capitalize()} image, {classes[item.label]}"
                st.html(image_html(source.image(item.row), about, width=96))
                st.caption(plain(f"{about} · {item.path}"))
                if may_change(owner_of(source.folder)):
                    st.button(
                        f"Exclude {split} image",
                        key=f"duplicate-{pair[0].row}-{pair[1].row}-{item.row}",
                        on_click=correct_images,
                        args=(source, [item.row], "is_excluded", 1),
                    )
        with st.container(width="stretch"):
            st.badge("same file" if is_same else "nearly the same image", color="orange")
            if pair[0].label != pair[1].label:
                st.badge("two classes: one label is wrong", color="red")
