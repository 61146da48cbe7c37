"""A small network with a frozen body and a head, an imported set of images, and a reference of its features."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cnn_core.data.imported import ImportedSource
from cnn_core.data.source import ImageSet, finish
from cnn_core.device import Arithmetic
from cnn_core.features.frozen_layers import FrozenLayers
from cnn_core.features.store import FeatureStore
from cnn_core.home import Home
from tests.data.imports import good_files, run_import, write_folder

CPU = torch.device("cpu")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
SIDE, COUNT = 16, 40  # images of each of two classes


class Body(nn.Module):
    """A convolution, which counts the images that it receives, and a head."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.convolution = nn.Conv2d(3, 8, 3)
        self.classifier = nn.Linear(8, 2)
        self.images = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.images += len(images)
        logits: torch.Tensor = self.classifier(self.convolution(images).relu().mean((2, 3)))
        return logits


def import_images(tmp_path: Path, home: Home, count: int = COUNT) -> ImportedSource:
    return run_import(home, write_folder(tmp_path / "pictures", good_files(count)), image_size=SIDE)


def training_images(source: ImportedSource) -> ImageSet:
    return finish(ImportedSource(source.folder).load("train"))


def frozen(store: FeatureStore | None, model: nn.Module | None = None, **changed: object) -> FrozenLayers:
    facts = {"arithmetic": Arithmetic(CPU), "mean": MEAN, "std": STD, **changed}
    return FrozenLayers(model or Body(), "classifier", store=store, **facts)


def reference(images: ImageSet) -> np.ndarray:
    """Return the features as plain torch computes them, all at once."""
    pixels = torch.from_numpy(images[:]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        body = Body().convolution((pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    return np.asarray(body.relu().mean((2, 3)))
