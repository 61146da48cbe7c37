"""Freeing disk space of data sets without removing one: what runs have made of their images is deleted, and made again when it is needed."""

from pathlib import Path

import streamlit as st

from cnn_core.data.pixel_pool import delete_pools, pools_of
from cnn_core.features.store import drop_features, feature_files
from cnn_core.runs.quota import file_bytes
from cnn_core.text import counted, format_bytes
from pages.shared.text import plain

FREES_FEATURES = "Deletes the features that pretrained networks have computed of the images of {sets} ({size}). They are computed again when a training needs them."
FREES_POOLS = "Deletes the pixels that runs have prepared at their image sizes from the photographs of {sets} ({size}). They are prepared again when a run needs them."
FREED = "{size} freed."
FREE = "free-set-space"  # the key of the button


def offer_free_space(folders: list[Path]) -> None:
    """Show what can be freed in these folders of data sets, and the button that frees it; nothing where there is nothing."""
    sizes = {
        text: {folder: size for folder in folders if (size := sum(map(file_bytes, files_of(folder))))}
        for text, files_of in ((FREES_FEATURES, feature_files), (FREES_POOLS, pools_of))
    }
    total = sum(sum(taken.values()) for taken in sizes.values())
    if not total:
        return
    with st.popover("Free space", icon=":material/mop:", help="Deletes kept features and prepared pixels of images."):
        for text, taken in sizes.items():
            if taken:
                st.write(text.format(sets=counted(len(taken), "data set"), size=format_bytes(sum(taken.values()))))
        chosen = sorted({folder for taken in sizes.values() for folder in taken})
        st.button(f"Free {format_bytes(total)}", key=FREE, type="primary", on_click=_free, args=(chosen,))


def _free(folders: list[Path]) -> None:
    try:
        freed = sum(drop_features(folder) + delete_pools(folder) for folder in folders)
    except OSError as error:
        st.toast(plain(error.strerror or error), icon=":material/error:")
        return
    st.toast(FREED.format(size=format_bytes(freed)), icon=":material/mop:")
