"""A dashboard for a benchmark: the real server on a free port with a temporary studio home, a Chromium, and the command line."""

import json
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
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from cnn_core.home import Home
from cnn_core.runs.store import Store

ROOT = Path(__file__).parent.parent
TIMEOUT = 120_000  # milliseconds to wait for anything in a browser; the machine may be busy
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
    """A running dashboard: its address, its run store, and its process."""

    url: str
    store: Store
    process: subprocess.Popen[bytes]


@contextmanager
def dashboard(*, wait: bool = True, home: Path | None = None) -> Iterator[Dashboard]:
    """Serve the dashboard within the block.

    With `wait`, the block begins when the server responds. `home` is an existing studio home instead of a temporary one.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        root = home or Path(folder)
        process = subprocess.Popen(command, cwd=ROOT, env=environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if wait:
                wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
            yield Dashboard(f"http://127.0.0.1:{port}", Store(Home(root)), process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when `url` responds. Raises RuntimeError when the server has ended or a minute has passed."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"The dashboard did not respond at {url}.")


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a process that uses the studio home `home`."""
    return {**os.environ, "CNN_STUDIO_HOME": str(home)}


def train_model(home: Path, data: str, *options: str) -> dict[str, Any]:
    """Train a run with `python -m cnn_core train` and return its JSON result; end this process when the training fails."""
    return run_command(home, "train", "--data", data, *options)


def run_command(home: Path, *arguments: str) -> dict[str, Any]:
    """Run `python -m cnn_core` with `arguments` and return its JSON result; end this process when it fails."""
    command = [sys.executable, "-m", "cnn_core", *arguments, "--json"]
    process = subprocess.run(command, cwd=ROOT, env=environment(home), capture_output=True, text=True)
    if process.returncode:
        sys.exit(process.stderr)
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a Chromium within the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def find_chromium() -> str:
    """Return the path of a Chromium. Raises RuntimeError when there is none."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    raise RuntimeError("No Chromium was found. Install it (Debian: apt-get install chromium) or set CHROMIUM to its path.")
