"""Freeing disk space of data sets without removing one: the kept features of their images are deleted, which can be computed again."""

from pathlib import Path

import streamlit as st

from cnn_core.features.store import drop_features, feature_files
from cnn_core.runs.quota import file_bytes
from cnn_core.text import counted, format_bytes
from pages.shared.text import plain

FREES_FEATURES = "Deletes the features that pretrained networks have computed of the images of {sets} ({size}). They are computed again when a training needs them."
FREED = "{size} freed."


def offer_free_space(folders: list[Path]) -> None:
    """Show what kept features take in these folders of data sets, and the button that deletes them; nothing where there are none."""
    sizes = {folder: taken for folder in folders if (taken := sum(map(file_bytes, feature_files(folder))))}
    if not sizes:
        return
    size = format_bytes(sum(sizes.values()))
    with st.popover("Free space", icon=":material/mop:", help="Deletes the kept features of images."):
        st.write(FREES_FEATURES.format(sets=counted(len(sizes), "data set"), size=size))
        st.button(f"Free {size}", key="free-features", type="primary", on_click=_free, args=(list(sizes),))


def _free(folders: list[Path]) -> None:
    try:
        freed = sum(map(drop_features, folders))
    except OSError as error:
        st.toast(plain(error.strerror or error), icon=":material/error:")
        return
    st.toast(FREED.format(size=format_bytes(freed)), icon=":material/mop:")
