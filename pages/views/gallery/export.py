"""The run's network as files for other programs: made when asked for, and offered only when they answer as this page does.

In: a run. Out: downloads. What was made is kept for this session until the network, its calibration, or what is told of its run changes.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.events import Progress
from cnn_core.inference.confidence import calibration_of, network_key
from cnn_core.runs.run import Run
from pages.shared.made_files import make_or_offer
from pages.shared.server import get_store
from pages.shared.text import plain, size_in_words

if TYPE_CHECKING:
    from cnn_core.export.card import ExportCard
    from cnn_core.export.forms import Exported

MADE = "exported-models"
GRAPHS = {"onnx": "ONNX", "torch-export": "torch.export"}
WEIGHTS = {"safetensors": "Safetensors", "pth": "State dict"}


@dataclass(frozen=True)
class Made:
    """A file that was made, what there is to say of it, and the card that is offered beside it, where one is."""

    content: bytes
    said: str = ""
    card: "ExportCard | None" = None


Making = Generator[Progress, None, Made]


@dataclass(frozen=True)
class ModelDownload:
    """One form: `about` is what it is for, `needs` what its user needs, `make` gives its file. `form`: its key."""

    form: str
    title: str
    about: str
    needs: str
    ending: str
    mime: str
    icon: str
    make: Callable[[Run, tuple[str, ...]], Making]

    @property
    def button(self) -> str:
        """What its button says: "Make the bundle", "Make ONNX"."""
        return f"Make {self.title}" if self.form in GRAPHS else f"Make the {self.title.lower()}"


def show_export(run: Run) -> None:
    """The view."""
    st.caption(
        "The best network of this run for other programs. Before a model file is offered it is loaded back and asked about up to 1,000 images: "
        "it has to answer as this page does."
    )
    places = st.grid(min(3, len(CARDS)), min_column_width=300)
    for card in CARDS:
        with places.container(border=True, height="stretch"):
            st.subheader(card.title)
            st.write(card.about)
            st.caption(card.needs)
            chosen = _choose_files() if card.form == "bundle" else ()
            _show_file(run, card, chosen)


def _choose_files() -> tuple[str, ...]:
    """The model files that go into the bundle."""
    chosen = st.pills(
        "Model files in the bundle",
        [*GRAPHS, *WEIGHTS],
        selection_mode="multi",
        default=["onnx", "safetensors"],
        format_func=(GRAPHS | WEIGHTS).get,
        help="check.py asks the graphs, so at least one of ONNX and torch.export has to be among them.",
    )
    return tuple(form for form in (*GRAPHS, *WEIGHTS) if form in chosen)


def _show_file(run: Run, card: ModelDownload, chosen: tuple[str, ...]) -> None:
    """The button that makes the file, or, where it is made, those that give it."""
    is_enough = card.form != "bundle" or any(form in GRAPHS for form in chosen)
    if not is_enough:
        st.caption("Choose ONNX or torch.export too: check.py needs a file that answers by itself.")
    button = {"label": card.button, "icon": card.icon, "key": f"make-{card.form}-{run.id}", "disabled": not is_enough}
    make_or_offer(
        MADE, card.form, _asked(run, chosen), button, lambda: card.make(run, chosen), lambda made: _offer(run, card, made)
    )


def _asked(run: Run, chosen: tuple[str, ...]) -> str:
    """The same for the same file: of this network, so calibrated, with what is told of its run."""
    folder = get_store().home.run_folder(run.id)
    return f"{run.id} {network_key(folder)} {calibration_of(folder)} {run.summary} {chosen}"


def _offer(run: Run, card: ModelDownload, made: Made) -> None:
    if made.said:
        st.success(plain(made.said), icon=":material/verified:")
    with st.container(horizontal=True):
        _download(card, f"Download ({size_in_words(len(made.content))})", made.content, f"{run.id}{card.ending}", card.mime)
        if made.card:
            _download(card, "Its card", made.card.to_json(), f"{run.id}.json", "application/json", is_first=False)


def _download(card: ModelDownload, label: str, content: bytes | str, name: str, mime: str, is_first: bool = True) -> None:
    st.download_button(
        label,
        content,
        file_name=name,
        mime=mime,
        icon=":material/download:" if is_first else ":material/description:",
        type="primary" if is_first else "secondary",
        on_click="ignore",
        key=f"take-{card.form}-{name}-{label}",
    )


def _make_model(form: str) -> Callable[[Run, tuple[str, ...]], Making]:
    """How one of the forms of `export.forms` is made; weights alone are of use with their card only."""

    def make(run: Run, chosen: tuple[str, ...]) -> Making:
        yield Progress("Loading what is needed", 0, 1)
        from cnn_core.export.forms import export_model

        exported: Exported = yield from export_model(get_store(), run, form)
        return Made(exported.content, str(exported.checked), exported.card if form in WEIGHTS else None)

    return make


def _make_bundle(run: Run, chosen: tuple[str, ...]) -> Making:
    yield Progress("Loading what is needed", 0, 1)
    from cnn_core.export.bundle import export_bundle

    exported: Exported = yield from export_bundle(get_store(), run, chosen)
    return Made(exported.content, str(exported.checked))


def _make_training(form: str) -> Callable[[Run, tuple[str, ...]], Making]:
    """How the run's training is written out."""

    def make(run: Run, chosen: tuple[str, ...]) -> Making:
        yield Progress("Loading what is needed", 0, 1)
        from cnn_core.export.training_file import training_file

        return Made(training_file(get_store(), run, form))

    return make


