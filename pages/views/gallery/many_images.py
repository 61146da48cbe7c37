"""Many pictures at once: a zip, or a folder or zip on the server, classified under a bar; then what came of it, and a table to take along.

The table lies in a folder of its own below the home's uploads. It goes with the session, when other pictures are classified, and when nothing
was classified after all; what a server that died has left there is removed by a later upload.
"""

import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data import uploads
from cnn_core.data.archive import show_name
from cnn_core.errors import StudioError
from cnn_core.runs.run import Run
from pages.shared.people import may_read_paths, person
from pages.shared.progress import CANCELLED, watch
from pages.shared.run_selection import get_classifier
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.views.gallery.many_results import show_results

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier
    from cnn_core.inference.predictions import Tally

DONE, UPLOADED = "many-done", "many-uploaded"
Find = Callable[[], tuple[Path, bool]]  # the source, and whether it is an upload's own copy


@dataclass(eq=False)
class Done:
    """What was classified: by which run, from where, and the folder with the table, which is removed with this value."""

    run: str
    title: str
    tally: "Tally"
    folder: Path

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    @property
    def table(self) -> Path:
        return self.folder / "answers.csv"


def show_many(run: Run) -> None:
    """The view."""
    classifier = get_classifier(run)
    st.caption(
        "All pictures of a zip archive or a folder, each classified as a single one is. Sub-folders are read too; what cannot be read is listed by "
        "name with the reason. Stay on this page until it is done."
    )
    find = _choose()
    is_asked = st.button(
        "Classify all",
        type="primary",
        icon=":material/play_arrow:",
        disabled=find is None,
        on_click=st.session_state.pop,
        args=(CANCELLED, None),
    )
    if is_asked:
        _classify(run, classifier, find)
    elif st.session_state.get(CANCELLED) == _work(run):
        st.info("Cancelled: nothing was kept. Press “Classify all” to start from the beginning.", icon=":material/close:")
    done = st.session_state.get(DONE)
    if done and done.run == run.id and done.table.exists():
        show_results(done.title, done.tally, classifier.calibration, done.table)


def _choose() -> Find | None:
    """Where the pictures are; None until that is said."""
    ways = {"Zip archive": _zip, **({"Path on the server": _path} if may_read_paths() else {})}
    way = st.segmented_control("Where the pictures are", list(ways), default="Zip archive", required=True, key="many-way")
    find = ways[way]()
    if find is None and DONE not in st.session_state:
        st.info(
            "Choose a zip archive, or name a folder on the server: then classify all of its pictures.",
            icon=":material/photo_library:",
        )
    return find


def _zip() -> Find | None:
    key = f"many-zip-{st.session_state.get(UPLOADED, 0)}"
    file = st.file_uploader("Zip archive of pictures (up to 1 GB and 100,000 files)", type="zip", max_upload_size=1024, key=key)
    return (lambda: (uploads.keep_zip(file, file.name, get_store().home, person()), True)) if file else None


def _path() -> Find | None:
    path = st.text_input(
        "Folder or zip archive, on the machine that runs the dashboard", placeholder="/home/me/pictures", key="many-path"
    ).strip()
    return (lambda: (Path(path).expanduser().absolute(), False)) if path else None


def _classify(run: Run, classifier: "Classifier", find: Find) -> None:
    """Classify all, in place of what was classified before; a refusal becomes a sentence."""
    copy: list[Path] = []
    try:
        with st.spinner("Taking the files…"):
            source, is_upload = find()
        copy += [source.parent] if is_upload else []
        st.session_state.pop(DONE, None)  # not before: a path that is refused takes nothing away
        st.session_state[DONE] = _watch(run, classifier, source)
    except (StudioError, RuntimeError) as error:  # RuntimeError: a home directory that cannot be told (~nobody)
        st.error(f"Nothing was classified. {plain(error)}", icon=":material/error:")
        return
    finally:
        for folder in copy:
            shutil.rmtree(folder, ignore_errors=True)
    if copy:  # the uploaded file lies in memory until its box is another one
        st.session_state[UPLOADED] = st.session_state.get(UPLOADED, 0) + 1
    st.rerun()


def _watch(run: Run, classifier: "Classifier", source: Path) -> Done:
    from cnn_core.inference.many_images import classify_many

    folder = uploads.new_folder(get_store().home, person())
    try:
        tally = watch(classify_many(source, classifier, folder / "answers.csv"), _work(run))
    except BaseException:  # a press on Cancel is no Exception
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Done(run.id, show_name(source.name), tally, folder)


def _work(run: Run) -> str:
    return f"many-{run.id}"
