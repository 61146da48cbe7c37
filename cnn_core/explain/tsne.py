"""t-SNE in a process of its own: it says how far it is, can be ended at any moment, and leaves its parent's other threads alone.

In: features. Out: places in the plane. scikit-learn's is one call, which a thread could neither watch nor end. The process reads the
features from its standard input; it writes what scikit-learn says of its iterations, a line with DONE, and the places.
"""

import io
import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np

from cnn_core.errors import StudioError
from cnn_core.events import Progress

ITERATIONS = 1000
STAGE = "Laying out images by t-SNE, iterations"
DONE = b"places follow\n"
ROOT = Path(__file__).resolve().parents[2]
# Of one thread alone: on busy cores, threads that wait for each other took 42 s for what takes 9.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


class LayoutError(StudioError):
    """The process that lays images out has ended before its time."""


def run_tsne(features: np.ndarray, start: np.ndarray, perplexity: float) -> Generator[Progress, None, np.ndarray]:
    """Places (n, 2) float32 of features (n, D), from the places `start` (n, 2) on. The same ones every time. Yields Progress.

    L. van der Maaten, G. Hinton: Visualizing Data using t-SNE, 2008; its approximation of 2014 (Barnes and Hut's) by scikit-learn.
    `perplexity`: less than n; roughly how many neighbours an image is to stay near to. Raises LayoutError.
    """
    yield Progress(STAGE, 0, ITERATIONS)
    sent = io.BytesIO()
    np.savez(sent, features=features.astype(np.float32), start=start.astype(np.float32), perplexity=perplexity)
    process = subprocess.Popen(
        [sys.executable, "-m", "cnn_core.explain.tsne"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
    )
    with process:
        done = 0
        try:
            process.stdin.write(sent.getvalue())
            process.stdin.close()
            for line in process.stdout:
                if line == DONE:
                    return np.load(io.BytesIO(process.stdout.read()), allow_pickle=False)
                done = max(done, read_iteration(line.decode()))
                yield Progress(STAGE, done, ITERATIONS)
        except (OSError, ValueError, EOFError):  # its end was cut off: said below
            pass
        finally:
            process.kill()
    raise LayoutError("Laying out the images ended before its time, perhaps for want of memory. Try fewer images.")


def read_iteration(line: str) -> int:
    """The number of the iteration that a line of scikit-learn's is about, or 0."""
    found = re.search(r"Iteration (\d+)", line)
    return int(found[1]) if found else 0


def lay_out(features: np.ndarray, start: np.ndarray, perplexity: float) -> np.ndarray:
    """What `run_tsne` gives, in this process and at once; scikit-learn writes its progress to the standard output."""
    from sklearn.manifold import TSNE

    method = TSNE(2, perplexity=perplexity, init=start, max_iter=ITERATIONS, random_state=0, verbose=2)
    return method.fit_transform(features)


def main() -> None:
    """The process."""
    given = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    places = lay_out(given["features"], given["start"], float(given["perplexity"]))
    sys.stdout.flush()
    sys.stdout.buffer.write(DONE)
    np.save(sys.stdout.buffer, places)


if __name__ == "__main__":
    main()
