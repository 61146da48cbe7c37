"""What several tests need: small picture folders that can be learned, generators run to their end, processes of their own."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import StudioError
from cnn_core.home import Home

ROOT = Path(__file__).resolve().parents[1]
COLOURS = {"blue": (40, 60, 200), "green": (40, 190, 60), "red": (200, 50, 40), "grey": (120, 120, 120)}


def picture(colour: tuple[int, int, int], size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """One colour under strong noise: no two are alike, and a network can tell the colours apart."""
    width, height = size
    noise = rng.integers(-35, 36, (height, width, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def write_pictures(
    root: Path,
    classes: Iterable[str] = ("blue", "green", "red"),
    *,
    count: int = 10,
    size: tuple[int, int] = (16, 16),
    seed: int = 0,
) -> Path:
    """A folder with `count` real PNG and JPEG files for each class, named after its colour; gives the folder."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            suffix = "png" if index % 2 else "jpg"
            picture(COLOURS[name], size, rng).save(root / name / f"{index:03d}.{suffix}", quality=95)
    return root


def tiny_config(folder: Path, **chosen: Any) -> TrainConfig:
    """Settings that train on a small picture folder within a second, in the arithmetic that references are computed in."""
    usual = {"epochs": 2, "batch_size": 8, "device": "cpu", "learning_rate": 0.003, "precision": "float32"}
    return make_config(**{"data": str(folder), **usual, **chosen})


def drain(steps: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    """Everything a generator yields, and its return value."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


def is_a_sentence(error: StudioError | str) -> bool:
    """Whether a message reads as one: it ends in a full stop and has no gap where a word should be."""
    text = str(error)
    return len(text) > 20 and text.endswith(".") and " ." not in text and "  " not in text


def environment(home: Home) -> dict[str, str]:
    return {**os.environ, "CNN_STUDIO_HOME": str(home.root), "PYTHONPATH": str(ROOT)}


def start_process(home: Home, *arguments: str) -> subprocess.Popen[str]:
    """A Python process at the repository's root, working in `home`."""
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment(home), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
