"""Kill a training process (SIGKILL) at random moments, then resume the run. `python -m benchmarks.kill [KILLS]`

The process trains a small network and writes a checkpoint at every event and a digest of its history at every tenth. A third of the kills come
at a random moment, a third during the next write of a checkpoint, and a third during the next transaction of the store. The process writes each event
that the store has acknowledged (`append` returned) to a log file. After the kill, the store must open and hold every acknowledged event once and in
order, it must be possible to resume the run, and the final weights must equal those of an uninterrupted run to the bit.
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
TRANSACTION, CHECKPOINT_WRITE, BETWEEN = "a transaction of the store", "the write of a checkpoint", "between writes"
TARGETS = (BETWEEN, CHECKPOINT_WRITE, TRANSACTION)
CLASSES, IMAGES, SIDE = 3, 40, 16
KILL_FRACTION = 0.9  # kills come within this fraction of the training time
TIMEOUT = 600  # seconds for one training


@dataclass(frozen=True)
class Outcome:
    """The result of one kill. `moment`: what was interrupted; `events`: the number of acknowledged events."""

    moment: str
    events: int
    is_store_intact: bool
    is_resumable: bool
    is_finished: bool
    is_identical: bool

    @property
    def is_good(self) -> bool:
        return self.is_store_intact and self.is_resumable and self.is_finished and self.is_identical


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    with TemporaryDirectory() as folder:
        outcomes = kill_repeatedly(Path(folder), kills, seed=0)
    of = f"of {len(outcomes)}"
    intact = sum(outcome.is_store_intact for outcome in outcomes)
    moments = ", ".join(f"{count} {moment}" for moment, count in Counter(outcome.moment for outcome in outcomes).most_common())
    print_table(
        f"SIGKILL of a training process at {len(outcomes)} random moments (median {np.median([o.events for o in outcomes]):.0f} events acknowledged)",
        [
            ("the store opens, no acknowledged event is lost or doubled", f"all {of}", f"{intact} {of}"),
            ("the run can be resumed", f"all {of}", f"{sum(o.is_resumable for o in outcomes)} {of}"),
            ("the resumed run finishes", f"all {of}", f"{sum(o.is_finished for o in outcomes)} {of}"),
            (
                "its final weights equal those of an uninterrupted run to the bit",
                f"all {of}",
                f"{sum(o.is_identical for o in outcomes)} {of}",
            ),
            ("moments of the kills", "", moments),
        ],
    )


def kill_repeatedly(root: Path, kills: int, seed: int) -> list[Outcome]:
    """Kill `kills` trainings, each of another run in one studio home below `root`; return the outcomes."""
    store, rng = Store(Home(root / "studio")), random.Random(seed)
    config = small_config(root / "images")
    context = multiprocessing.get_context("forkserver")
    # torch, and what its optimizers load, once
    context.set_forkserver_preload(["cnn_core.execution.in_process", "torch._dynamo"])

    def make_process(run: str, log: Path) -> Any:
        return context.Process(target=train, args=(root / "studio", run, log))

    def run_to_end(run: str, log: Path) -> None:
        finish(make_process(run, log))

    uninterrupted = store.create(config)
    run_to_end(uninterrupted, root / "uninterrupted.txt")
    assert store.run(uninterrupted).status == "finished", store.run(uninterrupted).error
    seconds, reference = store.run(uninterrupted).summary["seconds"], store.home.run_folder(uninterrupted) / WEIGHTS
    runs, outcomes = [store.create(config) for _ in range(kills)], []
    for run, target in zip(runs, cycle(TARGETS), strict=False):
        log = root / f"{run}.txt"
        kill_when(make_process(run, log), KILL_FRACTION * seconds * rng.random(), log, partial(_is_at, target, store, run))
        outcomes.append(check_resumed(store, run, log, reference, resume=partial(run_to_end, run, log)))
    return outcomes


def write_images(folder: Path, classes: int, images: int, side: int) -> Path:
    """Write random images to `folder`, so many of each of `classes` classes, `side` pixels wide, and return it."""
    rng = np.random.default_rng(0)
    for name in range(classes):
        (folder / str(name)).mkdir(parents=True)
        for number in range(images):
            pixels = rng.integers(0, 200, (side, side, 3)) + 20 * name
            Image.fromarray(pixels.astype(np.uint8)).save(folder / str(name) / f"{number:03d}.png")
    return folder


def small_config(folder: Path) -> TrainConfig:
    """Write random images to `folder` and return settings for a deterministic training on them of about a second."""
    write_images(folder, CLASSES, IMAGES, SIDE)
    settings: dict[str, Any] = {
        "epochs": EPOCHS,
        "batch_size": 16,
        "device": "cpu",
        "deterministic": True,
        "dropout": 0.2,
        "width": 0.25,
    }
    return make_config(data=str(folder), **settings)


def train(home: Path, run: str, log: Path) -> None:
    """Train or resume `run` in this process with a checkpoint at every event; write a line to `log` for every acknowledged event."""
    import torch

    from cnn_core.execution.in_process import execute
    from cnn_core.runs import history_cache
    from cnn_core.training import session

    torch.set_num_threads(1)  # the network is small
    session.CHECKPOINT_SECONDS, history_cache.SAVE_EVERY = 0.0, 10
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, b"\n")  # the training has begun

    def note(event: Event) -> None:
        os.write(file, f"{_fingerprint(event)}\n".encode())

    execute(Store(Home(home)), run, watch=note)


def _fingerprint(event: Event) -> str:
    """Return a hash of the event's type and fields."""
    content = json.dumps([type(event).__name__, asdict(event)])
    return hashlib.sha256(content.encode()).hexdigest()


