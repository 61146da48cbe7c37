"""Pictures that were brought, as files or from the clipboard: each is read once; several are answered in a grid."""

import html
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from cnn_core.data.decoder import DecodedImage, read_reduced
from cnn_core.errors import ImageError
from cnn_core.events import Progress
from pages.charts.images import GRID_STYLE, data_url
from pages.shared.own_image import LARGEST_FILE, TYPES
from pages.shared.progress import watch
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier, Prediction

MOST = 24  # pictures that are answered at once
MOST_KEPT = 128 * 2**20  # bytes of pictures that a session keeps when their view is left
UPLOADER, ANSWERED = "gallery-file", "gallery-answered"
KEPT, READ = "gallery-kept", "gallery-read"  # files that were pasted or brought before; those that could be read, by id
THUMBNAIL = 208  # pixels


@dataclass(frozen=True)
class UploadedImage:
    """A file that was brought. `id`: another one for every file."""

    id: str
    name: str
    content: bytes


@dataclass(frozen=True)
class Answered:
    """A file's picture, small, and what the network said of it; or why there is no answer."""

    file: UploadedImage
    small: np.ndarray | None = None
    prediction: "Prediction | None" = None
    refusal: str = ""


def bring_files() -> list[UploadedImage]:
    """The files in the uploader and what was pasted, the first MOST of them."""
    if UPLOADER not in st.session_state:  # its view was left, and it has forgotten its files
        _take_up_again()
    given = st.file_uploader(
        f"Pictures (JPEG, PNG, WebP, BMP or GIF, up to {LARGEST_FILE} MB each)",
        type=TYPES,
        max_upload_size=LARGEST_FILE,
        accept_multiple_files=True,
        key=UPLOADER,
        help=f"One is answered in full, up to {MOST} side by side. They are kept until this tab is closed or reloaded, and nowhere else.",
    )
    kept = st.session_state.get(KEPT, [])
    if kept and st.button(f"Take away what was brought before ({len(kept)})", icon=":material/close:"):
        kept = st.session_state[KEPT] = []
    files = [UploadedImage(file.file_id, file.name, file.getvalue()) for file in given] + kept
    if len(files) > MOST:
        st.warning(f"{MOST} pictures are answered at once. Of {len(files)}, the first {MOST} are.", icon=":material/info:")
    here = {file.id for file in files}
    st.session_state[READ] = {name: file for name, file in st.session_state.get(READ, {}).items() if name in here}
    return files[:MOST]


def keep_pasted(files: list[tuple[str, bytes]]) -> None:
    """Put pasted files to those that were brought."""
    kept = st.session_state.setdefault(KEPT, [])
    for name, content in files:
        count = st.session_state[f"{KEPT}-count"] = st.session_state.get(f"{KEPT}-count", 0) + 1
        kept.append(UploadedImage(f"pasted-{count}", f"pasted {count} ({name})", content))
    del kept[MOST:]


def _note_read(file: UploadedImage) -> None:
    """The file is a picture: it may be taken up again."""
    st.session_state.setdefault(READ, {})[file.id] = file


def _take_up_again() -> None:
    """Keep the uploaded files that could be read, up to MOST files and MOST_KEPT bytes in all."""
    kept = st.session_state.setdefault(KEPT, [])
    for file in st.session_state.pop(READ, {}).values():
        room = MOST_KEPT - sum(len(other.content) for other in kept)
        if file not in kept and len(file.content) <= room and len(kept) < MOST:
            kept.append(file)


def read_one(file: UploadedImage) -> DecodedImage | None:
    """The file's picture; a sentence where it cannot be used."""
    try:
        picture = read_reduced(file.content, f"“{file.name}”")
    except ImageError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    _note_read(file)
    return picture


def show_grid(classifier: "Classifier", files: Sequence[UploadedImage]) -> list[UploadedImage]:
    """A card for every picture, a sentence for every file without an answer; the files that have one."""
    known = _known(classifier)
    missing = [file for file in files if file.id not in known]
    if missing:
        watch(_answer_all(classifier, missing, known), "gallery-brought")
    for gone in known.keys() - {file.id for file in files}:
        del known[gone]
    answers = [known[file.id] for file in files]
    for answer in answers:
        if answer.refusal:
            st.error(plain(answer.refusal), icon=":material/error:")
    answered = [answer for answer in answers if answer.prediction]
    for answer in answered:
        _note_read(answer.file)
    st.html(grid_html(answered))
    return [answer.file for answer in answered]


def _known(classifier: "Classifier") -> dict[str, Answered]:
    """This session's answers of that classifier, by the file's id; those of another one are forgotten."""
    kept = st.session_state.get(ANSWERED)
    if kept is None or kept[0] is not classifier:
        kept = st.session_state[ANSWERED] = (classifier, {})
    return kept[1]


def _answer_all(
    classifier: "Classifier", files: Sequence[UploadedImage], known: dict[str, Answered]
) -> Generator[Progress, None, None]:
    for done, file in enumerate(files):
        yield Progress("Reading pictures", done, len(files))
        known[file.id] = answer_file(classifier, file)


def answer_file(classifier: "Classifier", file: UploadedImage) -> Answered:
    """Read one file and ask the network."""
    try:
        picture = read_reduced(file.content, f"“{file.name}”")
        prediction = classifier.classify(picture.image)
    except ImageError as error:
        said = str(error)
        return Answered(file, refusal=said if file.name in said else f"“{file.name}”: {said}")
    small = picture.image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)
    return Answered(file, np.asarray(small), prediction)


def grid_html(answers: Sequence[Answered]) -> str:
    """Cards: the picture, what the network received, and what it says."""
    return f'{GRID_STYLE}{STYLE}<div class="shots pairs">{"".join(_card(answer) for answer in answers)}</div>'


STYLE = """<style>
.shots.pairs { grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.pairs div { display: grid; grid-template-columns: 1fr 1fr; gap: 1px; }
.pairs img:first-child { image-rendering: auto; }
</style>"""


def _card(answer: Answered) -> str:
    name, probability = answer.prediction.ranked[0]
    said, file = html.escape(name), html.escape(answer.file.name)
    caption = f"<b>{said}</b> {probability:.1%}"
    if not answer.prediction.is_sure:
        caption = f"<b>I don’t know</b><br><small>most probable: {said} {probability:.1%}</small>"
    images = (
        f'<img src="{data_url(answer.small)}" alt="{file}">'
        f'<img src="{data_url(answer.prediction.pixels)}" alt="What the network received of {file}" title="What the network received">'
    )
    return f"<figure><div>{images}</div><figcaption>{caption}<br><small>{file}</small></figcaption></figure>"
