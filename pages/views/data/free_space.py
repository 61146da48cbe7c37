"""Freeing disk space of data sets without removing one: what runs have made of their images is deleted, and made again when it is needed."""

from pathlib import Path

import streamlit as st

from cnn_core.data.pixel_pool import delete_pools, pools_of
from cnn_core.features.store import drop_features, feature_files
from cnn_core.files import Deletion
from cnn_core.runs.quota import file_bytes
from cnn_core.text import counted, format_bytes
from pages.shared.notices import notify
from pages.shared.text import plain

FREES_FEATURES = "Deletes the features that pretrained networks have computed of the images of {sets} ({size}). They are computed again when a training needs them."
FREES_POOLS = "Deletes the pixels that runs have prepared at their image sizes from the photographs of {sets} ({size}). They are prepared again when a run needs them."
FREED = "{size} freed."
NOT_FREED = "{files} could not be deleted: {name} ({reason}). Wait for the runs that use them, check the permissions of the studio home, then try again."
FREE = "free-set-space"  # the key of the button
FREE_FAILED = "free-set-space-error"  # in the session: the message of what could not be deleted


def offer_free_space(folders: list[Path]) -> None:
    """Show what can be freed in these folders of data sets, and the button that frees it; nothing where there is nothing."""
    if error := st.session_state.pop(FREE_FAILED, None):
        st.error(plain(error), icon=":material/error:")
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
    deletion = sum((drop_features(folder) + delete_pools(folder) for folder in folders), Deletion())
    notify(FREED.format(size=format_bytes(deletion.freed)), icon=":material/mop:")
    if deletion.left:
        path, reason = deletion.left[0]
        files = counted(len(deletion.left), "file")
        st.session_state[FREE_FAILED] = NOT_FREED.format(files=files, name=path.name, reason=reason)
