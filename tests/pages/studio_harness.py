"""Helpers of page and browser tests: a trained studio home, a page in its frame, a dashboard server."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tests.helpers import ROOT, TEMPORARY, copy_shared

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

# Settings that reach a good accuracy on digits within seconds, so that drawings are classified correctly.
QUICK = {"epochs": 3, "batch_size": 32, "learning_rate": 0.003, "dropout": 0.0, "crop": False}
# On a busy machine, OpenMP threads that wait for each other are several times slower than one thread.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
ENDS_WITHIN = 15  # seconds from SIGTERM to the end of a server


def train_digits(folder: Path) -> None:
    """Make a studio home with one finished run, 0001-digits."""
    import torch

    from cnn_core.config.defaults import make_config
    from cnn_core.execution.in_process import execute
    from cnn_core.home import Home
    from cnn_core.runs.store import Store

    store, threads = Store(Home(folder)), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert execute(store, store.create(make_config(data="digits", **QUICK))) == "finished"
    finally:
        torch.set_num_threads(threads)


@cache
def trained_home() -> Path:
    """Return the folder of a studio home with one finished run, 0001-digits, of this process. Never change it."""
    folder = Path(tempfile.mkdtemp(prefix="trained-", dir=os.environ.get(TEMPORARY)))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return copy_trained_home(folder)


def copy_trained_home(to: Path) -> Path:
    """Copy a studio home with one finished run, 0001-digits, to `to` and return that folder."""
    return copy_shared("trained", train_digits, to)


def open_in_frame(name: str, query: Mapping[str, str], user: dict[str, Any] | None = None) -> "AppTest":
    """Run a page once in its frame. user: the claims of the signed-in person."""
    return prepare_in_frame(name, query, user).run()


def prepare_in_frame(name: str, query: Mapping[str, str], user: dict[str, Any] | None = None) -> "AppTest":
    """Return a page in its frame that has not run yet."""
    from streamlit.testing.v1 import AppTest

    at = AppTest.from_file(str(ROOT / "pages" / "shared" / "frame.py"), default_timeout=120)
    if user is not None:
        at.user = user
    if name != "start":
        at.switch_page(f"../{name}.py")
    for key, value in query.items():
        at.query_params[key] = value
    return at


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process of `streamlit run app.py` on a free port with the studio home `home` and more `options` and `environment` variables."""

    def __init__(self, home: Path, *options: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port), *options],
                cwd=ROOT,
                env={**os.environ, **ONE_THREAD, "CNN_STUDIO_HOME": str(home), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_healthy()
        except BaseException:
            self.process.kill()
            raise

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, f"the server ended at its start:\n{self.log.read_text()}"
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert time.monotonic() < deadline, f"the server did not become healthy:\n{self.log.read_text()}"
                time.sleep(0.05)

    def stop(self) -> float:
        """End the server with SIGTERM, as a service manager would, and return the seconds that it took."""
        if self.process.poll() is not None:
            return 0.0
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end within {ENDS_WITHIN} s of SIGTERM:\n{self.log.read_text()}") from None
        return time.monotonic() - start

    def has_loaded(self, library: str) -> bool:
        """Whether the server has loaded a shared library whose path contains `library`."""
        return library in Path(f"/proc/{self.process.pid}/maps").read_text()