def finish(process: Any) -> None:
    """Start the process and wait for its end."""
    process.start()
    process.join(TIMEOUT)
    process.kill()
    assert process.exitcode == 0, f"the training ended with {process.exitcode}"


def kill_when(process: Any, seconds: float, log: Path, is_time: Callable[[], bool]) -> None:
    """Start the process and kill it when `seconds` have passed since its beginning and `is_time()`. It may have ended by itself before."""
    process.start()
    until = time.monotonic() + TIMEOUT
    while not log.exists() and time.monotonic() < until:
        time.sleep(0.001)
    process.join(seconds)
    try:
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            while process.is_alive() and not (is_time() and _is_time_when_stopped(process, is_time)):
                os.kill(process.pid, signal.SIGCONT)
    finally:
        process.kill()
        process.join()


def _is_time_when_stopped(process: Any, is_time: Callable[[], bool]) -> bool:
    """Stop the process (SIGSTOP) and return whether it still `is_time()`: the process runs on during the first check."""
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.002)
    return is_time()


def _is_at(target: str, store: Store, run: str) -> bool:
    return target == BETWEEN or _find_moment(store, run) == target


def check_resumed(store: Store, run: str, log: Path, reference: Path, resume: Callable[[], object]) -> Outcome:
    """Check the store after the kill, resume the run and compare its weights with the reference."""
    moment, acknowledged = _find_moment(store, run), log.read_text().split()
    store = Store(store.home)  # opens the store and rolls back an interrupted transaction
    is_intact = _is_intact(store, run, acknowledged)
    time.sleep(max(0.0, store.run(run).created + GRACE_SECONDS + 0.05 - time.time()))
    status = store.run(run).status
    if status == "interrupted":
        store.queue.resume(run)
    if status == "finished":
        moment = "after the end"
    else:
        resume()
    is_finished = store.run(run).status == "finished"
    is_intact = is_intact and _is_intact(store, run, log.read_text().split())
    is_identical = is_finished and _has_same_weights(store.home.run_folder(run) / WEIGHTS, reference)
    is_resumable = status in ("interrupted", "queued", "finished")
    return Outcome(moment, len(acknowledged), is_intact, is_resumable, is_finished, is_identical)


def _find_moment(store: Store, run: str) -> str:
    """Return what the killed process was doing, from the files that it left."""
    folder, database = store.home.run_folder(run), store.home.database
    with contextlib.suppress(FileNotFoundError):  # the journal exists only during a transaction
        if database.with_name(f"{database.name}-journal").stat().st_size:
            return TRANSACTION
    if any(path.name.startswith(f".{CHECKPOINT}") for path in folder.iterdir()):
        return CHECKPOINT_WRITE
    if any(path.name.startswith(".") and path.name != ".lock" for path in folder.rglob("*")):
        return "the write of another file"
    return BETWEEN


def _is_intact(store: Store, run: str, acknowledged: list[str]) -> bool:
    """Whether the store is consistent and holds every acknowledged event once and in order, and at most one more."""
    with sqlite3.connect(store.home.database) as db:
        is_consistent = db.execute("pragma integrity_check").fetchall() == [("ok",)]
    stored = store.log.read(run)
    fingerprints = [_fingerprint(item.event) for item in stored]
    numbers = [item.seq for item in stored]
    # The last event may be stored but not acknowledged when the process is killed. An acknowledged event must be stored.
    return is_consistent and numbers == list(range(1, len(stored) + 1)) and _is_subsequence(acknowledged, fingerprints)


def _is_subsequence(acknowledged: list[str], stored: list[str]) -> bool:
    """Whether `acknowledged` is `stored` in the same order, with at most one missing."""
    rest = iter(stored)
    return len(stored) - len(acknowledged) <= 1 and all(any(one == other for other in rest) for one in acknowledged)


def _has_same_weights(one: Path, other: Path) -> bool:
    """Whether two files of weights hold the same bits."""
    import torch

    first, second = (torch.load(path, weights_only=True) for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


if __name__ == "__main__":
    main()
