"""A studio home that can only be read, as a read-only mount or a teacher's share: what only reads works, what writes is refused with a message.

The files have no permission to be written. A superuser may write them all the same, so tests that run as root give up this right for the commands.
The commands run in children of one process, which loads torch once.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.home import Home
from tests.conftest import Trained
from tests.helpers import ROOT, environment, is_a_sentence, write_images

WITHOUT_RIGHTS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override,-dac_read_search")
IS_ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False
pytestmark = pytest.mark.skipif(
    os.name == "nt" or (IS_ROOT and not shutil.which(WITHOUT_RIGHTS[0])), reason="the home cannot be made read-only here"
)


READING = [
    ("runs",),
    ("runs", "--test", "RUN"),
    ("diagnose", "RUN"),
    ("evaluate", "RUN", "--split", "test"),
    ("evaluate", "RUN", "--part", "val", "--csv", "OUT/table.csv", "--report", "OUT/report.html"),
    ("predict", "RUN", "IMAGE"),
    ("export", "RUN", "--out", "OUT/model.safetensors"),
    ("runs", "--export", "csv", "--out", "OUT/runs.zip"),
    ("data", "list"),
    ("data", "check", "pets"),
    ("search", "--list"),
]
WRITING = [("train", "--epochs", "1"), ("data", "remove", "pets"), ("resume", "RUN")]
SCRIPT = """
import contextlib, io, json, os, sys, traceback
from pathlib import Path
import cnn_core.execution.in_process, cnn_core.metrics.evaluation
from cnn_core.__main__ import main

def state():
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in Path(os.environ["CNN_STUDIO_HOME"]).rglob("*")}

for arguments in json.load(sys.stdin):
    if not os.fork():
        out, errors, before, status = io.StringIO(), io.StringIO(), state(), None
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                status = main(arguments)
            except BaseException:
                traceback.print_exc()
        print(json.dumps([status, out.getvalue(), errors.getvalue(), state() == before]), flush=True)
        os._exit(0)
    os.wait()
"""


@dataclass(frozen=True)
class Done:
    """What a command gave back. is_home_unchanged: whether every file of the home has its size and time of before."""

    status: int | None
    out: str
    errors: str
    is_home_unchanged: bool


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("read-only") / "pictures")


@pytest.fixture(scope="module")
def read_only(colours_run: Trained, images: Path) -> Iterator[Trained]:
    """Return a finished run, a run that seems to be trained, and the data set pets, in a home that can only be read."""
    home = Home(shutil.copytree(colours_run.home.root, images.parent / "studio"))
    trained = Trained(home, colours_run.id)
    finish(import_files("pets", images, ImportOptions(), home))
    interrupted = trained.store.create(trained.run.config)
    trained.store.set_status(interrupted, "running")
    (home.run_folder(interrupted) / ".lock").touch()
    with closing(sqlite3.connect(home.database)) as db, db:
        db.execute("update runs set created = 0 where id = ?", (interrupted,))
    paths = [home.root, *home.root.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    yield trained
    for path in paths:  # so that pytest can delete the home
        path.chmod(path.stat().st_mode | 0o200)


def run_python(home: Home, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [*(WITHOUT_RIGHTS if IS_ROOT else ()), sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(home), text=True, capture_output=True, timeout=120, input=given)


@pytest.fixture(scope="module")
def done(read_only: Trained, images: Path) -> dict[tuple[str, ...], Done]:
    """Return what each command gave back."""
    out = images.parent / "out"
    out.mkdir()
    places = {"RUN": read_only.id, "IMAGE": str(next(images.rglob("*.png")))}
    commands = [*((*arguments, "--json") for arguments in READING), *WRITING]
    named = [[places.get(part, part).replace("OUT/", f"{out}/") for part in arguments] for arguments in commands]
    process = run_python(read_only.home, "-c", SCRIPT, given=json.dumps(named))
    assert process.returncode == 0, process.stderr
    outcomes = [Done(*json.loads(line)) for line in process.stdout.splitlines()]
    return dict(zip([*READING, *WRITING], outcomes, strict=True))


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_command_that_only_reads_works_and_changes_nothing(done: dict[tuple[str, ...], Done], arguments: tuple[str, ...]):
    assert done[arguments].status == 0, done[arguments].errors
    assert json.loads(done[arguments].out.splitlines()[-1]) is not None and "Traceback" not in done[arguments].errors
    assert done[arguments].is_home_unchanged


def test_a_run_whose_lock_cannot_be_tried_keeps_its_status(read_only: Trained):
    listed = json.loads(run_python(read_only.home, "-m", "cnn_core", "runs", "--json").stdout)
    assert [run["status"] for run in listed] == ["running", "finished"]


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_a_command_that_writes_is_refused_with_a_message(done: dict[tuple[str, ...], Done], arguments: tuple[str, ...]):
    message = done[arguments].errors.splitlines()[-1]
    assert done[arguments].status == 2 and message.startswith("Error: ") and is_a_sentence(message)
    assert "Traceback" not in done[arguments].errors


def test_figures_of_a_data_set_are_computed_where_they_cannot_be_cached(read_only: Trained, done: dict[tuple[str, ...], Done]):
    checked = json.loads(done["data", "check", "pets"].out)
    assert checked["pairs"] == {
        "same": 0,
        "near": checked["pairs"]["near"],
        "across": checked["pairs"]["across"],
        "labels": checked["pairs"]["labels"],
    }
    assert ImportedSource(read_only.home.set_folder("pets")).info.train_count == sum(
        splits["train"] for splits in checked["classes"].values()
    )
