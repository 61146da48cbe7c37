"""A data set of the catalogue that is not imported yet: its facts, and how to download it or use files that are already on this machine."""

from pathlib import Path

import streamlit as st

from cnn_core.data.catalog import CATALOG, CatalogEntry
from cnn_core.data.catalog_source import CatalogSource
from cnn_core.errors import StudioError
from pages.charts.images import labelled_grid
from pages.shared.people import may_read_paths, person
from pages.shared.server import get_jobs, get_store
from pages.shared.text import plain
from pages.views.data.jobs import note_start


def show_entry(entry: CatalogEntry) -> None:
    """Show size, classes, licence and sample images of a catalogue entry, and offer to download or import it."""
    info = entry.info
    st.write(entry.help)
    metrics = st.grid(4, min_column_width=150)
    metrics.metric("Training images", f"{info.train_count:,}", border=True)
    metrics.metric("Test images", f"{info.test_count:,}", border=True)
    metrics.metric("Classes", f"{len(info.classes)}", border=True, help=plain(", ".join(info.classes[:30])))
    metrics.metric("Image size", f"{info.image_size} px", border=True, help="Grey." if info.channels == 1 else "Colour.")
    st.caption(f"Licence: {entry.licence}")
    samples = entry.samples()
    if samples is not None:
        st.html(labelled_grid(samples, info.classes))
    megabytes = sum(archive.megabytes for archive in entry.archives)
    if st.button(f"Download {megabytes:,.0f} MB", type="primary", key="data-download", icon=":material/download:"):
        _start_import(info.name)
    if may_read_paths():
        with st.expander("Use a downloaded file"):
            _show_file_form(info.name)


def _show_file_form(name: str) -> None:
    missing = CatalogSource(CATALOG[name], get_store().home).missing_archives
    st.caption(f"Missing: {', '.join(missing)}. The checksum of the file is verified before it is copied into the studio home.")
    path = st.text_input(
        "Path of the file",
        placeholder=f"/home/me/{missing[0] if missing else ''}",
        key=f"data-archive-{name}",
        help="On the machine that runs the dashboard.",
    )
    if st.button("Use this file", key="data-use-archive", disabled=not path.strip()):
        _add_archive(name, Path(path.strip()).expanduser())


def _add_archive(name: str, path: Path) -> None:
    """Add an archive from a file, and import the data set when no archive is missing."""
    source = CatalogSource(CATALOG[name], get_store().home)
    try:
        with st.spinner("Checking the file…"):
            source.add_archive(path)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if source.missing_archives:
        st.success(f"The file was added. Still missing: {', '.join(source.missing_archives)}.")
    else:
        _start_import(name)


def _start_import(name: str) -> None:
    """Queue the download and import of the data set."""
    try:
        get_jobs().add(name, owner=person())
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    note_start()
    st.rerun()
