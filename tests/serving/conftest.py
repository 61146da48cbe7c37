"""A real endpoint in a process of its own, on a free port, with limits small enough to be reached."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cnn_core.cli.serve import SERVING
from tests.conftest import Trained
from tests.helpers import ROOT, environment

MOST_MB, SECONDS, IN_FLIGHT = 1, 2, 24
ENDS_WITHIN = 30


@dataclass(frozen=True)
class Served:
    """A process that serves a run, and the port it listens on."""

    trained: Trained
    process: subprocess.Popen[str]
    port: int

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal; gives the exit status."""
        self.process.send_signal(number)
        return self.process.wait(ENDS_WITHIN)


def start(trained: Trained) -> Served:
    limits = ("--max-mb", str(MOST_MB), "--seconds", str(SECONDS), "--in-flight", str(IN_FLIGHT))
    process = subprocess.Popen(
        [sys.executable, "-m", "cnn_core", "serve", trained.id, "--port", "0", *limits],
        cwd=ROOT,
        env={**environment(trained.home), "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    line = process.stderr.readline()
    assert line.startswith(SERVING.partition(" (")[0].format(run=trained.id, address="http://127.0.0.1:")), (
        line + process.stderr.read()
    )
    return Served(trained, process, int(line.rpartition(":")[2].split(" ")[0]))


@pytest.fixture(scope="session")
def served(colours_run: Trained) -> Iterator[Served]:
    """The run on three colours, served; it has to be alive at the end, and to end when it is told."""
    served = start(colours_run)
    try:
        yield served
        assert served.process.poll() is None
        assert served.end() == 0
    finally:
        served.process.kill()


@pytest.fixture
def own_served(colours_run: Trained) -> Iterator[Served]:
    """The same for one test, which may end it."""
    served = start(colours_run)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait()
