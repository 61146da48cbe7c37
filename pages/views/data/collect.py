"""The collection: images that a person adds class by class, from files or a camera, with thumbnails to check, rename and remove them.

It is kept in the studio home, so a failed import, a reload of the page or a new session lose nothing.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import streamlit as st

from cnn_core.data.collection import Collection, find_same_class, find_similar_class
from cnn_core.data.decoder import read_image, to_pixels
from cnn_core.data.jobs import is_collection
from cnn_core.errors import ImageError, StudioError
from cnn_core.text import counted
from pages.charts.components.picker import GridImage, pick_images, untick
from pages.shared.cache import THUMBNAILS
from pages.shared.people import person
from pages.shared.server import get_jobs, get_store
from pages.shared.text import plain

SIDE, PAGE = 96, 24
NAME, SHOWN, ERROR, ADDED = "data-class", "data-collected-class", "data-collection-error", "collected"
SAME_NAME = "“{name}” differs from the class “{other}” only in capitals or spaces, so both cannot be in one data set."
SIMILAR_NAME = "“{name}” is nearly the name of the class “{other}”. If it is the same class, use that one."
BEING_IMPORTED = "The collected images are being imported. Add more when the import has ended."
NO_CLASSES = "Type the name of a class and add its images. A data set needs at least two classes."
ONE_CLASS = "A data set needs at least two classes. Type the name of the next class and add its images."
NOT_ADDED = "The chosen images are not added yet. Press “Add images”, or remove them from the list."
NOT_NAMED = "The chosen images are not added yet. Type the name of their class, or remove them from the list."
NOT_FITTING = "The chosen images are not added yet. Change the name of the class, or remove them from the list."
UNREADABLE = "Not readable"


def collection() -> Collection:
    """Return the collection of the person at this page."""
    return Collection(get_store().home, person())


def count_collected() -> dict[str, int] | None:
    """Return how many images of each class wait to be imported; None while they are being imported. Lists all of them: call it once."""
    return None if _is_being_imported() else collection().counts()


def collect_classes(counts: dict[str, int] | None) -> Path | None:
    """Show the form that adds images to one class after the other, and those added so far. Return what to import, None while that is not possible.

    counts: of the collected images (see `count_collected`).
    """
    if counts is None:
        st.info(BEING_IMPORTED, icon=":material/hourglass_top:")
        return None
    if error := st.session_state.pop(ERROR, None):
        st.error(plain(error), icon=":material/error:")
    not_added = _show_form(counts)
    if counts:
        _show_classes(counts)
    complete = sum(count > 0 for count in counts.values()) > 1
    message = not_added or ("" if complete else ONE_CLASS if counts else NO_CLASSES)
    if message:
        st.info(message, icon=":material/photo_camera:")
    return collection().source if complete and not not_added else None


def _is_being_imported() -> bool:
    return any(job.is_active and is_collection(job, get_store().home) for job in get_jobs().all())


def _show_form(counts: dict[str, int]) -> str:
    """Show the name of the class and its files; return what to do with chosen files that are not added yet, "" without any."""
    name = st.text_input(
        "Class", placeholder="tulip", key=NAME, help="Add the images of one class, then type the name of the next class."
    ).strip()
    may_add = _check_name(name, counts, NAME)
    left, right = st.columns(2)
    with left:
        files = st.file_uploader(
            "Images", accept_multiple_files=True, key=f"files-{st.session_state.get(ADDED, 0)}", max_upload_size=64
        )
        if st.button("Add images", icon=":material/add:", key="data-add-images", disabled=not (may_add and files)):
            _add_images(name, ((file.name, file.getvalue()) for file in files))
    with right:
        if st.toggle("Use the camera"):
            photograph = st.camera_input("Photograph")
            if st.button("Add photograph", icon=":material/add:", disabled=not (may_add and photograph)) and photograph:
                _add_images(name, [("photograph.jpg", photograph.getvalue())])
    if not files:
        return ""
    return NOT_ADDED if may_add else NOT_FITTING if name else NOT_NAMED


def _check_name(name: str, known: Iterable[str], field: str) -> bool:
    """Point out a class that is called nearly the same, and offer it for `field`; return whether `name` may be used."""
    same = find_same_class(name, known)
    other = same or find_similar_class(name, known)
    if not name or not other:
        return bool(name)
    message = SAME_NAME if same else SIMILAR_NAME
    st.warning(plain(message.format(name=name, other=other)), icon=":material/spellcheck:")
    st.button(f"Use “{plain(other)}”", key=f"{field}-use", on_click=_set_state, args=(field, other))
    return not same


def _set_state(key: str, value: str) -> None:
    st.session_state[key] = value


def _add_images(name: str, images: Iterable[tuple[str, bytes]]) -> None:
    files = list(images)
    try:
        get_store().quota.check_disk(person(), sum(len(content) for _, content in files))
        collection().add(name, files)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.session_state[ADDED] = st.session_state.get(ADDED, 0) + 1
    st.session_state[SHOWN] = name
    st.rerun()


def _show_classes(counts: dict[str, int]) -> None:
    """Show the classes with their counts, and the images of the chosen one."""
    st.subheader("Collected images")
    if st.session_state.get(SHOWN) not in counts:
        st.session_state[SHOWN] = next(iter(counts))
    name = st.pills(
        "Collected classes",
        list(counts),
        format_func=lambda name: f"{plain(name)}: {counts[name]:,}",
        required=True,
        key=SHOWN,
        label_visibility="collapsed",
    )
    assert name is not None, "the choice is required"
    files = collection().files(name)
    pages = -(-len(files) // PAGE)
    page = st.pagination(pages, key=f"data-collected-page-{name}") if pages > 1 else 1
    shown = files[(page - 1) * PAGE : page * PAGE]
    picked = pick_images(f"collected-{name}-{page}", [_thumbnail(name, number, file) for number, file in enumerate(shown)])
    _show_actions(name, [shown[number] for number in picked if number < len(shown)], counts, f"collected-{name}-{page}")


def _thumbnail(class_name: str, number: int, file: str) -> GridImage:
    path = collection().path(class_name, file)
    pixels, problem = _decode(str(path), path.stat().st_mtime_ns)
    name = file.partition(" ")[2]
    return GridImage(number, pixels, UNREADABLE if problem else name, f"{name}: {problem}" if problem else name)


@st.cache_data(max_entries=THUMBNAILS.max_entries, show_spinner=False)
def _decode(path: str, changed: int) -> tuple[np.ndarray, str]:
    """Return the image (SIDE, SIDE, 3) uint8 and "", or grey pixels and why it cannot be read."""
    try:
        return to_pixels(read_image(Path(path), Path(path).name.partition(" ")[2], draft=SIDE).image, SIDE, 3, "pad"), ""
    except ImageError as error:
        return np.full((SIDE, SIDE, 3), 128, np.uint8), str(error)


def _show_actions(name: str, picked: list[str], counts: dict[str, int], grid: str) -> None:
    """Offer to remove the ticked images, to rename the class and to remove it."""
    others, field = [other for other in counts if other != name], f"data-rename-{name}"
    new = ""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            f"Remove {counted(len(picked), 'image')}" if picked else "Remove images",
            icon=":material/delete:",
            key="data-collected-remove",
            disabled=not picked,
            on_click=_change,
            args=(lambda: _remove(name, picked, grid),),
        )
        with st.popover("Rename class", icon=":material/edit:"):
            new = st.text_input("New name", key=field, placeholder=name).strip()
            may_rename = _check_name(new, others, field)
            st.button(
                "Merge" if new in others else "Rename",
                key="data-collected-rename",
                disabled=not may_rename or new == name,
                on_click=_change,
                args=(lambda: _rename(name, new),),
            )
        with st.popover("Remove class", icon=":material/delete:"):
            st.write(f"All {counted(counts[name], 'image')} of this class in the collection are deleted.")
            st.button(
                "Remove",
                key="data-collected-remove-class",
                type="primary",
                on_click=_change,
                args=(lambda: collection().remove_class(name),),
            )
    if not picked:
        st.caption("Tick images to remove them.")


def _remove(name: str, files: list[str], grid: str) -> None:
    collection().remove(name, files)
    untick(grid)


def _rename(name: str, new: str) -> None:
    collection().rename(name, new)
    st.session_state[SHOWN] = new


def _change(change: Callable[[], object]) -> None:
    """Change the collection; the message of an error is shown by the next run."""
    try:
        change()
    except StudioError as error:
        st.session_state[ERROR] = str(error)
