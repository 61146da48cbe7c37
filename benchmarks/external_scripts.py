"""Run the published CIFAR-10 speed scripts on our images. In: a script's file. Out: the rows of its log.

You need your own copies of the scripts: `airbench94_muon.py` from github.com/KellerJordan/cifar10-airbench
and `cifar10_speedrun.py` from github.com/hiverge/cifar10-speedrun. Each runs in a process of its own in a temporary folder with the
image files that it would otherwise make from a download. On a CPU the script runs uncompiled, in float32, or in bfloat16 with float32 weights
(autocast) where the processor supports bfloat16, as the engine does.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from cnn_core.data.source import ImageSet
from cnn_core.device import multiplies_bfloat16

SCRIPT_RUNS = "range(200)"
ON_CPU = """
import time, torch
class Clock:
    def __init__(self, **_): self.at = 0.0
    def record(self): self.at = time.perf_counter()
    def elapsed_time(self, later): return 1e3 * (later.at - self.at)
torch.cuda.Event, torch.cuda.synchronize = Clock, lambda: None
torch.compile = lambda function=None, **_: function or (lambda inner: inner)
torch.nn.Module.compile = lambda *_, **__: None
torch.nn.Module.cuda = lambda module: module
torch.nn.Module.half = torch.nn.Module.float
torch.Tensor.half = torch.Tensor.float
"""
IN_FLOAT32 = "torch.Tensor.bfloat16 = torch.Tensor.float\n"
# One autocast around the whole script must not cache copies of the weights: they would never be updated, and the network would not learn.
IN_BFLOAT16 = 'torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False).__enter__()\n'
WHITENING = "    def init_whiten("
IN_FULL_PRECISION = (
    '    @torch.autocast("cpu", enabled=False)\n'  # in bfloat16 small eigenvalues become negative and their roots NaN
)


@dataclass(frozen=True)
class Row:
    """A row of a script's log. `epoch` is the epoch's number, or "eval" at the end of a run. Accuracies are on the test images, between 0 and 1."""

    epoch: str
    accuracy: float | None
    tta_accuracy: float | None  # with test-time augmentation: flips and shifts
    seconds: float  # of training so far, as the script counts them


def run_script(script: Path, training: ImageSet, test: ImageSet, runs: int, device: str = "cuda") -> Iterator[Row]:
    """Run the script `runs` times and yield the rows of its log. Closing the iterator ends it. Raises RuntimeError when the script fails."""
    with TemporaryDirectory() as folder:
        _write_images(Path(folder), training, test)
        (Path(folder) / script.name).write_text(_adapt(script.read_text(), runs, device))
        command = [sys.executable, "-u", script.name]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                yield from _read_rows(process.stdout)
            except GeneratorExit:
                process.terminate()
                raise
        if process.returncode:
            raise RuntimeError(f"{script.name} ended with status {process.returncode}.")


def _read_rows(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a log without the warm-up run. Cells: run (in its first row), epoch, training accuracy, test accuracy, TTA accuracy, seconds."""
    run = ""
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 6 or not cells[5].replace(".", "").isdigit():
            continue
        run = cells[0] or run
        if run != "warmup":
            accuracy, tta_accuracy = (float(cell) if cell else None for cell in cells[3:5])
            yield Row(cells[1], accuracy, tta_accuracy, float(cells[5]))


def _adapt(code: str, runs: int, device: str) -> str:
    """Return the script's code for this number of runs and this device."""
    if SCRIPT_RUNS not in code:
        raise RuntimeError(f"This version of the script has no “{SCRIPT_RUNS}”, so the number of runs cannot be set.")
    code = code.replace(SCRIPT_RUNS, f"range({runs})")
    if device == "cpu":  # the warm-up run is only for the compiler
        code = code.replace(WHITENING, IN_FULL_PRECISION + WHITENING)
        arithmetic = IN_BFLOAT16 if multiplies_bfloat16(torch.device("cpu")) else IN_FLOAT32
        code = (
            ON_CPU
            + arithmetic
            + code.replace('torch.device("cuda")', 'torch.device("cpu")').replace('main("warmup", model)', "pass")
        )
    return code


def _write_images(folder: Path, training: ImageSet, test: ImageSet) -> None:
    """Write the images as the files that the scripts read."""
    data_folder = folder / "cifar10"
    data_folder.mkdir()
    for images, name in ((training, "train.pt"), (test, "test.pt")):
        content = {"images": torch.from_numpy(images.images), "labels": torch.from_numpy(images.labels).long()}
        torch.save(content | {"classes": [str(number) for number in range(10)]}, data_folder / name)
