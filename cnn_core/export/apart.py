"""Graphs are made, and loaded back, in a process of their own: making one replaces parts of torch, and a training beside it fails.

In: a folder with weights and images. Out: there, the file and what the file, loaded back, says of the images. The child is
`python -m cnn_core.export.apart FORM FOLDER`; a line on its standard output is a stage: name, how many done, of how many.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np

from cnn_core.errors import StudioError
from cnn_core.events import Progress

WEIGHTS, IMAGES, ANSWERS, MODEL = "weights.safetensors", "images.npy", "answers.npy", "model"
CHUNK = 100  # images at a time; the first is alone, so that one alone is tried too
PULSE_SECONDS = 0.2
Answer = Callable[[np.ndarray], np.ndarray]


def make_apart(form: str, folder: Path) -> Generator[Progress, None, None]:
    """Have `model` and `answers.npy` made in `folder`, which holds weights and images. Ended early, it ends the child. Raises StudioError."""
    with (folder / "errors.txt").open("w+") as errors:
        child = _start(form, folder, errors.fileno())
        try:
            yield from _report(child)
            if child.wait():
                errors.seek(0)
                raise StudioError(_refusal(form, child.returncode, errors.read()))
        finally:
            child.kill()
            child.wait()
            child.stdout.close()


def _start(form: str, folder: Path, errors: int) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "cnn_core.export.apart", form, str(folder)]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def _report(child: subprocess.Popen[str]) -> Iterator[Progress]:
    """What the child says it does, several times a second, so that whoever watches can end it at any moment."""
    stage, line = Progress("Starting", 0, 1), " "
    while line:
        yield stage
        if select.select([child.stdout], [], [], PULSE_SECONDS)[0]:
            line = child.stdout.readline()
            stage = _read_stage(line) or stage


def _read_stage(line: str) -> Progress | None:
    match line.rstrip("\n").split("\t"):
        case [stage, done, total] if done.isdigit() and total.isdigit():
            return Progress(stage, int(done), int(total))
    return None


def _refusal(form: str, status: int, errors: str) -> str:
    if status == -signal.SIGKILL:
        return "There was not enough memory to make the file. Close other programs, or export the weights as safetensors."
    last = (errors.strip().splitlines() or ["no reason given"])[-1][:200].rstrip(". ")
    return f"The network could not be made into a file of the form {form} ({last}). Export its weights as safetensors instead."


def main(form: str, folder: Path) -> None:
    """The child: make the file, load it back, let it answer."""
    from cnn_core.export.graph import build_answering, to_onnx, to_torch_export, trace
    from cnn_core.export.weights import card_inside, read_safetensors

    content = (folder / WEIGHTS).read_bytes()
    card = card_inside(content)
    _tell("Tracing the network")
    program = trace(card, build_answering(card, read_safetensors(content)))
    _tell("Writing the graph")
    (folder / MODEL).write_bytes(to_onnx(program, card) if form == "onnx" else to_torch_export(program, card))
    _tell("Loading the file back")
    answer = _load_onnx(folder / MODEL) if form == "onnx" else _load_torch_export(folder / MODEL)
    np.save(folder / ANSWERS, _answer_all(answer, np.load(folder / IMAGES)))


def _load_onnx(path: Path) -> Answer:
    import onnxruntime

    from cnn_core.export.graph import INPUT, OUTPUT, to_input

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda pixels: session.run([OUTPUT], {INPUT: to_input(pixels)})[0]


def _load_torch_export(path: Path) -> Answer:
    import torch

    from cnn_core.export.graph import answer

    with path.open("rb") as file:
        network = torch.export.load(file).module()
    return lambda pixels: answer(network, pixels)


def _answer_all(answer: Answer, images: np.ndarray) -> np.ndarray:
    parts = []
    for chunk in chunks(len(images)):
        _tell("Asking the file about images", chunk.start, len(images))
        parts.append(answer(images[chunk]))
    return np.concatenate(parts)


def chunks(count: int) -> Iterator[slice]:
    """0..count in pieces: one, then CHUNK at a time."""
    starts = [0, *range(1, count, CHUNK), count]
    return (slice(start, end) for start, end in zip(starts, starts[1:], strict=False) if end > start)


def _tell(stage: str, done: int = 0, total: int = 1) -> None:
    sys.stdout.write(f"{stage}\t{done}\t{total}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
