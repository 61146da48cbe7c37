"""`python -m cnn_core search`: begun, asked, interrupted and gone on with in a terminal, by real processes and in this one."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from cnn_core.__main__ import main
from cnn_core.cli.search import NOT_RUNNING, OWN_SETTINGS, UNNAMED
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import format_range
from cnn_core.events import Epoch
from cnn_core.home import Home
from cnn_core.runs.store import Store
from cnn_core.runs.submit import check_can_start
from cnn_core.search.plan import MAX_TRIALS, SearchPlan
from cnn_core.search.search_store import ALL_TRIED, NAME_TAKEN, NO_SEARCH, SearchStore
from cnn_core.search.space import parse_space
from tests.helpers import is_a_sentence, start_process, tells

BASE = ("--epochs", "1", "--batch-size", "8", "--width", "0.25", "--device", "cpu", "--precision", "float32")


def search(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What the command answers as JSON."""
    assert main(["search", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["search", *arguments]) == 2
    return capsys.readouterr().err.removeprefix("Error: ").strip()


def test_a_search_is_started_shown_listed_and_removed(home: Home, image_folder: Path, capsys: pytest.CaptureFixture[str]):
    vary = ("--vary", "optimizer=adam,sgd", "--sampler", "grid", "--trials", "9", "--seed", "3")
    answer = search(capsys, "two", *vary, "--data", str(image_folder), *BASE)
    assert (answer["search"], answer["status"], len(answer["trials"])) == ("two", "done", 2)
    assert sorted(trial["settings"]["optimizer"] for trial in answer["trials"]) == ["adam", "sgd"]
    assert answer["best"]["value"] == max(trial["value"] for trial in answer["trials"])
    assert {run.config.seed for run in Store(home).runs()} == {SearchStore(home).plan("two").seed} == {3}
    assert search(capsys, "two") == answer and search(capsys, "--list") == [answer]
    assert main(["search", "two"]) == 0
    printed = capsys.readouterr().out
    assert tells(printed, "two", "completed", "2", "2", "2") and answer["best"]["run"] in printed
    assert search(capsys, "two", "--remove")["status"] == "removed" and search(capsys, "--list") == []
    assert len(Store(home).runs()) == 2


def test_ctrl_c_cancels_a_search_and_keeps_it(home: Home, image_folder: Path):
    vary = ("--vary", "learning_rate=0.001..0.01 log", "--trials", "1", "--epochs", "500")
    process = start_process(home, "-m", "cnn_core", "search", "long", *vary, "--data", str(image_folder), *BASE[2:])
    store, until = Store(home), time.monotonic() + 90
    while not ((runs := store.runs()) and store.log.read(runs[0].id, kinds=(Epoch,))):
        assert time.monotonic() < until and process.poll() is None, "the search did not begin"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err and tells(out, "long", "cancelled", "1", "1", "1", "running")
    assert store.runs()[0].status == "stopped" and SearchStore(home).status("long") == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), UNNAMED),
        (("x",), NO_SEARCH.format(name="x")),
        (("x", "--resume"), NO_SEARCH.format(name="x")),
        (("x", "--join"), NO_SEARCH.format(name="x")),
        (("x", "--cancel"), NO_SEARCH.format(name="x")),
        (("x", "--remove"), NO_SEARCH.format(name="x")),
        (("x", "--resume", "--vary", "depth=1..2"), OWN_SETTINGS),
        (("x", "--vary", "depth"), "“depth”"),
        (("x", "--vary", "depth=1..2", "--trials", "0"), f"{MAX_TRIALS:,}"),
        (("x", "--vary", "depth=1..2", "--sampler", "best"), "“best”"),
        (("x", "--vary", "depth=1..2", "--epochs", "many"), format_range("epochs")),
        (("x", "--vary", "depth=1..2", "--data", "nosuch"), "nosuch”"),
        (("x", "--vary", "weights=scratch,nosuch", "--data", "digits", "--model", "mobilenet"), "nosuch"),
        (("x", "--vary", "batch_size=2000,4000", "--data", "digits"), "2,000"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_message(
    home: Home, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
):
    message = refused(capsys, *arguments)
    assert expected in message and is_a_sentence(message)
    assert SearchStore(home).names() == []


def test_only_batch_sizes_of_the_trials_are_checked_against_the_images(home: Home):
    (start,) = SearchPlan("x", make_config(batch_size=4000), parse_space(["batch_size=8..16"])).configs_to_check()
    assert start.batch_size == 8 and check_can_start(start, Store(home)).name == "digits"


def test_a_completed_search_is_neither_joined_nor_resumed(home: Home, image_folder: Path, capsys: pytest.CaptureFixture[str]):
    vary = ("--vary", "cutmix=0.5,1", "--schedule", "plateau")  # impossible together: nothing is trained
    assert search(capsys, "none", *vary, "--data", str(image_folder), *BASE)["status"] == "done"
    assert NOT_RUNNING.format(name="none", status="completed") in refused(capsys, "none", "--join")
    assert ALL_TRIED in refused(capsys, "none", "--resume")
    assert NAME_TAKEN.format(name="none") in refused(capsys, "none", *vary)
    assert search(capsys, "--list")[0]["best"] is None
