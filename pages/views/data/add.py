"""The import form: own images from a zip, a folder, a path on the server, or class by class; imported in the background.

What is typed is in the address, so that a reload keeps it; a browser does not keep chosen files.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from cnn_core.data import uploads
from cnn_core.data.importer import ImportOptions
from cnn_core.data.kept_images import KEPT_SIDE
from cnn_core.data.names import NAME_CHANGED, new_set_name, suggest_set_name
from cnn_core.errors import StudioError
from cnn_core.text import counted
from pages.shared.notices import notify
from pages.shared.people import may_read_paths, person
from pages.shared.server import get_jobs, get_store
from pages.shared.text import plain
from pages.views.data.collect import collect_classes, count_collected
from pages.views.data.jobs import note_start

COLOURS = {"auto": "As in the images", "colour": "Colour", "grey": "Grey"}
ZIP, FOLDER, PATH, BY_CLASS = "Zip archive", "Folder", "Path on the server", "Class by class"
NOT_IMPORTED = "The import was not started."
STARTED = "data-import-started"  # in the session: the name of the import that was started last, until it succeeds
IMPORTED = "data-imported"  # in the session: how many imports succeeded; the uploads of each have keys of their own
NAME, PATH_FIELD = "data-name", "data-path"
GetSource = Callable[[], tuple[Path, bool]]  # returns the path of the images and whether it is an upload


class ChosenImages(NamedTuple):
    """The images that a person has chosen, and their `title`: the name of the archive or the folder, "" without one."""

    get_source: GetSource
    title: str = ""


def show_import_form(*, is_primary: bool) -> None:
    """Show the form: where the images are, how to prepare them, and the button that starts the import. is_primary: whether it is the next thing to do."""
    _clear_after_success()
    st.caption(
        "Use one folder of images per class. Folders called train, val and test above them, or training_set and the like, are used as splits. Formats: JPEG, PNG, WebP, BMP and GIF. "
        f"Photographs are kept with at most {KEPT_SIDE} pixels on the long side; their size for training is chosen on the Configure page. "
        "Files that cannot be read are skipped and listed. The original files are never changed."
    )
    collected = count_collected()
    forms: dict[str, Callable[[], ChosenImages | None]] = {
        ZIP: _upload_zip,
        FOLDER: _upload_folder,
        PATH: _enter_path,
        BY_CLASS: partial(_collect_classes, collected),
    }
    if not may_read_paths():
        del forms[PATH]
    default = BY_CLASS if any((collected or {}).values()) else ZIP
    kind = st.segmented_control("Source", list(forms), default=default, required=True, key="data-source", bind="query-params")
    with st.container(border=True):
        chosen = forms[kind]()
    with st.container(border=True):
        suggested = suggest_set_name(chosen.title, get_store().home) if chosen and chosen.title else ""
        name, options = _enter_options(suggested)
        may_import = chosen is not None and _check_name(name)
        if (
            st.button(
                "Import",
                type="primary" if is_primary else "secondary",
                icon=":material/input:",
                key="data-import",
                disabled=not may_import,
            )
            and chosen
        ):
            _start_import(name or suggested, options, chosen.get_source)


def _clear_after_success() -> None:
    """Clear the fields that name what was imported; after a failure they stay, to be corrected."""
    state = st.session_state
    if (name := state.get(STARTED)) and get_store().home.set_folder(name).exists():
        del state[STARTED]
        state[NAME] = state[PATH_FIELD] = ""
        state[IMPORTED] = state.get(IMPORTED, 0) + 1


def _upload_key(kind: str) -> str:
    return f"data-{kind}-{st.session_state.get(IMPORTED, 0)}"


def _check_name(typed: str) -> bool:
    """Return whether a data set may have the name; say why not. Without a name the button says that one is needed."""
    try:
        return not typed or bool(new_set_name(typed, get_store().home))
    except StudioError as error:
        st.warning(plain(error), icon=":material/edit:")
        return False


def _enter_options(suggested: str) -> tuple[str, dict[str, Any]]:
    """Return the name of the data set, "" for the `suggested` one, and the options of the import."""
    row = st.columns(2, vertical_alignment="bottom")
    name = row[0].text_input(
        "Name",
        key=NAME,
        bind="query-params",
        placeholder=suggested,
        help="Up to 60 lower-case letters, digits, - and _, beginning with a letter or digit. Capitals and spaces are changed to these. "
        "Without one, the data set gets the name of the archive or the folder.",
    )
    colour = row[1].selectbox(
        "Colour",
        list(COLOURS),
        format_func=COLOURS.__getitem__,
        key="data-colour",
        bind="query-params",
        help="Grey images have one channel, colour images three.",
    )
    row = st.columns(2, vertical_alignment="bottom")
    fraction = row[0].number_input(
        "Test fraction",
        value=0.2,
        step=0.05,
        format="%g",
        key="data-test-fraction",
        bind="query-params",
        help="Fraction of the images used for testing, 0.01 to 0.9, where there is no test folder.",
    )
    seed = row[1].number_input(
        "Split seed",
        value=0,
        step=1,
        key="data-split-seed",
        bind="query-params",
        help="Seed of the random choice of test images. The same seed chooses the same images.",
    )
    return name.strip(), {"colour": colour, "test_share": fraction, "seed": seed}


def _start_import(name: str, options: Mapping[str, Any], get_source: GetSource) -> None:
    """Check the name and the options, save the upload and queue the import."""
    try:
        ImportOptions(**options)
        typed, name = name, new_set_name(name, get_store().home)
        with st.spinner("Saving the files…"):
            source, is_upload = get_source()
        get_jobs().add(name, str(source), dict(options), is_upload=is_upload, owner=person())
    except StudioError as error:
        st.error(f"{NOT_IMPORTED} {plain(error)}", icon=":material/error:")
        return
    if name != typed:
        notify(plain(NAME_CHANGED.format(typed=typed, name=name)), icon=":material/edit:")
    st.session_state[STARTED] = name
    note_start()
    st.rerun()


def _upload_zip() -> ChosenImages | None:
    file = st.file_uploader(
        "Zip archive",
        type="zip",
        max_upload_size=1024,
        key=_upload_key("zip"),
        help="Up to 1 GB, with one folder of images per class.",
    )
    if not file:
        return None

    def save() -> tuple[Path, bool]:
        get_store().quota.check_disk(person(), file.size)
        return uploads.save_zip(file, file.name, get_store().home, person()), True

    return ChosenImages(save, Path(file.name).stem)


def _upload_folder() -> ChosenImages | None:
    files = st.file_uploader(
        "Folder",
        accept_multiple_files="directory",
        max_upload_size=64,
        key=_upload_key("folder"),
        help="A folder with one sub-folder of images per class. Other files in it are skipped and listed.",
    )
    if not files:
        return None
    st.caption(counted(len(files), "file"))

    def save() -> tuple[Path, bool]:
        get_store().quota.check_disk(person(), sum(file.size for file in files))
        return uploads.pack_folder(((file.name, file) for file in files), get_store().home, person()), True

    return ChosenImages(save, files[0].name.partition("/")[0])


def _enter_path() -> ChosenImages | None:
    path = st.text_input(
        "Folder or zip archive",
        key=PATH_FIELD,
        bind="query-params",
        help="A path on the machine that runs the dashboard.",
    ).strip()
    title = Path(path).stem if path.lower().endswith(".zip") else Path(path).name
    return ChosenImages(lambda: (Path(path).expanduser().absolute(), False), title) if path else None


def _collect_classes(collected: dict[str, int] | None) -> ChosenImages | None:
    source = collect_classes(collected)
    return ChosenImages(lambda: (source, False)) if source else None
