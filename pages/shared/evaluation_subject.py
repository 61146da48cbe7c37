"""The subject of the Evaluate page: a run, its best model or that of a saved epoch, and a split."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.config.images import open_images
from cnn_core.data.source import DataSource, ImageSet, Split
from cnn_core.home import WEIGHTS, epoch_file, saved_epochs
from cnn_core.runs.run import Run
from cnn_core.text import counted
from pages.shared.address import read_address, write_address
from pages.shared.choice import choose_optional
from pages.shared.evaluated_models import describe_test_set_usage
from pages.shared.run_models import evaluate_with_progress, images_of
from pages.shared.run_selection import SOME_EPOCHS, choose_trained_run
from pages.shared.server import get_store

if TYPE_CHECKING:
    from torch import nn

    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.models.saving import ModelCard

SPLIT = "evaluate-part"  # key of the control; the address names the split (`?split=`)
SPLITS: dict[Split, str] = {"val": "validation", "test": "test", "train": "training"}  # the first is the default
SPLIT_HELP = (
    "The validation images were used to choose the best epoch; use them to compare models. The test images were used for nothing yet: keep them for the "
    "final accuracy of a chosen model, as every use is counted. The model was trained on the training images."
)
HEADER = "**{accuracy:.1%} accuracy** on {images}."
CORRECT, WRONG = ":green[✓ correct]", ":red[✗ wrong]"  # a verdict on a prediction, as Markdown


@dataclass(frozen=True)
class EvaluationSubject:
    """A run's best model (epoch None), or that of a saved `epoch`, on the images of `split`."""

    run: Run
    epoch: int | None
    split: Split

    @property
    def model_epoch(self) -> int | None:
        """The epoch after which the model was saved; None for the best model of a run that did not record it."""
        best: int | None = self.run.summary.get("best_epoch")
        return best if self.epoch is None else self.epoch

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return get_store().home.run_folder(self.run.id)

    @property
    def source(self) -> DataSource:
        """The data set as it is now. Raises DataError."""
        return open_images(self.run.config, get_store().home)

    def evaluation(self, split: Split | None = None) -> "Evaluation":
        """Return the evaluation on its split or another one, computed with progress unless it is cached. Raises StudioError."""
        return evaluate_with_progress(self.run, split or self.split, self.epoch)

    def images(self, split: Split | None = None) -> ImageSet:
        """Return the images in the order of the evaluation. Raises DataError."""
        return images_of(self.run, split or self.split)

    def model(self) -> "tuple[nn.Module, ModelCard]":
        """Return the model on the CPU in evaluation mode; it is shared by all sessions and must not be changed. Raises RunError."""
        path = self.folder / WEIGHTS if self.epoch is None else epoch_file(self.folder, self.epoch)
        return _load_model(self.folder, self.epoch, path.stat().st_mtime_ns)

    @property
    def name(self) -> str:
        """A name for keys of widgets and caches, unique for each subject."""
        return f"{self.run.id}-{self.epoch}-{self.split}"


@st.cache_resource(max_entries=4, show_spinner="Opening the model…")
def _load_model(folder: Path, epoch: int | None, version: int) -> "tuple[nn.Module, ModelCard]":
    import torch

    from cnn_core.metrics.evaluation import load_evaluated_model

    return load_evaluated_model(folder, epoch, torch.device("cpu"))


def choose_subject() -> EvaluationSubject | None:
    """Show the inputs at the top of the page with the accuracy, and return the subject; None, with the empty state, without a trained run.

    Raises StudioError.
    """
    requested = st.query_params.get("run")
    with st.container(horizontal=True):
        with st.container(width=520):  # a row of its own on a phone
            run = choose_trained_run("to evaluate")
        if run is None:
            return None
        epochs = saved_epochs(get_store().home.run_folder(run.id))
        best = EvaluationSubject(run, None, "val").model_epoch
        epoch = choose_optional(
            f"best (epoch {best})" if best else "best",
            "Model",
            epochs[::-1],
            lambda number: f"after epoch {number}",
            key=f"evaluate-epoch-{run.id}",
            width=180,
            help=f"The best model by validation accuracy, or that of a saved epoch. {SOME_EPOCHS}",
        )
        split = _choose_split(is_same_run=requested in (None, run.id))
    subject = EvaluationSubject(run, epoch, split)
    evaluation = subject.evaluation()
    images = counted(len(evaluation), f"{SPLITS[split]} image")
    usage = describe_test_set_usage(run, epoch) if split == "test" else ""
    st.markdown(f"{HEADER.format(accuracy=evaluation.accuracy, images=images)} {f':small[{usage}]' if usage else ''}")
    return subject


def _choose_split(*, is_same_run: bool) -> Split:
    """Return the chosen split; the address names it (`?split=`). Test images are asked for anew for every run.

    is_same_run: whether the run shown is the one in the address.
    """
    if not is_same_run and st.query_params.get("split") == "test":
        st.query_params["split"] = "val"
    read_address("split", SPLIT, list(SPLITS))
    chosen = st.segmented_control(
        "Split", list(SPLITS), required=True, format_func=SPLITS.__getitem__, key=SPLIT, help=SPLIT_HELP
    )
    split: Split = chosen or "val"
    write_address("split", SPLIT, split)
    return split
