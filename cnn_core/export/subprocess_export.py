"""Export of graphs in a child process: tracing replaces parts of torch, so a training in the same process would fail.

In: a folder with weights and images. Out: in the same folder, the exported file and its predictions after it is loaded again. The child process
is `python -m cnn_core.export.subprocess_export FORMAT FOLDER`. Each line of its standard output is a stage: name, steps done, all steps.
"""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np

from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.export.formats import FORMATS, find_function
from cnn_core.export.graph import build_exportable, predict_in_chunks, to_input, trace
from cnn_core.export.weights import card_inside, read_safetensors

WEIGHTS_FILE, IMAGES_FILE, PREDICTIONS_FILE, MODEL_FILE = "weights.safetensors", "images.npy", "predictions.npy", "model"
TRACING, WRITING, LOADING, PREDICTING = (
    "Tracing the network",
    "Writing the graph",
    "Loading the file",
    "Predicting with the file",
)
PULSE_SECONDS = 0.2
KILLED = -9  # exit status of a process that the system ended, for example because memory ran out
NO_MEMORY = "There was not enough memory to export the model. Close other programs, or export it as safetensors."
FAILED = "The network could not be exported as {format} ({reason}). Export it as safetensors instead."


def export_in_subprocess(name: str, folder: Path) -> Generator[Progress, None, None]:
    """Write MODEL_FILE, a file of the graph format `name`, and PREDICTIONS_FILE to `folder`, which contains WEIGHTS_FILE and IMAGES_FILE.

    Closing the generator ends the process. Raises StudioError.
    """
    lines: SimpleQueue[str] = SimpleQueue()
    with (folder / "errors.txt").open("w+") as errors:
        child = _start(name, folder, errors.fileno())
        reader = Thread(target=_read_lines, args=(child, lines), daemon=True)  # a pipe cannot be polled on Windows
        reader.start()
        try:
            yield from _report(lines)
            if child.wait():
                errors.seek(0)
                raise StudioError(_explain(name, child.returncode, errors.read()))
        finally:
            child.kill()
            reader.join()
            child.communicate()


def _start(name: str, folder: Path, errors: int) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "cnn_core.export.subprocess_export", name, str(folder)]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def _read_lines(child: subprocess.Popen[str], lines: SimpleQueue[str]) -> None:
    """Put all lines that the child writes into the queue, and "" at the end."""
    assert child.stdout
    for line in child.stdout:
        lines.put(line)
    lines.put("")


def _report(lines: SimpleQueue[str]) -> Iterator[Progress]:
    """Yield the child's stage several times a second, so that the caller can close the generator at any time."""
    stage, line = Progress("Starting", 0, 1), " "
    while line:
        yield stage
        with suppress(Empty):
            line = lines.get(timeout=PULSE_SECONDS)
            stage = _read_stage(line) or stage


def _read_stage(line: str) -> Progress | None:
    match line.rstrip("\n").split("\t"):
        case [stage, done, total] if done.isdigit() and total.isdigit():
            return Progress(stage, int(done), int(total))
    return None


def _explain(name: str, status: int, errors: str) -> str:
    if status == KILLED:
        return NO_MEMORY
    reason = (errors.strip().splitlines() or ["no reason given"])[-1][:200].rstrip(". ")
    return FAILED.format(format=FORMATS[name].title, reason=reason)


def export_graph(name: str, folder: Path) -> Iterator[Progress]:
    """Write the file, load it again, and predict with it. Runs in the child process. Yields Progress."""
    content, chosen = (folder / WEIGHTS_FILE).read_bytes(), FORMATS[name]
    card = card_inside(content)
    assert card, "the weights were written with their card"
    yield Progress(TRACING, 0, 1)
    program = trace(card, build_exportable(card, read_safetensors(content)))
    yield Progress(WRITING, 0, 1)
    (folder / MODEL_FILE).write_bytes(find_function(chosen.write)(program, card))
    yield Progress(LOADING, 0, 1)
    predict = find_function(chosen.load)(folder / MODEL_FILE)
    np.save(
        folder / PREDICTIONS_FILE, (yield from predict_in_chunks(predict, to_input(np.load(folder / IMAGES_FILE)), PREDICTING))
    )


def main(name: str, folder: Path) -> None:
    """Run the child process."""
    for stage in export_graph(name, folder):
        sys.stdout.write(f"{stage.stage}\t{stage.done}\t{stage.total}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
