"""Fixtures for every test: a studio home of its own, a small picture folder, and two runs that are trained once per session."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

# Read when torch is loaded: waiting threads then sleep instead of spinning, which on two busy cores is several times faster.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "PYTEST_XDIST_WORKER" in os.environ:  # one core for each of the processes that share the tests
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from cnn_core.home import Home
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from tests.helpers import start_process, tiny_config, write_pictures


@dataclass(frozen=True)
class Trained:
    """A finished run in a home of its own; `out` and `err` are what the command line printed, where that trained it."""

    home: Home
    id: str
    out: str = ""
    err: str = ""

    @property
    def store(self) -> Store:
        return Store(self.home)

    @property
    def run(self) -> Run:
        return self.store.run(self.id)

    @property
    def folder(self) -> Path:
        return self.home.run_folder(self.id)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty studio home, which `CNN_STUDIO_HOME` names."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path / "studio"))
    return Home(tmp_path / "studio")


@pytest.fixture
def store(home: Home) -> Store:
    return Store(home)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of 30 small pictures in three classes."""
    return write_pictures(tmp_path / "pictures")


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run on the digits, good enough to recognise them, trained as a person would: by the command line in a process of
    its own. Not to be changed by a test: see `digits_copy`."""
    home = Home(tmp_path_factory.mktemp("digits"))
    settings = (
        "--data",
        "digits",
        "--epochs",
        "6",
        "--learning-rate",
        "0.003",
        "--dropout",
        "0",
        "--device",
        "cpu",
        "--precision",
        "float32",
    )
    process = start_process(home, "-m", "cnn_core", "train", *settings, "--json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return Trained(home, Store(home).runs()[0].id, out, err)


@pytest.fixture(scope="session")
def colours_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run on a picture folder, trained in this process. Not to be changed by a test: see `colours_copy`."""
    from cnn_core.execution.in_process import execute

    root = tmp_path_factory.mktemp("colours")
    store = Store(Home(root))
    run = store.create(tiny_config(write_pictures(root / "pictures", count=20), epochs=8))
    assert execute(store, run) == "finished", store.run(run).error
    return Trained(store.home, run)


@pytest.fixture
def digits_copy(digits_run: Trained, home: Home) -> Trained:
    shutil.copytree(digits_run.home.root, home.root)
    return Trained(home, digits_run.id)


@pytest.fixture
def colours_copy(colours_run: Trained, home: Home) -> Trained:
    """A copy of the run; its settings still name the original's pictures."""
    shutil.copytree(colours_run.home.root, home.root)
    return Trained(home, colours_run.id)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures that tests took beside their checks, at the end of the suite."""
    for report in terminalreporter.getreports("passed"):
        for figure, value in report.user_properties if report.when == "call" else ():
            terminalreporter.write_line(f"{figure}: {value}")
