"""SIGKILL of a training process at random moments of its whole life, then the resumption. `python -m benchmarks.kill [KILLS]`

The process trains a small network on a small set and writes a checkpoint at every event and a digest at every tenth. A third of the kills come
at a random moment as it is, a third at the first checkpoint being written after it, a third in the first transaction of the store. It notes every event that the store has acknowledged (`append` returned) in a file, which outlives it. Afterwards the store
must open and hold every acknowledged event once and in order, the run must be offered for resumption, and the resumed run must end with the
very weights of one that was left alone.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import print_table
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.events import Event
from cnn_core.home import CHECKPOINT, WEIGHTS, Home
from cnn_core.runs.run import GRACE_SECONDS
from cnn_core.runs.store import Store

KILLS, EPOCHS = 100, 8
TRANSACTION, SAVE, BETWEEN = "a transaction of the store", "a checkpoint being written", "between writes"
AIMS = (BETWEEN, SAVE, TRANSACTION)
CLASSES, IMAGES, SIDE = 3, 40, 16
LIFE = 0.9  # of a training's seconds, in which kills begin
PATIENCE = 600  # seconds for one training, on a machine however busy


@dataclass(frozen=True)
class Outcome:
    """What was left by one kill and became of it. `place`: what it hit; `events`: how many had been acknowledged."""

    place: str
    events: int
    store_is_whole: bool
    is_offered: bool
    resumes: bool
    is_identical: bool

    @property
    def is_good(self) -> bool:
        return self.store_is_whole and self.is_offered and self.resumes and self.is_identical


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    with TemporaryDirectory() as folder:
        outcomes = kill_again_and_again(Path(folder), kills, seed=0)
    of = f"of {len(outcomes)}"
    lost = sum(not outcome.store_is_whole for outcome in outcomes)
    places = ", ".join(f"{count} {place}" for place, count in Counter(outcome.place for outcome in outcomes).most_common())
    print_table(
        f"SIGKILL of a training process at {len(outcomes)} random moments (median {np.median([o.events for o in outcomes]):.0f} events acknowledged)",
        [
            ("the store opens, no acknowledged event is lost or doubled", f"all {of}", f"{len(outcomes) - lost} {of}"),
            ("the run is offered for resumption", f"all {of}", f"{sum(o.is_offered for o in outcomes)} {of}"),
            ("it resumes and finishes", f"all {of}", f"{sum(o.resumes for o in outcomes)} {of}"),
            ("its final weights are those of an uninterrupted run", f"all {of}", f"{sum(o.is_identical for o in outcomes)} {of}"),
            ("what the kills hit", "", places),
        ],
    )


def kill_again_and_again(root: Path, kills: int, seed: int) -> list[Outcome]:
    """The outcomes of so many kills, each of a run of its own in one studio home under `root`."""
    store, draw = Store(Home(root / "studio")), random.Random(seed)
    config = small_config(root / "pictures")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cnn_core.execution.in_process"])  # torch is loaded once
    start = lambda run, note: context.Process(target=train, args=(root / "studio", run, note))  # noqa: E731
    whole = store.create(config)
    _to_the_end(start(whole, root / "whole.txt"))
    assert store.run(whole).status == "finished", store.run(whole).error
    seconds, reference = store.run(whole).summary["seconds"], store.home.run_folder(whole) / WEIGHTS
    runs, outcomes = [store.create(config) for _ in range(kills)], []
    for run, aim in zip(runs, cycle(AIMS), strict=False):
        note = root / f"{run}.txt"
        _kill(start(run, note), LIFE * seconds * draw.random(), note, partial(_is_at, aim, store, run))
        resume = partial(lambda run, note: _to_the_end(start(run, note)), run, note)
        outcomes.append(_look(store, run, note, reference, resume))
    return outcomes


def small_config(folder: Path) -> TrainConfig:
    """Settings for a training of about a second, deterministic, on pictures that are drawn into `folder`."""
    rng = np.random.default_rng(0)
    for name in range(CLASSES):
        (folder / str(name)).mkdir(parents=True)
        for number in range(IMAGES):
            pixels = rng.integers(0, 200, (SIDE, SIDE, 3)) + 20 * name
            Image.fromarray(pixels.astype(np.uint8)).save(folder / str(name) / f"{number:03d}.png")
    chosen = {"epochs": EPOCHS, "batch_size": 16, "device": "cpu", "deterministic": True, "dropout": 0.2, "width": 0.25}
    return make_config(data=str(folder), **chosen)


def train(home: Path, run: str, note: Path) -> None:
    """Train or resume `run` in this process, saving as often as can be; every acknowledged event becomes a line of `note`."""
    import torch

    from cnn_core.execution.in_process import execute
    from cnn_core.runs import history_cache
    from cnn_core.training import session

    torch.set_num_threads(1)  # the network is small
    session.CHECKPOINT_SECONDS, history_cache.SAVE_EVERY = 0.0, 10
    file = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, b"\n")  # it has begun
    execute(Store(Home(home)), run, watch=lambda event: os.write(file, f"{_fingerprint(event)}\n".encode()))


def _fingerprint(event: Event) -> str:
    content = json.dumps([type(event).__name__, asdict(event)])
    return hashlib.sha256(content.encode()).hexdigest()


def _to_the_end(process: Any) -> None:
    """Let the process run to its end."""
    process.start()
    process.join(PATIENCE)
    process.kill()
    assert process.exitcode == 0, f"the training ended with {process.exitcode}"


def _kill(process: Any, seconds: float, note: Path, is_time: Callable[[], bool]) -> None:
    """SIGKILL the process so long after it has begun, as soon as it `is_time`; one that is done by then has been killed after its end."""
    process.start()
    until = time.monotonic() + PATIENCE
    while not note.exists() and time.monotonic() < until:
        time.sleep(0.001)
    process.join(seconds)
    try:
        with contextlib.suppress(ProcessLookupError):  # it has come to its end meanwhile
            while process.is_alive() and not (is_time() and _stands_still(process, is_time)):
                os.kill(process.pid, signal.SIGCONT)
    finally:
        process.kill()
        process.join()


def _stands_still(process: Any, is_time: Callable[[], bool]) -> bool:
    """Whether it still is time once the process has been halted: it runs on while it is looked at."""
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.002)
    return is_time()


def _is_at(aim: str, store: Store, run: str) -> bool:
    return aim == BETWEEN or _place(store, run) == aim


def _look(store: Store, run: str, note: Path, reference: Path, resume: Callable[[], object]) -> Outcome:
    """What the kill has left, and what comes of the resumption."""
    place, acknowledged = _place(store, run), note.read_text().split()
    store = Store(store.home)  # opens it, and rolls back what the kill left half done
    whole = _is_whole(store, run, acknowledged)
    time.sleep(max(0.0, store.run(run).created + GRACE_SECONDS + 0.05 - time.time()))
    status = store.run(run).status
    if status == "interrupted":
        store.queue.resume(run)
    if status == "finished":
        place = "after its end"
    else:
        resume()
    ended = store.run(run).status == "finished"
    whole = whole and _is_whole(store, run, note.read_text().split())
    identical = ended and _is_same(store.home.run_folder(run) / WEIGHTS, reference)
    return Outcome(place, len(acknowledged), whole, status in ("interrupted", "queued", "finished"), ended, identical)


def _place(store: Store, run: str) -> str:
    """What the killed process was at, by what it left lying about."""
    folder, database = store.home.run_folder(run), store.home.database
    with contextlib.suppress(FileNotFoundError):  # it comes and goes with every transaction
        if database.with_name(f"{database.name}-journal").stat().st_size:
            return TRANSACTION
    if any(path.name.startswith(f".{CHECKPOINT}") for path in folder.iterdir()):
        return SAVE
    if any(path.name.startswith(".") and path.name != ".lock" for path in folder.rglob("*")):
        return "another file being written"
    return BETWEEN


def _is_whole(store: Store, run: str, acknowledged: list[str]) -> bool:
    """Whether the store is sound and holds every acknowledged event once and in order, and at most one more."""
    with sqlite3.connect(store.home.database) as db:
        is_sound = db.execute("pragma integrity_check").fetchall() == [("ok",)]
    stored = store.log.read(run)
    prints = [_fingerprint(item.event) for item in stored]
    places = [item.seq for item in stored]
    # An event that was stored, and its process killed before it could say so, is allowed; one that was said and is not there is not.
    return is_sound and places == list(range(1, len(stored) + 1)) and _is_subsequence(acknowledged, prints)


def _is_subsequence(some: list[str], of: list[str]) -> bool:
    """Whether `some` is `of` in the same order, without at most one that was stored when its process was killed."""
    rest = iter(of)
    return len(of) - len(some) <= 1 and all(any(one == other for other in rest) for one in some)


def _is_same(one: Path, other: Path) -> bool:
    """Whether two files of weights hold the same bits."""
    import torch

    mine, theirs = (torch.load(path, weights_only=True) for path in (one, other))
    return mine.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in mine.items())


if __name__ == "__main__":
    main()
