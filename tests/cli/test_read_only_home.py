"""A studio home that can only be read, as a read-only mount or a teacher's share: what only reads works, what writes is refused with a message.

The files have no permission to be written. A superuser may write them all the same, so a test that runs as root gives up this right for the command.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.home import Home
from tests.conftest import Trained
from tests.helpers import ROOT, environment, is_a_sentence

WITHOUT_RIGHTS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override,-dac_read_search")
IS_ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False
pytestmark = pytest.mark.skipif(
    os.name == "nt" or (IS_ROOT and not shutil.which(WITHOUT_RIGHTS[0])), reason="the home cannot be made read-only here"
)


@pytest.fixture
def read_only(colours_copy: Trained, image_folder: Path) -> Trained:
    """Return a finished run, a run that seems to be trained, and the data set pets, in a home that can only be read."""
    finish(import_files("pets", image_folder, ImportOptions(), colours_copy.home))
    interrupted = colours_copy.store.create(colours_copy.run.config)
    colours_copy.store.set_status(interrupted, "running")
    (colours_copy.home.run_folder(interrupted) / ".lock").touch()
    with closing(sqlite3.connect(colours_copy.home.database)) as db, db:
        db.execute("update runs set created = 0 where id = ?", (interrupted,))
    for path in [colours_copy.home.root, *colours_copy.home.root.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    return colours_copy


@pytest.fixture(autouse=True)
def restore(home: Home):
    """Let pytest delete the home."""
    yield
    for path in [home.root, *home.root.rglob("*")] if home.root.exists() else []:
        path.chmod(path.stat().st_mode | 0o200)


def run_command(home: Home, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*(WITHOUT_RIGHTS if IS_ROOT else ()), sys.executable, "-m", "cnn_core", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment(home), text=True, capture_output=True, timeout=120)


def state_of(home: Home) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in home.root.rglob("*")}


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs",),
        ("runs", "--test", "RUN"),
        ("diagnose", "RUN"),
        ("evaluate", "RUN"),
        ("evaluate", "RUN", "--part", "val", "--csv", "OUT/table.csv", "--report", "OUT/report.html"),
        ("predict", "RUN", "IMAGE"),
        ("export", "RUN", "--out", "OUT/model.safetensors"),
        ("runs", "--export", "csv", "--out", "OUT/runs.zip"),
        ("data", "list"),
        ("data", "check", "pets"),
        ("search", "--list"),
    ],
    ids=" ".join,
)
def test_a_command_that_only_reads_works_and_changes_nothing(
    read_only: Trained, image_folder: Path, tmp_path: Path, arguments: tuple[str, ...]
):
    (tmp_path / "out").mkdir()
    image = next(image_folder.rglob("*.png"))
    places = {"RUN": read_only.id, "IMAGE": str(image)}
    named = [places.get(argument, argument).replace("OUT/", f"{tmp_path}/out/") for argument in arguments]
    before = state_of(read_only.home)
    done = run_command(read_only.home, *named, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) is not None and "Traceback" not in done.stderr
    assert state_of(read_only.home) == before


def test_a_run_whose_lock_cannot_be_tried_keeps_its_status(read_only: Trained):
    listed = json.loads(run_command(read_only.home, "runs", "--json").stdout)
    assert [run["status"] for run in listed] == ["running", "finished"]


@pytest.mark.parametrize("arguments", [("train", "--epochs", "1"), ("data", "remove", "pets"), ("resume", "RUN")], ids=" ".join)
def test_a_command_that_writes_is_refused_with_a_message(read_only: Trained, arguments: tuple[str, ...]):
    named = [read_only.id if argument == "RUN" else argument for argument in arguments]
    done = run_command(read_only.home, *named)
    message = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and message.startswith("Error: ") and is_a_sentence(message) and "Traceback" not in done.stderr


def test_figures_of_a_data_set_are_computed_where_they_cannot_be_cached(read_only: Trained):
    checked = json.loads(run_command(read_only.home, "data", "check", "pets", "--json").stdout)
    assert checked["pairs"] == {
        "same": 0,
        "near": checked["pairs"]["near"],
        "across": checked["pairs"]["across"],
        "labels": checked["pairs"]["labels"],
    }
    assert ImportedSource(read_only.home.set_folder("pets")).info.train_count == sum(
        splits["train"] for splits in checked["classes"].values()
    )
