"""Helpers of the tests that load images from a path."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from cnn_core.data.path_source import PathSource
from cnn_core.data.source import ImageSet, finish
from cnn_core.errors import DataError
from cnn_core.home import Home
from tests.helpers import COLOURS, is_a_sentence

CLASSES = ("blue", "green", "red")


def load(path: Path, home: Home) -> tuple[ImageSet, ImageSet]:
    source = PathSource(path, home)
    return finish(source.load("train")), finish(source.load("test"))


def refused(path: Path, home: Home) -> str:
    """The sentence with which the folder is refused, at once or when it is loaded."""
    with pytest.raises(DataError) as refusal:
        load(path, home)
    assert is_a_sentence(refusal.value)
    return str(refusal.value)


def pack(folder: Path, archive: Path, above: str = "") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(folder.rglob("*")):
            opened.write(path, above + path.relative_to(folder).as_posix())
    return archive


def nearest_colours(images: ImageSet) -> np.ndarray:
    """Which of the three colours every image is."""
    colours = np.array([COLOURS[name] for name in CLASSES])
    return np.abs(images.images.mean((1, 2))[:, None] - colours).sum(2).argmin(1)
