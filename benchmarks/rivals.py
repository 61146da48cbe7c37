"""Other people's CIFAR-10 speed scripts, run as they are, on our images. In: a script's file. Out: what each of its runs reports.

Scripts are read from a copy that the user has (they are not ours to hand on): `airbench94_muon.py` of github.com/KellerJordan/cifar10-airbench
and `cifar10_speedrun.py` of github.com/hiverge/cifar10-speedrun. Each is a process of its own in a temporary folder, where it
finds the images in the files that it would otherwise make from a download. On a CPU the same script runs uncompiled,
in float32, or where the processor multiplies bfloat16 itself, in that with float32 weights (autocast), as the engine does.
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
# One autocast around the whole script: it must keep no copies of the weights, which it would hold until its end, never trained.
IN_BFLOAT16 = 'torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False).__enter__()\n'
WHITENING = "    def init_whiten("
IN_FULL_PRECISION = (
    '    @torch.autocast("cpu", enabled=False)\n'  # or small eigenvalues turn negative, and their roots are no numbers
)


@dataclass(frozen=True)
class Row:
    """A line of a script's log: epochs have a number, the end of a run is called "eval". Accuracies are shares of the test images."""

    epoch: str
    accuracy: float | None
    tta_accuracy: float | None  # averaged over mirrored and shifted views
    seconds: float  # of training so far, as the script itself counts them


def run_script(script: Path, training: ImageSet, test: ImageSet, runs: int, device: str = "cuda") -> Iterator[Row]:
    """The log of `runs` runs, line by line as they come. Closing the iterator ends the script; RuntimeError when it fails."""
    with TemporaryDirectory() as folder:
        _write_images(Path(folder), training, test)
        (Path(folder) / script.name).write_text(_adapt(script.read_text(), runs, device))
        command = [sys.executable, "-u", script.name]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield from _rows(process.stdout)
            except GeneratorExit:
                process.terminate()
                raise
        if process.returncode:
            raise RuntimeError(f"{script.name} ended with status {process.returncode}.")


def _rows(lines: Iterable[str]) -> Iterator[Row]:
    """The rows of a log, those of a warm-up run left out. Cells: run (once a run), epoch, training accuracy, accuracy, with views, seconds."""
    run = ""
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 6 or not cells[5].replace(".", "").isdigit():
            continue
        run = cells[0] or run
        if run != "warmup":
            yield Row(cells[1], *(float(cell) if cell else None for cell in cells[3:5]), seconds=float(cells[5]))


def _adapt(code: str, runs: int, device: str) -> str:
    if SCRIPT_RUNS not in code:
        raise RuntimeError(f"This version of the script has no “{SCRIPT_RUNS}”, so the number of runs cannot be set.")
    code = code.replace(SCRIPT_RUNS, f"range({runs})")
    if device == "cpu":  # the warm-up run serves the compiler only
        code = code.replace(WHITENING, IN_FULL_PRECISION + WHITENING)
        arithmetic = IN_BFLOAT16 if multiplies_bfloat16(torch.device("cpu")) else IN_FLOAT32
        code = (
            ON_CPU
            + arithmetic
            + code.replace('torch.device("cuda")', 'torch.device("cpu")').replace('main("warmup", model)', "pass")
        )
    return code


def _write_images(folder: Path, training: ImageSet, test: ImageSet) -> None:
    place = folder / "cifar10"
    place.mkdir()
    for images, name in ((training, "train.pt"), (test, "test.pt")):
        content = {"images": torch.from_numpy(images.images), "labels": torch.from_numpy(images.labels).long()}
        torch.save(content | {"classes": [str(number) for number in range(10)]}, place / name)
