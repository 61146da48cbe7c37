"""A search that is killed, and what pruning saves. `python -m benchmarks.search kill [KILLS]` or `… search pruning [SEEDS]`

kill     20 trials on the digits by the command line; its process gets a SIGKILL in the middle of a trial (KILLS times, default once, spread
         over the search) and another one goes on.
pruning  the same 20 trials (drawn at random by the same seed, so that both ways try the very same settings) with and without pruning,
         one after the other in this process, alternately which comes first; SEEDS times (default 3). `--sampler tpe` lets the
         results steer the draws; then the two ways try different settings, and chance has its part in the best value.

`--epochs N` (default 8) and `--trials N` (default 20) make it smaller.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.dashboard import ROOT
from benchmarks.machine import print_table
from cnn_core.config.defaults import make_config
from cnn_core.events import Epoch, Resumed
from cnn_core.home import Home
from cnn_core.runs.event_reader import EventReader
from cnn_core.runs.store import Store
from cnn_core.search.plan import SearchPlan
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import parse_space

SPACE = ("learning_rate=0.0001..0.1 log", "optimizer=adam,sgd", "dropout=0..0.6", "batch_norm=on,off", "depth=2..4")
WIDTH = 0.5
NAME = "measured"


@dataclass(frozen=True)
class Searched:
    """One search that was worked off. `seconds`: wall seconds from its beginning to its end; `epochs`: trained in all trials."""

    seconds: float
    best: float
    epochs: int
    pruned: int


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("kill", "pruning"))
    parser.add_argument("count", nargs="?", type=int)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--sampler", default="random")
    args = parser.parse_args()
    (measure_kills if args.what == "kill" else measure_pruning)(args)


def measure_kills(args: argparse.Namespace) -> None:
    kills = args.count or 1
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        vary = [option for line in SPACE for option in ("--vary", line)]
        settings = ("--epochs", str(args.epochs), "--width", str(WIDTH), "--trials", str(args.trials), "--no-prune")
        process, killed = _start(home, *vary, *settings), []
        for kill in range(kills):
            killed.append(_kill(process, home, (kill + 1) * args.trials // (kills + 1)))
            process = _start(home, "--resume", "--json")
        out, _ = process.communicate()
        answer, store = json.loads(out.splitlines()[-1]), Store(home)
        runs = store.runs()
        resumed = {run.id for run in runs if store.log.read(run.id, kinds=(Resumed,))}
        told = [[epoch.epoch for epoch in _epochs(store, run.id)] for run in runs]
    trials, of = answer["trials"], f"of {args.trials}"
    settings_of = {json.dumps(trial["settings"], sort_keys=True) for trial in trials if trial["state"] == "complete"}
    print_table(
        f"A search of {args.trials} trials on the digits, {args.epochs} epochs each; SIGKILL in the middle of trial {', '.join(killed_at for killed_at, _ in killed)}",
        [
            ("trials that finished, with different settings", f"all {of}", f"{len(settings_of)} {of}"),
            ("runs in the store, all of its trials", f"{args.trials}", f"{len(runs)}"),
            (
                "killed trials that went on from their checkpoint",
                f"{kills} of {kills}",
                f"{len(resumed & {run for _, run in killed})} of {kills}",
            ),
            (
                f"runs that hold each of {args.epochs} epochs once",
                f"all {of}",
                f"{sum(epochs == list(range(1, args.epochs + 1)) for epochs in told)} {of}",
            ),
            ("the search is", "done", answer["status"]),
        ],
    )


def measure_pruning(args: argparse.Namespace) -> None:
    pairs = []
    for seed in range(args.count or 3):
        order = (True, False) if seed % 2 else (False, True)
        ways = {prune: work_off(args, seed, prune) for prune in order}
        pairs.append((ways[False], ways[True]))
    saved = [1 - pruned.seconds / whole.seconds for whole, pruned in pairs]
    rows = [
        (
            f"seed {seed}: without and with pruning",
            "≥ 30 % saved, best no worse",
            f"{whole.seconds:.0f} s and {pruned.seconds:.0f} s ({share:.0%} saved; {whole.epochs} and {pruned.epochs} epochs, {pruned.pruned} of {args.trials} pruned); "
            f"best {whole.best:.2%} and {pruned.best:.2%}",
        )
        for seed, ((whole, pruned), share) in enumerate(zip(pairs, saved, strict=True))
    ]
    total = 1 - sum(pruned.seconds for _, pruned in pairs) / sum(whole.seconds for whole, _ in pairs)
    worse = sum(pruned.best < whole.best for whole, pruned in pairs)
    rows.append(("all together", "≥ 30 %", f"{total:.0%} saved (median {statistics.median(saved):.0%}); best worse in {worse}"))
    print_table(f"{args.trials} trials on the digits, {args.epochs} epochs each, drawn by {args.sampler}", rows)


def work_off(args: argparse.Namespace, seed: int, prune: bool) -> Searched:
    """One search from its beginning to its end, in this process."""
    from cnn_core.search.runner import run_search

    with tempfile.TemporaryDirectory() as folder:
        store, studies = Store(Home(Path(folder))), SearchStore(Home(Path(folder)))
        base = make_config(epochs=args.epochs, width=WIDTH, seed=seed)
        studies.create(SearchPlan(NAME, base, parse_space(SPACE), args.trials, args.sampler, prune, seed))
        begun = time.perf_counter()
        run_search(studies, store, NAME, should_end=lambda: False, wait=lambda: time.sleep(0.01))
        seconds, trials = time.perf_counter() - begun, studies.trials(NAME)
        epochs = sum(len(_epochs(store, trial.run)) for trial in trials)
        found = Searched(seconds, studies.best(NAME).value, epochs, sum(trial.state == "pruned" for trial in trials))
    print(f"seed {seed}, {'with' if prune else 'without'} pruning: {found}", file=sys.stderr, flush=True)
    return found


def _start(home: Home, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cnn_core", "search", NAME, *arguments]
    environment = {**os.environ, "CNN_STUDIO_HOME": str(home.root)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _kill(process: subprocess.Popen[str], home: Home, after: int) -> tuple[str, str]:
    """SIGKILL the process in the middle of the first trial after so many have ended; gives the trial's number and run."""
    store = Store(home)
    while True:
        assert process.poll() is None, "the search ended before it could be killed"
        running = [run for run in store.runs() if run.status == "running"]
        if len(store.runs()) > after and running and _is_in_the_middle(store, running[0].id):
            process.kill()
            process.communicate()
            return running[0].origin.rpartition("/")[2], running[0].id
        time.sleep(0.05)


def _is_in_the_middle(store: Store, run: str) -> bool:
    epochs = _epochs(store, run)
    return 2 <= len(epochs) < store.run(run).config.epochs


def _epochs(store: Store, run: str) -> list[Epoch]:
    """What the run told of its epochs, without what a resumption took back."""
    return EventReader(store, run).epochs()


if __name__ == "__main__":
    main()
