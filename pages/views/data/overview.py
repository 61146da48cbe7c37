"""One imported data set: its facts, warnings about its quality, and its views, of which only the chosen one is computed."""

from collections.abc import Callable

import streamlit as st

from cnn_core.data.catalog import CATALOG
from cnn_core.data.imported import ImportedSource
from cnn_core.data.library import DataQuality, check_quality
from cnn_core.data.owners import owner_of
from cnn_core.data.set_bin import remove_set
from cnn_core.data.source import DataInfo
from cnn_core.errors import StudioError
from cnn_core.text import counted
from pages.shared.address import choose_view
from pages.shared.links import page_file
from pages.shared.people import may_change, show_owner
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.data.augmentation import show_augmentations
from pages.views.data.corrections import CHANGED, show_corrections, show_duplicates, show_images
from pages.views.data.split import show_classes
from pages.views.data.storage import name_runs, runs_with

View = Callable[[ImportedSource], None]
IMAGES, CLASSES, DUPLICATES = "Images", "Classes and splits", "Duplicates"
SKIPPED, CORRECTIONS, AUGMENTATION = "Skipped files", "Corrections", "Augmentation"
VALIDATION_HELP = "The model is evaluated on them after every epoch. Where the data set has none, a fraction of the training images is used: the setting Validation fraction."
TEST_HELP = "The best model of a run is evaluated on them once, at the end of the run."
VERSION_HELP = (
    "Runs with the same version used the same data. A correction changes the version; undoing it restores the earlier one."
)
TO_BIN = "The imported images and their corrections move to the bin, which is under Storage. The original files and the models of runs stay."
RUNS_USED = "{runs} used this data set: {names}. Their curves and figures on Train and Runs stay; Evaluate and further training need the data set."
KEPT = "photographs, kept with at most {side} pixels on the long side: each run chooses its image size"
NO_RUNS_USED = "No run used this data set."
CONFIGURE = "Configure training"
MOVED = "The data set is in the bin. To restore it, open Storage."


def show_set(name: str) -> None:
    """Show an imported data set."""
    st.session_state.pop(CHANGED, None)
    source = ImportedSource(get_store().home.set_folder(name))
    quality = check_quality(source)
    _show_facts(source, quality)
    for warning in quality.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    views: dict[str, tuple[View, int | None]] = {
        IMAGES: (show_images, None),
        CLASSES: (show_classes, None),
        DUPLICATES: (show_duplicates, quality.pairs["same"] + quality.pairs["near"]),
        SKIPPED: (_show_skipped_files, quality.skipped),
        CORRECTIONS: (show_corrections, quality.excluded + quality.relabelled),
        AUGMENTATION: (show_augmentations, None),
    }

    def describe(view: str) -> str:
        count = views[view][1]
        return view if count is None else f"{view} ({count:,})"

    show, _ = views[choose_view("data", list(views), describe)]
    show(source)
    _show_footer(name, source)


def _show_facts(source: ImportedSource, quality: DataQuality) -> None:
    info = source.info
    metrics = st.grid(4, min_column_width=185)
    metrics.metric("Training images", f"{info.train_count:,}", border=True)
    metrics.metric(
        "Validation images", f"{info.val_count:,}" if info.val_count else "from training", border=True, help=VALIDATION_HELP
    )
    metrics.metric("Test images", f"{info.test_count:,}", border=True, help=TEST_HELP)
    metrics.metric("Classes", f"{len(info.classes)}", border=True, help=plain(", ".join(info.classes[:30])))
    licence = f" · {CATALOG[info.name].licence}" if info.name in CATALOG else ""
    st.caption(_describe_sizes(quality, info))
    st.caption(f"Version {info.fingerprint}{licence}", help=VERSION_HELP)


def _describe_sizes(quality: DataQuality, info: DataInfo) -> str:
    """Return the size of the images, and of the files that they were made from."""
    width, widest, height, tallest = quality.sizes
    files = f"{width}×{height}" if (width, height) == (widest, tallest) else f"{width}×{height} to {widest}×{tallest}"
    kind = "Grey" if info.channels == 1 else "Colour"
    stored = KEPT.format(side=info.kept_side) if info.kept_side else f"images of {info.image_size}×{info.image_size} pixels"
    return f"{kind} {stored}; the files have {files} pixels."


def _show_skipped_files(source: ImportedSource) -> None:
    """Show the files that cannot be read or are unsafe, with the reasons."""
    skipped = source.index.skipped_files()
    if not skipped:
        st.success("Every file could be read.", icon=":material/check_circle:")
        return
    st.caption("These files are not used. The original files were not changed.")
    reasons = [f"{file.explanation[:1].upper()}{file.explanation[1:]}" for file in skipped]
    st.dataframe({"File": [file.path for file in skipped], "Reason": reasons}, hide_index=True)


def _show_footer(name: str, source: ImportedSource) -> None:
    """Offer to train on the data set and to remove it."""
    st.divider()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(page_file("configure"), label=CONFIGURE, icon=":material/tune:", query_params={"data": name})
        if not may_change(owner := owner_of(source.folder)):
            show_owner(owner)
            return
        with st.popover("Remove data set", icon=":material/delete:"):
            runs = runs_with(name)
            used = RUNS_USED.format(runs=counted(len(runs), "run"), names=name_runs(runs)) if runs else NO_RUNS_USED
            st.write(plain(f"{TO_BIN} {used}"))
            if st.button("Remove", type="primary", key="data-remove"):
                try:
                    remove_set(name, get_store().home)
                except StudioError as error:
                    st.error(plain(error), icon=":material/error:")
                else:
                    st.query_params.pop("set", None)
                    st.toast(MOVED, icon=":material/delete:")
                    st.rerun()
