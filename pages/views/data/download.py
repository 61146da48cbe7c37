"""A set of the catalogue that is not on this machine yet: what it is, and the two ways to get it."""

from pathlib import Path

import streamlit as st

from cnn_core.data.catalog import Entry
from cnn_core.data.open import open_source
from cnn_core.errors import StudioError
from pages.charts.images import labelled_grid
from pages.shared.people import may_read_paths, person
from pages.shared.server import get_jobs, get_store
from pages.shared.text import plain


def show_entry(entry: Entry) -> None:
    """The catalogue's card: size, classes, licence, sample pictures; a button to download it, a field for an archive that is already there."""
    info = entry.info
    st.write(entry.help)
    figures = st.grid(4, min_column_width=150)
    figures.metric("Training images", f"{info.train_count:,}", border=True)
    figures.metric("Test images", f"{info.test_count:,}", border=True)
    figures.metric("Classes", f"{len(info.classes)}", border=True, help=plain(", ".join(info.classes[:30])))
    figures.metric("Image size", f"{info.image_size} px", border=True, help="grey" if info.channels == 1 else "colour")
    st.caption(f"Licence: {entry.licence}")
    samples = entry.samples()
    if samples is not None:
        st.html(labelled_grid(samples, info.classes))
    megabytes = sum(archive.megabytes for archive in entry.archives)
    if st.button(f"Download {megabytes:,.0f} MB", type="primary", icon=":material/download:"):
        ask_for(info.name)
    if not may_read_paths():
        return
    with st.expander("I have the file already"):
        missing = open_source(info.name, get_store().home).missing
        st.caption(f"Still missing: {', '.join(missing)}. Its checksum is compared, and it is copied into the studio's folder.")
        path = st.text_input(
            "Path of the file, on the machine that runs the dashboard", placeholder=f"/home/me/{missing[0] if missing else ''}"
        )
        if st.button("Use this file", disabled=not path.strip()):
            adopt(info.name, Path(path.strip()).expanduser())


def adopt(name: str, path: Path) -> None:
    """Take an archive from a file, and import the set when none is missing any more."""
    source = open_source(name, get_store().home)
    try:
        with st.spinner("Comparing its checksum…"):
            source.adopt(path)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if source.missing:
        st.success(f"Taken. Still missing: {', '.join(source.missing)}.")
    else:
        ask_for(name)


def ask_for(name: str) -> None:
    """Have the set downloaded and imported in the background."""
    try:
        get_jobs().add(name, owner=person())
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.rerun()
