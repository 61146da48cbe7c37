"""What the Evaluate page is about: a run, its best network or that of a kept epoch, and one part of its images."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from cnn_core.data.open import open_source
from cnn_core.data.source import DataSource, ImageSet, Part
from cnn_core.home import WEIGHTS, epoch_file, kept_epochs
from cnn_core.runs.run import Run
from pages.shared.choice import choose_optional
from pages.shared.run_models import evaluate_with_progress, images_of
from pages.shared.run_selection import choose_trained_run
from pages.shared.server import get_store
from pages.shared.test_set_usage import show_test_set_usage

if TYPE_CHECKING:
    from torch import nn

    from cnn_core.metrics.evaluation import Evaluation
    from cnn_core.models.saving import ModelCard

PARTS: dict[Part, str] = {"test": "test", "val": "validation", "train": "training"}


@dataclass(frozen=True)
class EvaluationSubject:
    """A run's network, the best (epoch None) or that after a kept `epoch`, on the images of `part`."""

    run: Run
    epoch: int | None
    part: Part

    @property
    def folder(self) -> Path:
        return get_store().home.run_folder(self.run.id)

    @property
    def source(self) -> DataSource:
        """The data set as it is now. Raises DataError."""
        return open_source(self.run.config.data, get_store().home)

    def evaluation(self, part: Part | None = None) -> "Evaluation":
        """On the images of its part or another one; computed with progress where it is not kept. Raises StudioError."""
        return evaluate_with_progress(self.run, part or self.part, self.epoch)

    def images(self, part: Part | None = None) -> ImageSet:
        """The images in the order of the evaluation. Raises DataError."""
        return images_of(self.run, part or self.part)

    def network(self) -> "tuple[nn.Module, ModelCard]":
        """The network on the CPU in evaluation mode, shared by all sessions: whoever changes it puts it back. Raises RunError."""
        path = self.folder / WEIGHTS if self.epoch is None else epoch_file(self.folder, self.epoch)
        return _network(self.folder, self.epoch, path.stat().st_mtime_ns)

    @property
    def name(self) -> str:
        """For keys of widgets and caches: another one for every subject."""
        return f"{self.run.id}-{self.epoch}-{self.part}"


@st.cache_resource(max_entries=4, show_spinner="Opening the model…")
def _network(folder: Path, epoch: int | None, version: int) -> "tuple[nn.Module, ModelCard]":
    import torch

    from cnn_core.metrics.evaluation import open_network

    return open_network(folder, epoch, torch.device("cpu"))


def choose_subject() -> EvaluationSubject | None:
    """The subject that the boxes at the top of the page name; without any trained run, the empty state."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=520):  # on a phone a row of its own
            run = choose_trained_run("to evaluate")
        if run is None:
            return None
        epochs = kept_epochs(get_store().home.run_folder(run.id))
        best = run.summary.get("best_epoch")
        epoch = choose_optional(
            f"best (epoch {best})" if best else "best",
            "Network",
            epochs[::-1],
            lambda number: f"after epoch {number}",
            key=f"evaluate-epoch-{run.id}",
            width=180,
            help="The best network by validation accuracy, or the one after any epoch whose state was kept.",
        )
        part = st.segmented_control(
            "Images",
            list(PARTS),
            default="test",
            required=True,
            format_func=PARTS.__getitem__,
            key="evaluate-part",
            help="Test images were never used for training. Validation images chose the best epoch; training images are what it learned from.",
        )
    if part == "test":
        show_test_set_usage(run, epoch)
    return EvaluationSubject(run, epoch, part)
