"""A dashboard of one's own for a measurement: the real server on a free port, with a studio home that is thrown away."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cnn_core.home import Home
from cnn_core.runs.store import Store

ROOT = Path(__file__).parent.parent
PATIENCE = 120_000  # milliseconds to wait for anything in a browser; the machine may be busy
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Dashboard:
    """A running dashboard: its address, its store, and its process."""

    url: str
    store: Store
    process: subprocess.Popen


@contextmanager
def dashboard(*, wait: bool = True, home: Path | None = None) -> Iterator[Dashboard]:
    """Serve the dashboard for the block; `wait`: until it answers. `home`: a studio home that stays."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        root = home or Path(folder)
        environment = {**os.environ, "CNN_STUDIO_HOME": str(root)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if wait:
                wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
            yield Dashboard(f"http://127.0.0.1:{port}", Store(Home(root)), process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen) -> None:
    """Return once `url` answers; raises RuntimeError when the server has ended or a minute has passed."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"The dashboard did not answer at {url}.")


def find_chromium() -> str:
    """The browser's path. Raises RuntimeError where there is none."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    raise RuntimeError("No Chromium found. Install it (Debian: apt-get install chromium) or name it in CHROMIUM.")
