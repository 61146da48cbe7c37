"""Pretrained networks on the Configure page: a table of them, and the weights of the chosen one, which are fetched at the press of a button.

Nothing is fetched unasked: where weights are missing, the start of a run is refused too.
"""

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo
from cnn_core.errors import SettingError, StudioError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.models.pretrained_input import expected_input
from cnn_core.models.pretrained_table import PRETRAINED, TORCHVISION_NETWORKS
from cnn_core.models.weights_source import (
    CHECKING,
    NOT_KEPT,
    SUFFIXES,
    Place,
    add_weights,
    find_kept,
    find_place,
    full_name,
    read_record,
)
from cnn_core.text import format_bytes
from pages.shared.people import is_shared, may_read_paths
from pages.shared.progress import CANCELLED, run_with_progress
from pages.shared.server import get_store
from pages.shared.text import plain
from pages.shared.trial_times import trial_seconds

TABLE = "Pretrained networks"
STATES: dict[Place, str] = {"installed": "installed", "here": "here", "cache": "here, in the cache", "": "to fetch"}
TO_FETCH = "The weights of {name} are not on this machine{facts}. Fetch them once to train with them; Start downloads nothing."
HERE = "The weights of {name} are on this machine{facts}."
FACTS = " ({size}, licence {licence})"
OTHER_SIZE = "They were trained on images of {expected}×{expected} pixels; those of this run have {side}×{side} (“Image size” in the tab Network)."
FETCH_CANCELLED = "The fetch was cancelled. “Fetch weights” continues where it stopped."
ASK_TEACHER = "Only teachers can fetch weights on this server. Ask a teacher, or choose a model whose weights are here."
FETCH, ADD_FILE, ADD = "Fetch weights", "Add a file", "Add weights"
FETCH_KEY, FILE_KEY, ADD_KEY = "fetch-weights", "weights-file", "add-weights"
WORK = "fetch-{name}"
UPLOAD = "an uploaded file"  # where the weights came from
COLUMNS = {
    "Parameters": st.column_config.NumberColumn(format="localized"),
    "Input (px)": st.column_config.NumberColumn(help="The side of the images that the network was trained on."),
    "Crop share": st.column_config.NumberColumn(
        help="The side of the centre that it was trained on, as a fraction of an image's short side."
    ),
    "Multiply-adds": st.column_config.TextColumn(help="For the forward pass of one image of that size."),
    "Licence": st.column_config.TextColumn(help="Of the weights, as timm states it. Licences with “nc” forbid commercial use."),
    "Name": st.column_config.TextColumn(help="In timm; for networks of torchvision, their name on the command line."),
    "Training (s)": st.column_config.NumberColumn(
        help="From your earlier runs of this network with this data set, for the epochs of the form."
    ),
}


def show_weights(place: DeltaGenerator, config: TrainConfig, info: DataInfo) -> None:
    """Show in `place` whether the weights of the chosen pretrained network are here, else the button that fetches them. Raises SettingError."""
    if not config.fetched_weights:
        return
    home = get_store().home
    with place:
        name = _full_name(config.fetched_weights)
        network = PRETRAINED.get(name)
        shown = TORCHVISION_NETWORKS[name].title if name in TORCHVISION_NETWORKS else plain(name)
        facts = FACTS.format(size=format_bytes(network.file_bytes), licence=network.licence) if network else ""
        expected, side = expected_input(name).side, info.image_size
        note = OTHER_SIZE.format(expected=expected, side=side) if expected != side else ""
        if find_place(name, home):
            st.caption(" ".join(filter(None, (HERE.format(name=shown, facts=facts), _last_layer(name, home), note))))
            return
        st.info(" ".join(filter(None, (TO_FETCH.format(name=shown, facts=facts), note))), icon=":material/cloud_download:")
        _offer_weights(name, home)


