"""The import form: own images from a zip, a folder, a path on the server, or class by class; imported in the background."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from cnn_core.data import uploads
from cnn_core.data.catalog import CATALOG
from cnn_core.data.decoder import SUFFIXES
from cnn_core.data.importer import MAX_SIZE, MIN_SIZE, ImportOptions
from cnn_core.errors import DataError, StudioError
from pages.shared.people import may_read_paths, person
from pages.shared.server import get_jobs, get_store
from pages.shared.text import plain

TYPES = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
FITS = {
    "crop": "Crop to the middle square",
    "pad": "Pad with black bars",
    "stretch": "Stretch to a square",
}
COLOURS = {"auto": "As in the images", "colour": "Colour", "grey": "Grey"}
ZIP, FOLDER, PATH, BY_CLASS = "Zip archive", "Folder", "Path on the server", "Class by class"
NOT_IMPORTED = "The import was not started."
GetSource = Callable[[], tuple[Path, bool]]  # returns the path of the images and whether it is an upload


def show_import_form() -> None:
    """Ask where the images are and how to prepare them, and start the import."""
    st.caption(
        "One folder per class with its images; train, val and test folders may contain the class folders. JPEG, PNG, WebP, BMP and GIF are read, "
        "unreadable files are skipped and listed by name. The original files are never changed."
    )
    forms: dict[str, Callable[[], GetSource | None]] = {
        ZIP: _upload_zip,
        FOLDER: _upload_folder,
        PATH: _enter_path,
        BY_CLASS: _collect_classes,
    }
    if not may_read_paths():
        del forms[PATH]
    kind = st.segmented_control("Source", list(forms), default=ZIP, required=True, key="data-source")
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
        help="Up to 60 lower-case letters, digits, - and _, beginning with a letter or digit.",
    )
    size = row[1].number_input(
        "Image size (pixels)",
        value=None,
        step=16,
        placeholder="automatic",
        key="data-image-size",
        help=f"Side of the square that every image becomes, {MIN_SIZE} to {MAX_SIZE} pixels. Left empty, the common size of square images up to 64, else 64.",
    )
    fit = row[2].selectbox(
        "Fit", list(FITS), format_func=FITS.__getitem__, key="data-fit", help="How images that are not square become square."
    )
    row = st.columns(3, vertical_alignment="bottom")
    colour = row[0].selectbox("Colour", list(COLOURS), format_func=COLOURS.__getitem__, key="data-colour")
    fraction = row[1].number_input(
        "Test fraction",
        value=0.2,
        step=0.05,
        format="%g",
        key="data-test-fraction",
        help="Fraction of the images for testing, 0.01 to 0.9. Used where there is no test folder.",
    )
    seed = row[2].number_input(
        "Split seed",
        value=0,
        step=1,
        key="data-split-seed",
        help="Seed that draws the test images. The same seed draws the same images.",
    )
    return name.strip(), {"image_size": size, "fit": fit, "colour": colour, "test_share": fraction, "seed": seed}


def _start_import(name: str, options: Mapping[str, Any], get_source: GetSource) -> None:
    """Check the options, save the upload and queue the import."""
    try:
        ImportOptions(**options)
        if name in CATALOG:
            raise DataError(f"“{name}” is a data set of the catalogue. Choose another name.")
        get_store().home.set_folder(name)  # raises for an invalid name, before anything is copied
        with st.spinner("Saving the files…"):
            source, is_upload = get_source()
        get_jobs().add(name, str(source), dict(options), is_upload=is_upload, owner=person())
    except StudioError as error:
        st.error(f"{NOT_IMPORTED} {plain(error)}", icon=":material/error:")
        return
    st.session_state.pop("collection", None)
    st.query_params["set"] = name
    st.rerun()


def _upload_zip() -> GetSource | None:
    file = st.file_uploader("Zip archive (up to 1 GB)", type="zip", max_upload_size=1024)
    if not file:
        return None

    def save() -> tuple[Path, bool]:
        get_store().quota.check_disk(person(), file.size)
        return uploads.save_zip(file, file.name, get_store().home, person()), True

    return save


def _upload_folder() -> GetSource | None:
    files = st.file_uploader(
        "Folder with one sub-folder per class", accept_multiple_files="directory", type=TYPES, max_upload_size=64
    )
    if not files:
        return None
    st.caption(f"{len(files):,} {'file' if len(files) == 1 else 'files'}")

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


def _collect_classes() -> GetSource | None:
    """Upload or photograph images for one class after the other; the images added so far are counted and saved."""
    if "collection" not in st.session_state:
        st.session_state["collection"] = uploads.create_collection(get_store().home, person())
    collection = st.session_state["collection"]
    name = st.text_input(
        "Class", placeholder="tulip", key="data-class", help="Add the images of one class, then type the name of the next class."
    ).strip()
    left, right = st.columns(2)
    with left:
        key = f"files-{st.session_state.get('collected', 0)}"
        files = st.file_uploader("Images of this class", type=TYPES, accept_multiple_files=True, key=key, max_upload_size=64)
        if st.button("Add images", icon=":material/add:", key="data-add-images", disabled=not (name and files)):
            _add_images(collection, name, ((file.name, file.getvalue()) for file in files))
    with right:
        if st.toggle("Use the camera"):
            photograph = st.camera_input("Photograph of this class")
            if st.button("Add photograph", icon=":material/add:", disabled=not (name and photograph)) and photograph:
                _add_images(collection, name, [("photograph.jpg", photograph.getvalue())])
    counts = uploads.count_images(collection)
    if not counts:
        st.info("Type the name of a class and add its images. A data set needs two classes.", icon=":material/photo_camera:")
        return None
    st.caption(" · ".join(f"{plain(label)}: {count:,}" for label, count in counts.items()))
    return lambda: (collection, True)


def _add_images(collection: Path, name: str, images: Iterable[tuple[str, bytes]]) -> None:
    files = list(images)
    try:
        get_store().quota.check_disk(person(), sum(len(content) for _, content in files))
        uploads.add_to_class(collection, name, files)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.session_state["collected"] = st.session_state.get("collected", 0) + 1
    st.rerun()
