"""Helpers of several tests: small image folders, settings of a fast training, generators run to their end, processes."""

import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import StudioError
from cnn_core.home import Home

ROOT = Path(__file__).resolve().parents[1]
SHARED = "CNN_STUDIO_TESTS_SHARED"  # environment variable: the folder of what all processes of a test session share
TEMPORARY = "PYTEST_DEBUG_TEMPROOT"  # environment variable: the folder of pytest's temporary folders
LEAST_ACKNOWLEDGEMENT_SECONDS = (
    0.03  # a server that waits for an acknowledgement between two parts of an answer waits at least as long
)
COLOURS = {"blue": (40, 60, 200), "green": (40, 190, 60), "red": (200, 50, 40), "grey": (120, 120, 120)}


def noisy_image(colour: tuple[int, int, int], size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return an image of one colour with strong noise: all images differ, and a network can learn the colours."""
    width, height = size
    noise = rng.integers(-35, 36, (height, width, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def write_images(
    root: Path,
    classes: Iterable[str] = ("blue", "green", "red"),
    *,
    count: int = 10,
    size: tuple[int, int] = (16, 16),
    seed: int = 0,
) -> Path:
    """Write `count` PNG and JPEG files for each class, which is named after its colour; return the folder."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            suffix = "png" if index % 2 else "jpg"
            noisy_image(COLOURS[name], size, rng).save(root / name / f"{index:03d}.{suffix}", quality=95)
    return root


def tiny_config(folder: Path, **chosen: Any) -> TrainConfig:
    """Return settings that train on a small image folder within a second, in float32 like the references."""
    usual = {"epochs": 2, "batch_size": 8, "device": "cpu", "learning_rate": 0.003, "precision": "float32"}
    return make_config(**{"data": str(folder), **usual, **chosen})


def drain(steps: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    """Return all that a generator yields, and its return value."""
    items = []
    while True:
        try:
            items.append(next(steps))
        except StopIteration as end:
            return items, end.value


def is_a_sentence(error: StudioError | str) -> bool:
    """Whether a message is a complete sentence: it ends in a full stop and no value in it is empty."""
    text = str(error)
    return len(text) > 20 and text.endswith(".") and " ." not in text and "  " not in text


def environment(home: Home) -> dict[str, str]:
    """Return the environment of a process that uses `home`."""
    return {**os.environ, "CNN_STUDIO_HOME": str(home.root), "PYTHONPATH": str(ROOT)}


def start_process(home: Home, *arguments: str) -> subprocess.Popen[str]:
    """Start Python in the repository's root with `home` as its studio home."""
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment(home), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def seconds_from_head_to_body(port: int, path: str) -> float:
    """Return the median seconds from the head to the body of an answer, on one connection to this machine."""
    connection, seconds = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
    for _ in range(9):
        connection.request("GET", path)
        answer = connection.getresponse()
        begun = time.perf_counter()
        answer.read()
        seconds.append(time.perf_counter() - begun)
    connection.close()
    return statistics.median(seconds)


def slowdown() -> float:
    """Return how many times longer than its processor time a short computation takes: 1 on a quiet machine, more beside other processes."""
    begun, worked = time.perf_counter(), time.process_time()
    while time.process_time() - worked < 0.1:
        pass
    return (time.perf_counter() - begun) / (time.process_time() - worked)


def copy_shared(name: str, make: Callable[[Path], object], to: Path) -> Path:
    """Copy the folder `name`, which `make` fills once for all processes of the test session, to `to`, and return `to`."""
    folder = Path(os.environ[SHARED], name)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make(partial := folder.with_name(f"{name}.partial"))
            partial.rename(folder)
    return Path(shutil.copytree(folder, to, dirs_exist_ok=True))


def tells(text: str, *figures: str) -> bool:
    """Whether `text` names all figures in this order, each as a word of its own."""
    words = (rf"(?<![\w.]){re.escape(figure)}(?!\w|[.,]\d)" for figure in figures)
    return bool(re.search(".*".join(words), text))