CARDS = (
    ModelDownload(
        "bundle",
        "Bundle",
        "A zip that proves itself: model files, their card, ten images, what this page says of them, and a script that checks it is so.",
        "Needs Python with numpy and pillow, and onnxruntime or torch.",
        "-bundle.zip",
        "application/zip",
        ":material/folder_zip:",
        _make_bundle,
    ),
    ModelDownload(
        "onnx",
        "ONNX",
        "A graph for programs in any language, for phones and browsers. Pixels from 0 to 255 in, probabilities out: normalisation and "
        "calibration are inside.",
        "Needs ONNX Runtime, or another program that reads ONNX.",
        ".onnx",
        "application/octet-stream",
        ":material/hub:",
        _make_model("onnx"),
    ),
    ModelDownload(
        "torch-export",
        "torch.export",
        "The same graph for PyTorch, which loads it without the network’s source.",
        "Needs torch: torch.export.load(file).module().",
        ".pt2",
        "application/zip",
        ":material/account_tree:",
        _make_model("torch-export"),
    ),
    ModelDownload(
        "safetensors",
        "Safetensors",
        "The weights alone, safe to pass on, with a card that says what they are. CNN Studio takes both back.",
        "Needs safetensors, and CNN Studio or a network of your own to put them into.",
        ".safetensors",
        "application/octet-stream",
        ":material/shield:",
        _make_model("safetensors"),
    ),
    ModelDownload(
        "pth",
        "State dict",
        "best_model.pth as it lies in the run’s folder: PyTorch’s own form, to go on with in a program of yours.",
        "Needs torch: torch.load(file, weights_only=True).",
        "-best_model.pth",
        "application/octet-stream",
        ":material/data_object:",
        _make_model("pth"),
    ),
    ModelDownload(
        "script",
        "Training script",
        "The training itself as one Python file to read and change: images, network, optimizer and loop with this run’s settings, in plain "
        "PyTorch. What it saves fits CNN Studio’s network. Figures differ as between two seeds.",
        "Needs torch and torchvision (for the digits also scikit-learn): python file.py FOLDER.",
        "-train.py",
        "text/x-python",
        ":material/code:",
        _make_training("script"),
    ),
    ModelDownload(
        "notebook",
        "Notebook",
        "The same code in cells, with a sentence on each, for a lesson or for trying things out.",
        "Needs Jupyter or another program that opens notebooks, and torch and torchvision.",
        "-train.ipynb",
        "application/x-ipynb+json",
        ":material/menu_book:",
        _make_training("notebook"),
    ),
)
