"""Pictures that stand in two parts of the data: the network is tested on what it has seen, which flatters every figure."""

import streamlit as st

from cnn_core.data.imported import ImportedSource
from cnn_core.data.index import Item
from cnn_core.data.owners import owner_of
from cnn_core.data.source import PARTS as ORDER
from pages.charts.images import image_html
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.shared.people import may_change
from pages.shared.text import plain
from pages.views.evaluate.corrections import correct, editable

PAGE = 8


def show_split_duplicates(subject: EvaluationSubject) -> None:
    """Pairs across parts, each of which can be taken apart."""
    source = editable(subject)
    if source is None:
        st.info("The data set is not in the studio. Look at it on the Data page first.", icon=":material/photo_library:")
        return
    total = source.index.count_pairs()["across"]
    if not total:
        st.success("No picture stands in two parts of this data.", icon=":material/check_circle:")
        return
    st.caption(
        f"{total:,} {'pair stands' if total == 1 else 'pairs stand'} in two parts: the network is tested on pictures that it learned from. "
        "Excluding the training image of a pair, and training again, keeps the test as it is."
    )
    pages = -(-total // PAGE)
    page = st.pagination(pages, key=f"twins-page-{subject.run.id}") if pages > 1 else 1
    start = (page - 1) * PAGE
    for first, second, is_same in source.index.pairs(
        limit=min(PAGE, total - start), offset=start
    ):  # those across parts come first
        _show_pair(source, (first, second), is_same)


def _show_pair(source: ImportedSource, pair: tuple[Item, Item], is_same: bool) -> None:
    pool, classes = source.pool, source.info.classes
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        for item in pair:
            part = PARTS[ORDER[item.part]]
            with st.container(width=190):
                about = f"{part.capitalize()} image, {classes[item.label]}"
                st.html(image_html(pool[item.row], about, width=96))
                st.caption(plain(f"{about} · {item.path}"))
                if may_change(owner_of(source.folder)):
                    st.button(
                        f"Exclude the {part} one",
                        key=f"twin-{pair[0].row}-{pair[1].row}-{item.row}",
                        on_click=correct,
                        args=(source, [item.row], "is_excluded", 1),
                    )
        with st.container(width="stretch"):
            st.badge("same file" if is_same else "nearly the same picture", color="orange")
            if pair[0].label != pair[1].label:
                st.badge("two classes: one is wrong", color="red")
