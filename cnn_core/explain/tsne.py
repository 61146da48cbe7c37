"""t-SNE in a child process, with progress and cancellation.

In: features. Out: coordinates in two dimensions. scikit-learn's t-SNE is a single call, so in a thread it could neither report progress nor be cancelled. The child
reads the features from standard input and writes scikit-learn's log of iterations, a line with DONE, and the coordinates.
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
STAGE = "Computing t-SNE, iterations"
DONE = b"coordinates follow\n"
ROOT = Path(__file__).resolve().parents[2]
# One thread: on busy cores, threads that wait for each other took 42 s instead of 9 s.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


class LayoutError(StudioError):
    """The t-SNE process ended early."""


def run_tsne(features: np.ndarray, start: np.ndarray, perplexity: float) -> Generator[Progress, None, np.ndarray]:
    """Return coordinates (n, 2) float32 of features (n, D), beginning at `start` (n, 2); deterministic. Yields Progress.

    L. van der Maaten, G. Hinton: Visualizing Data using t-SNE, 2008; its approximation of 2014 (Barnes and Hut's) by scikit-learn.
    `perplexity`: below n; roughly the number of neighbours that matter. Raises LayoutError.
    """
    yield Progress(STAGE, 0, ITERATIONS)
    arrays = io.BytesIO()
    np.savez(arrays, features=features.astype(np.float32), start=start.astype(np.float32), perplexity=perplexity)
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
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(arrays.getvalue())
            process.stdin.close()
            for line in process.stdout:
                if line == DONE:
                    return np.asarray(np.load(io.BytesIO(process.stdout.read()), allow_pickle=False))
                done = max(done, read_iteration(line.decode()))
                yield Progress(STAGE, done, ITERATIONS)
        except (OSError, ValueError, EOFError):  # the output was cut off: the error is raised below
            pass
        finally:
            process.kill()
    raise LayoutError("t-SNE ended early, perhaps because memory ran out. Choose fewer images.")


def read_iteration(line: str) -> int:
    """Return the iteration that a line of scikit-learn's log names, or 0."""
    match = re.search(r"Iteration (\d+)", line)
    return int(match[1]) if match else 0


def compute_tsne(features: np.ndarray, start: np.ndarray, perplexity: float) -> np.ndarray:
    """Compute t-SNE in this process; scikit-learn writes its progress to standard output."""
    from sklearn.manifold import TSNE

    method = TSNE(2, perplexity=perplexity, init=start, max_iter=ITERATIONS, random_state=0, verbose=2)
    return np.asarray(method.fit_transform(features))


def main() -> None:
    """Run the child process."""
    arrays = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    coordinates = compute_tsne(arrays["features"], arrays["start"], float(arrays["perplexity"]))
    sys.stdout.flush()
    sys.stdout.buffer.write(DONE)
    np.save(sys.stdout.buffer, coordinates)


if __name__ == "__main__":
    main()
