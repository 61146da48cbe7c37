"""Fixtures of all tests: a new studio home, a small image folder, and two runs that are trained once per session."""

import os
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

# Must be set before torch is loaded. Waiting threads then sleep instead of spinning, which is several times faster on two busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "PYTEST_XDIST_WORKER" in os.environ:  # one core for each test process
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from cnn_core.home import Home
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from tests.helpers import SHARED, TEMPORARY, copy_shared, tiny_config, write_images

MEMORY, MEMORY_BYTES = Path("/dev/shm"), 4 * 2**30  # a file system in memory, and how much of it has to be free


@dataclass(frozen=True)
class Trained:
    """A finished run in a studio home of its own. `out` and `err`: the output of the command line that trained it."""

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
    """Return a new studio home and set `CNN_STUDIO_HOME` to it."""
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path / "studio"))
    return Home(tmp_path / "studio")


@pytest.fixture
def store(home: Home) -> Store:
    return Store(home)


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Return a folder with 30 small images in three classes."""
    return write_images(tmp_path / "pictures")


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return a finished run on the digits with a good accuracy, trained by the command line's program in this process, which has loaded torch.

    Tests that change it use `digits_copy`.
    """

    def train(folder: Path) -> None:
        from cnn_core.__main__ import main

        folder.mkdir()
        chosen = ("--epochs", "6", "--learning-rate", "0.003", "--dropout", "0", "--device", "cpu", "--precision", "float32")
        with (
            pytest.MonkeyPatch.context() as patch,
            (folder / "out").open("w", encoding="utf-8") as out,
            (folder / "err").open("w", encoding="utf-8") as err,
        ):
            patch.setenv("CNN_STUDIO_HOME", str(folder))
            with redirect_stdout(out), redirect_stderr(err):
                assert main(["train", "--data", "digits", *chosen, "--json"]) == 0

    root = copy_shared("digits", train, tmp_path_factory.mktemp("digits"))
    home = Home(root)
    out, err = ((root / name).read_text(encoding="utf-8") for name in ("out", "err"))
    return Trained(home, Store(home).runs()[0].id, out, err)


@pytest.fixture(scope="session")
def colours_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return a finished run on an image folder, trained in this process. Tests that change it use `colours_copy`."""
    from cnn_core.execution.in_process import execute

    root = tmp_path_factory.mktemp("colours")
    store = Store(Home(root))
    run = store.create(tiny_config(write_images(root / "pictures", count=20), epochs=8))
    assert execute(store, run) == "finished", store.run(run).error
    return Trained(store.home, run)


@pytest.fixture
def digits_copy(digits_run: Trained, home: Home) -> Trained:
    shutil.copytree(digits_run.home.root, home.root)
    return Trained(home, digits_run.id)


@pytest.fixture
def colours_copy(colours_run: Trained, home: Home) -> Trained:
    """Return a copy of the run, whose settings still name the original image folder."""
    shutil.copytree(colours_run.home.root, home.root)
    return Trained(home, colours_run.id)


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of what all processes of the session share. The processes that this one starts inherit its name.

    Temporary folders are in memory where the system has a file system for it: tests write thousands of transactions, and each waits for the disk.
    """
    if SHARED not in os.environ:
        if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
            os.environ.setdefault(TEMPORARY, str(MEMORY))
        os.environ[SHARED] = tempfile.mkdtemp(prefix="studio-tests-", dir=os.environ.get(TEMPORARY))
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(SHARED), ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files of browser tests evenly among the others: they wait more than they compute, and leave the processor to other processes.

    The longest file comes first and short ones come last, so that no process waits for the other at the end.
    """
    files = list(dict.fromkeys(item.path for item in items))
    long = [path for path in files if path.name == "test_contributing.py"]
    browser = [path for path in files if path.parent.name == "browser"]
    others = [path for path in files if path not in {*long, *browser}]
    ends = ((browser, 0.95), (others, 1.0))
    place = {path: end * (index + 0.5) / len(group) for group, end in ends for index, path in enumerate(group)}
    items.sort(key=lambda item: place.get(item.path, 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have measured, at the end of the suite."""
    for report in terminalreporter.getreports("passed"):
        for figure, value in report.user_properties if report.when == "call" else ():
            terminalreporter.write_line(f"{figure}: {value}")
