"""Uploaded and pasted images: each file is read once; several images are shown in a grid with their predictions."""

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
from cnn_core.inference.verdict import UNLIKE, UNSURE
from pages.charts.images import GRID_STYLE, data_url, image_tag
from pages.shared.image_input import FORMATS, MAX_FILE_MB, TYPES
from pages.shared.progress import run_with_progress
from pages.shared.text import plain

if TYPE_CHECKING:
    from cnn_core.inference.classifier import Classifier, Prediction

MAX_FILES = 24  # images that are classified at once
MAX_STORED_BYTES = 128 * 2**20  # of images that a session stores while another view is shown
UPLOADER, RESULTS = "gallery-file", "gallery-results"
STORED, READABLE = (
    "gallery-stored",
    "gallery-readable",
)  # files that were pasted or uploaded earlier; the readable ones among all, by id
REMOVE = "remove-stored"
THUMBNAIL = 208  # pixels
INPUT, INPUT_OF = "Model input", "Model input of {file}"


@dataclass(frozen=True)
class UploadedImage:
    """An uploaded or pasted file with a unique `id`."""

    id: str
    name: str
    content: bytes


@dataclass(frozen=True)
class ClassifiedUpload:
    """A file's image as a thumbnail (H, W, 3) uint8, and its prediction."""

    file: UploadedImage
    thumbnail: np.ndarray
    prediction: "Prediction"


@dataclass(frozen=True)
class RefusedUpload:
    """Why a file has no prediction."""

    file: UploadedImage
    message: str


UploadResult = ClassifiedUpload | RefusedUpload


def choose_files() -> list[UploadedImage]:
    """Return the files in the uploader and the stored ones, at most MAX_FILES."""
    if UPLOADER not in st.session_state:  # another view was shown, so the uploader is empty
        restore_uploads()
    uploaded = st.file_uploader(
        "Images",
        type=TYPES,
        max_upload_size=MAX_FILE_MB,
        accept_multiple_files=True,
        key=UPLOADER,
        help=f"{FORMATS} each. One image is shown with details, up to {MAX_FILES} in a grid. They are stored until you close or reload this browser tab.",
    )
    stored: list[UploadedImage] = st.session_state.get(STORED, [])
    if stored and st.button(f"Remove earlier images ({len(stored)})", icon=":material/close:", key=REMOVE):
        stored = st.session_state[STORED] = []
    files = [UploadedImage(file.file_id, file.name, file.getvalue()) for file in uploaded] + stored
    if len(files) > MAX_FILES:
        st.warning(
            f"Only the first {MAX_FILES} of {len(files)} images are classified. Use the view Many images for more.",
            icon=":material/info:",
        )
    ids = {file.id for file in files}
    st.session_state[READABLE] = {name: file for name, file in st.session_state.get(READABLE, {}).items() if name in ids}
    return files[:MAX_FILES]


def add_pasted(files: list[tuple[str, bytes]]) -> None:
    """Store pasted files, name and content."""
    stored = st.session_state.setdefault(STORED, [])
    for name, content in files:
        count = st.session_state[f"{STORED}-count"] = st.session_state.get(f"{STORED}-count", 0) + 1
        stored.append(UploadedImage(f"pasted-{count}", f"pasted {count} ({name})", content))
    del stored[MAX_FILES:]


def _mark_readable(file: UploadedImage) -> None:
    """Mark the file as readable, so that it is stored when another view is shown."""
    st.session_state.setdefault(READABLE, {})[file.id] = file


def restore_uploads() -> None:
    """Store the readable uploaded files, at most MAX_FILES files and MAX_STORED_BYTES bytes."""
    stored = st.session_state.setdefault(STORED, [])
    for file in st.session_state.pop(READABLE, {}).values():
        room = MAX_STORED_BYTES - sum(len(other.content) for other in stored)
        if file not in stored and len(file.content) <= room and len(stored) < MAX_FILES:
            stored.append(file)


def read_file(file: UploadedImage) -> DecodedImage | None:
    """Return the file's image; if it cannot be used, show an error and return None."""
    try:
        image = read_reduced(file.content, f"“{file.name}”")
    except ImageError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    _mark_readable(file)
    return image


def show_prediction_grid(classifier: "Classifier", files: Sequence[UploadedImage]) -> list[UploadedImage]:
    """Show a card for every image and a message for every refused file; return the files that were classified."""
    known = _known_results(classifier)
    missing = [file for file in files if file.id not in known]
    if missing:
        run_with_progress(_classify_all(classifier, missing, known), "gallery-uploads")
    for removed in known.keys() - {file.id for file in files}:
        del known[removed]
    results = [known[file.id] for file in files]
    classified = [result for result in results if isinstance(result, ClassifiedUpload)]
    for result in results:
        if isinstance(result, RefusedUpload):
            st.error(plain(result.message), icon=":material/error:")
        else:
            _mark_readable(result.file)
    st.html(grid_html(classified))
    return [result.file for result in classified]


def _known_results(classifier: "Classifier") -> dict[str, UploadResult]:
    """Return this session's results of that classifier by the file's id; those of another classifier are dropped."""
    stored: tuple[Classifier, dict[str, UploadResult]] | None = st.session_state.get(RESULTS)
    if stored is None or stored[0] is not classifier:
        stored = st.session_state[RESULTS] = (classifier, {})
    return stored[1]


def _classify_all(
    classifier: "Classifier", files: Sequence[UploadedImage], known: dict[str, UploadResult]
) -> Generator[Progress, None, None]:
    for done, file in enumerate(files):
        yield Progress("Classifying images", done, len(files))
        known[file.id] = classify_file(classifier, file)


def classify_file(classifier: "Classifier", file: UploadedImage) -> UploadResult:
    """Read and classify one file."""
    try:
        image = read_reduced(file.content, f"“{file.name}”")
        prediction = classifier.classify(image)
    except ImageError as error:
        message = str(error)
        return RefusedUpload(file, message if file.name in message else f"“{file.name}”: {message}")
    thumbnail = image.image.copy()
    thumbnail.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)
    return ClassifiedUpload(file, np.asarray(thumbnail), prediction)


def grid_html(results: Sequence[ClassifiedUpload]) -> str:
    """Return cards with the image, the model's input and the prediction."""
    return f'{GRID_STYLE}{STYLE}<div class="shots pairs">{"".join(_card(result) for result in results)}</div>'


STYLE = """<style>
.shots.pairs { grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.pairs div { display: grid; grid-template-columns: 1fr 1fr; gap: 1px; }
.pairs img:first-child { image-rendering: auto; }
</style>"""


def _card(result: ClassifiedUpload) -> str:
    name, probability = result.prediction.ranked[0]
    label, file = html.escape(name), html.escape(result.file.name)
    caption = f"<b>{label}</b> {probability:.1%}"
    verdict = result.prediction.verdict
    if verdict.is_sure is False:
        caption = f"<b>{UNSURE.capitalize()}</b><br><small>most probable: {label} {probability:.1%}</small>"
    if verdict.is_unlike:
        caption += f"<br><b>{UNLIKE.capitalize()}</b>"
    images = (
        f'<img src="{data_url(result.thumbnail)}" alt="{file}">'
        f"{image_tag(result.prediction.pixels, INPUT_OF.format(file=result.file.name), INPUT)}"
    )
    return f"<figure><div>{images}</div><figcaption>{caption}<br><small>{file}</small></figcaption></figure>"
