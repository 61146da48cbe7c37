"""Bringing one's own images: a zip, a whole folder, a path on the server, or pictures class by class; then an import in the background."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from cnn_core.data import uploads
from cnn_core.data.catalog import CATALOG
from cnn_core.data.decoder import SUFFIXES
from cnn_core.data.importer import LARGEST, SMALLEST, ImportOptions
from cnn_core.errors import DataError, StudioError
from pages.shared.people import may_read_paths, person
from pages.shared.server import get_jobs, get_store
from pages.shared.text import plain

TYPES = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
FITS = {
    "crop": "Crop: the middle square",
    "pad": "Pad: all of it, with black bars",
    "stretch": "Stretch: all of it, out of shape",
}
COLOURS = {"auto": "As the images are", "colour": "Colour", "grey": "Grey"}


def add_images() -> None:
    """Where the images come from, how they are made ready, and Import."""
    st.caption(
        "One folder per class, each with its images in it; train, val and test folders may stand above them. "
        "JPEG, PNG, WebP, BMP and GIF are read, what cannot be read is listed by name, and the originals are never changed."
    )
    ways: dict[str, Callable[[], Callable[[], tuple[Path, bool]] | None]] = {
        "Zip archive": _zip,
        "Folder on this computer": _directory,
        "Path on the server": _path,
        "Class by class": _class_by_class,
    }
    if not may_read_paths():
        del ways["Path on the server"]
    way = st.segmented_control("Where they are", list(ways), default="Zip archive", required=True)
    with st.container(border=True):
        find = ways[way]()
    with st.container(border=True):
        name, options = _form()
        if st.button("Import", type="primary", icon=":material/input:", disabled=find is None):
            _import(name, options, find)


def _form() -> tuple[str, dict[str, object]]:
    """What the set is to be called, and how its images become pixels."""
    row = st.columns(3, vertical_alignment="bottom")
    name = row[0].text_input("Name (small letters, digits, - and _)", placeholder="flowers").strip()
    size = row[1].number_input(
        f"Image size ({SMALLEST} to {LARGEST} pixels)",
        value=None,
        step=16,
        placeholder="as they are, up to 64",
        help="Side of the square that every image becomes. Left empty: the images' own size where all are squares of one size up to 64, else 64.",
    )
    fit = row[2].selectbox("Images that are not square", list(FITS), format_func=FITS.__getitem__)
    row = st.columns(3, vertical_alignment="bottom")
    colour = row[0].selectbox("Colour", list(COLOURS), format_func=COLOURS.__getitem__)
    share = row[1].number_input(
        "Test share (0.01 to 0.9)",
        value=0.2,
        step=0.05,
        format="%g",
        help="Kept apart for testing where there is no test folder.",
    )
    seed = row[2].number_input(
        "Split seed", value=0, step=1, help="Which images that share is. The same seed gives the same images."
    )
    return name, {"image_size": size, "fit": fit, "colour": colour, "test_share": share, "seed": seed}


def _import(name: str, options: dict[str, object], find: Callable[[], tuple[Path, bool]]) -> None:
    """Check what can be checked at once, and put the import on the list."""
    try:
        ImportOptions(**options)
        if name in CATALOG:
            raise DataError(f"“{name}” is a set of the catalogue. Choose another name.")
        get_store().home.set_folder(name)  # refuses what cannot be a name, before anything is copied
        with st.spinner("Taking the files…"):
            source, is_upload = find()
        get_jobs().add(name, str(source), options, is_upload=is_upload, owner=person())
    except StudioError as error:
        st.error(f"Nothing was imported. {plain(error)}", icon=":material/error:")
        return
    st.session_state.pop("collection", None)
    st.query_params["set"] = name
    st.rerun()


def _zip() -> Callable[[], tuple[Path, bool]] | None:
    file = st.file_uploader("Zip archive (up to 1 GB)", type="zip", max_upload_size=1024)
    if not file:
        return None

    def find() -> tuple[Path, bool]:
        get_store().quota.check_disk(person(), file.size)
        return uploads.keep_zip(file, file.name, get_store().home, person()), True

    return find


def _directory() -> Callable[[], tuple[Path, bool]] | None:
    files = st.file_uploader(
        "Folder with one sub-folder per class", accept_multiple_files="directory", type=TYPES, max_upload_size=64
    )
    if not files:
        return None
    st.caption(f"{len(files):,} files")

    def find() -> tuple[Path, bool]:
        get_store().quota.check_disk(person(), sum(file.size for file in files))
        return uploads.pack(((file.name, file) for file in files), get_store().home, person()), True

    return find


def _path() -> Callable[[], tuple[Path, bool]] | None:
    path = st.text_input("Folder or zip archive, on the machine that runs the dashboard", placeholder="/home/me/flowers").strip()
    return (lambda: (Path(path).expanduser().absolute(), False)) if path else None


def _class_by_class() -> Callable[[], tuple[Path, bool]] | None:
    """Pictures for one class after the other, from files or the camera; what was added so far is shown and kept."""
    if "collection" not in st.session_state:
        st.session_state["collection"] = uploads.begin_collection(get_store().home, person())
    collection = st.session_state["collection"]
    name = st.text_input(
        "Class", placeholder="tulip", help="Add the pictures of one class, then type the next class's name."
    ).strip()
    left, right = st.columns(2)
    with left:
        key = f"files-{st.session_state.get('collected', 0)}"
        files = st.file_uploader("Pictures of this class", type=TYPES, accept_multiple_files=True, key=key, max_upload_size=64)
        if st.button("Add these pictures", icon=":material/add:", disabled=not (name and files)):
            _collect(collection, name, [(file.name, file.getvalue()) for file in files])
    with right:
        if st.toggle("Use the camera"):
            photo = st.camera_input("Photograph of this class")
            if st.button("Add this photograph", icon=":material/add:", disabled=not (name and photo)):
                _collect(collection, name, [("photograph.jpg", photo.getvalue())])
    counts = uploads.count_collected(collection)
    if not counts:
        st.info("Type a class's name and add its pictures. Two classes are enough to begin with.", icon=":material/photo_camera:")
        return None
    st.caption(" · ".join(f"{plain(label)}: {count:,}" for label, count in counts.items()))
    return lambda: (collection, True)


def _collect(collection: Path, name: str, files: list[tuple[str, bytes]]) -> None:
    try:
        get_store().quota.check_disk(person(), sum(len(content) for _, content in files))
        uploads.collect(collection, name, files)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.session_state["collected"] = st.session_state.get("collected", 0) + 1
    st.rerun()
