"""The import form: own images from a zip, a folder, a path on the server, or class by class; imported in the background."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from cnn_core.data import uploads
from cnn_core.data.catalog import CATALOG
from cnn_core.data.importer import COMMON_SIZE, MAX_SIZE, MIN_SIZE, ImportOptions
from cnn_core.data.names import NAME_CHANGED, to_set_name
from cnn_core.errors import DataError, StudioError
from cnn_core.text import counted
from pages.shared.people import may_read_paths, person
from pages.shared.server import get_jobs, get_store
from pages.shared.text import plain
from pages.views.data.collect import collect_classes, count_collected

FITS = {
    "crop": "Centre crop",
    "pad": "Pad with black",
    "stretch": "Stretch",
}
COLOURS = {"auto": "As in the images", "colour": "Colour", "grey": "Grey"}
ZIP, FOLDER, PATH, BY_CLASS = "Zip archive", "Folder", "Path on the server", "Class by class"
NOT_IMPORTED = "The import was not started."
CHANGED_NAME = "data-name-changed"  # in the session: the message that the name of the started import was changed
GetSource = Callable[[], tuple[Path, bool]]  # returns the path of the images and whether it is an upload


def show_import_form() -> None:
    """Show the form: where the images are, how to prepare them, and the button that starts the import."""
    if changed := st.session_state.pop(CHANGED_NAME, None):
        st.toast(plain(changed), icon=":material/edit:")
    st.caption(
        "Use one folder of images per class. Folders called train, val and test above them, or training_set and the like, are used as splits. Formats: JPEG, PNG, WebP, BMP and GIF. "
        "Files that cannot be read are skipped and listed. The original files are never changed."
    )
    collected = count_collected()
    forms: dict[str, Callable[[], GetSource | None]] = {
        ZIP: _upload_zip,
        FOLDER: _upload_folder,
        PATH: _enter_path,
        BY_CLASS: partial(_collect_classes, collected),
    }
    if not may_read_paths():
        del forms[PATH]
    default = BY_CLASS if any((collected or {}).values()) else ZIP
    kind = st.segmented_control("Source", list(forms), default=default, required=True, key="data-source")
    with st.container(border=True):
        get_source = forms[kind]()
    with st.container(border=True):
        name, options = _enter_options()
        is_clicked = st.button("Import", type="primary", icon=":material/input:", key="data-import", disabled=get_source is None)
        if is_clicked and get_source:
            _start_import(name, options, get_source)


def _enter_options() -> tuple[str, dict[str, Any]]:
    """Return the name of the data set and the options of the import."""
    row = st.columns(3, vertical_alignment="bottom")
    name = row[0].text_input(
        "Name",
        placeholder="flowers",
        key="data-name",
        help="Up to 60 lower-case letters, digits, - and _, beginning with a letter or digit. Capitals and spaces are changed to these.",
    )
    size = row[1].number_input(
        "Image size (pixels)",
        value=None,
        step=16,
        placeholder="automatic",
        key="data-image-size",
        help=f"Images are resized to squares with this side, {MIN_SIZE} to {MAX_SIZE} pixels. If empty: the size of the images where all are equal squares "
        f"of at most {COMMON_SIZE} pixels, else {COMMON_SIZE}.",
    )
    fit = row[2].selectbox(
        "Resizing",
        list(FITS),
        format_func=FITS.__getitem__,
        key="data-fit",
        help="How images that are not square are made square.",
    )
    row = st.columns(3, vertical_alignment="bottom")
    colour = row[0].selectbox(
        "Colour",
        list(COLOURS),
        format_func=COLOURS.__getitem__,
        key="data-colour",
        help="Grey images have one channel, colour images three.",
    )
    fraction = row[1].number_input(
        "Test fraction",
        value=0.2,
        step=0.05,
        format="%g",
        key="data-test-fraction",
        help="Fraction of the images used for testing, 0.01 to 0.9, where there is no test folder.",
    )
    seed = row[2].number_input(
        "Split seed",
        value=0,
        step=1,
        key="data-split-seed",
        help="Seed of the random choice of test images. The same seed chooses the same images.",
    )
    return name.strip(), {"image_size": size, "fit": fit, "colour": colour, "test_share": fraction, "seed": seed}


def _start_import(name: str, options: Mapping[str, Any], get_source: GetSource) -> None:
    """Check the name and the options, save the upload and queue the import."""
    try:
        ImportOptions(**options)
        typed, name = name, to_set_name(name)
        if name in CATALOG:
            raise DataError(f"The name “{name}” is taken by a data set of the catalogue. Choose another name.")
        with st.spinner("Saving the files…"):
            source, is_upload = get_source()
        get_jobs().add(name, str(source), dict(options), is_upload=is_upload, owner=person())
    except StudioError as error:
        st.error(f"{NOT_IMPORTED} {plain(error)}", icon=":material/error:")
        return
    if name != typed:
        st.session_state[CHANGED_NAME] = NAME_CHANGED.format(typed=typed, name=name)
    st.query_params["set"] = name
    st.rerun()


def _upload_zip() -> GetSource | None:
    file = st.file_uploader(
        "Zip archive", type="zip", max_upload_size=1024, help="Up to 1 GB, with one folder of images per class."
    )
    if not file:
        return None

    def save() -> tuple[Path, bool]:
        get_store().quota.check_disk(person(), file.size)
        return uploads.save_zip(file, file.name, get_store().home, person()), True

    return save


def _upload_folder() -> GetSource | None:
    files = st.file_uploader(
        "Folder",
        accept_multiple_files="directory",
        max_upload_size=64,
        help="A folder with one sub-folder of images per class. Other files in it are skipped and listed.",
    )
    if not files:
        return None
    st.caption(counted(len(files), "file"))

    def save() -> tuple[Path, bool]:
        get_store().quota.check_disk(person(), sum(file.size for file in files))
        return uploads.pack_folder(((file.name, file) for file in files), get_store().home, person()), True

    return save


def _enter_path() -> GetSource | None:
    path = st.text_input(
        "Folder or zip archive",
        placeholder="/home/me/flowers",
        key="data-path",
        help="A path on the machine that runs the dashboard.",
    ).strip()
    return (lambda: (Path(path).expanduser().absolute(), False)) if path else None


def _collect_classes(collected: dict[str, int] | None) -> GetSource | None:
    source = collect_classes(collected)
    return (lambda: (source, False)) if source else None