def _last_layer(name: str, home: Home) -> str:
    """Return the sentence on a kept file whose last layer has other classes; "" without one."""
    file = find_kept(name, home)
    record = read_record(file) if file else None
    return record.note if record else ""


def _full_name(name: str) -> str:
    if name in PRETRAINED:
        return name
    with st.spinner("Looking the network up in timm…"):
        return full_name(name)


def _offer_weights(name: str, home: Home) -> None:
    """Show the buttons that fetch weights and that add a file with them."""
    if is_shared() and not may_read_paths():
        st.caption(ASK_TEACHER)
        return
    with st.container(horizontal=True):
        wants = st.button(
            FETCH,
            key=FETCH_KEY,
            icon=":material/download:",
            on_click=st.session_state.pop,
            args=(CANCELLED, None),
            help="Downloads the file into the studio home. A fetch that is cancelled continues where it stopped.",
        )
        with st.popover(ADD_FILE, icon=":material/upload_file:", help="Use a file of weights that you have."):
            file = st.file_uploader(
                "File of weights",
                type=[suffix.removeprefix(".") for suffix in SUFFIXES],
                key=FILE_KEY,
                help="A safetensors or PyTorch file with the weights of this network, with the names of timm or torchvision.",
            )
            is_added = st.button(ADD, key=ADD_KEY, icon=":material/check:", disabled=file is None)
    from cnn_core.models.weights_fetch import fetch_weights

    if is_added and file is not None:
        _run(_add_upload(name, file.name, cast(BinaryIO, file), home), "")
    elif wants:
        _run(fetch_weights(name, home), WORK.format(name=name))
    elif st.session_state.get(CANCELLED) == WORK.format(name=name):
        st.caption(FETCH_CANCELLED)


def _run(steps: Generator[Progress, None, Path], work: str) -> None:
    """Run the steps that get weights under a progress bar, and show the page again; an error is shown."""
    try:
        run_with_progress(steps, work)
    except StudioError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.rerun()


def _add_upload(name: str, title: str, file: BinaryIO, home: Home) -> Generator[Progress, None, Path]:
    """Keep an uploaded file of weights, whose own name is `title`. Raises SettingError."""
    yield Progress(CHECKING, 0, 1)
    path = Path(title)
    try:
        home.weights.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.weights) as folder:  # not in a temporary folder, which may be in memory
            path = Path(folder) / f"upload{path.suffix.lower()}"
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
            return add_weights(name, path, home, source=UPLOAD)
    except OSError as error:
        raise SettingError(NOT_KEPT.format(name=name, folder=home.weights, reason=error.strerror or error), "weights") from None
    except SettingError as error:
        raise SettingError(str(error).replace(str(path), title), error.field) from None


def compare_networks(config: TrainConfig) -> None:
    """Show a table of the pretrained networks: what they are, and whether their weights are here."""
    table = st.expander(TABLE, icon=":material/table_chart:", key="networks", on_change="rerun")
    if not table.open:
        return
    store = get_store()
    runs = store.runs()
    rows: list[dict[str, Any]] = []
    for name, network in PRETRAINED.items():
        chosen = {"model": network.family} | ({"timm_name": name} if network.family == "timm" else {})
        seconds = trial_seconds(config.model_copy(update=chosen), runs)
        rows.append(
            {
                "Network": network.title,
                "Weights": STATES[find_place(name, store.home)],
                "Parameters": network.parameters,
                "Input (px)": network.expects.side,
                "Crop share": network.expects.crop_share,
                "Multiply-adds": f"{network.multiply_adds / 1e9:.2f} G",
                "Download": format_bytes(network.file_bytes),
                "Licence": network.licence,
                "Training (s)": None if seconds is None else round(seconds),
                "Name": name,
            }
        )
    with table:
        st.dataframe(
            rows,
            hide_index=True,
            height="content",
            column_config=COLUMNS,
            placeholder="–",
            alt="The pretrained networks and their weights",
        )
