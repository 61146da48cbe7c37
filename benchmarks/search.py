"""Measure a search that is killed, and the time that pruning saves. `python -m benchmarks.search kill [KILLS]` or `… search pruning [SEEDS]`

kill     20 trials on the digits with the command line. The process gets a SIGKILL in the middle of a trial (KILLS times, default 1, spread
         over the search), and another process resumes the search.
pruning  20 trials with and without pruning, one search after the other in this process, alternating which is first; SEEDS times (default 3).
         Both sample at random with the same seed, so they try the same settings. With `--sampler tpe` the results
         influence the samples, so both try different settings, and the best values differ by chance.

`--epochs N` (default 8) and `--trials N` (default 20) make it smaller.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.dashboard import ROOT, environment
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
NAME = "benchmark"


@dataclass(frozen=True)
class SearchResult:
    """The result of one search. `best`: the best validation accuracy; `epochs`: trained in all trials; `pruned`: the number of pruned trials."""

    seconds: float
    best: float
    epochs: int
    pruned: int


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a search that is killed, and the time that pruning saves.")
    parser.add_argument("benchmark", choices=("kill", "pruning"))
    parser.add_argument("count", nargs="?", type=int, help="kills (default 1) or seeds (default 3)")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--sampler", default="random")
    args = parser.parse_args()
    (measure_kills if args.benchmark == "kill" else measure_pruning)(args)


def measure_kills(args: argparse.Namespace) -> None:
    """Kill and resume one search, check its trials, and print the table."""
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
        result, store = json.loads(out.splitlines()[-1]), Store(home)
        runs = store.runs()
        resumed = {run.id for run in runs if store.log.read(run.id, kinds=(Resumed,))}
        epochs_of_runs = [[epoch.epoch for epoch in _epochs(store, run.id)] for run in runs]
    trials, of = result["trials"], f"of {args.trials}"
    completed = {json.dumps(trial["settings"], sort_keys=True) for trial in trials if trial["state"] == "complete"}
    print_table(
        f"A search of {args.trials} trials on the digits, {args.epochs} epochs each; SIGKILL in the middle of trial {', '.join(trial for trial, _ in killed)}",
        [
            ("completed trials with different settings", f"all {of}", f"{len(completed)} {of}"),
            ("runs in the store", f"{args.trials}", f"{len(runs)}"),
            (
                "killed trials that continued from their checkpoint",
                f"{kills} of {kills}",
                f"{len(resumed & {run for _, run in killed})} of {kills}",
            ),
            (
                f"runs with each of the {args.epochs} epochs once",
                f"all {of}",
                f"{sum(epochs == list(range(1, args.epochs + 1)) for epochs in epochs_of_runs)} {of}",
            ),
            ("status of the search", "done", result["status"]),
        ],
    )


def measure_pruning(args: argparse.Namespace) -> None:
    """Compare searches with and without pruning and print the table."""
    pairs = []
    for seed in range(args.count or 3):
        order = (True, False) if seed % 2 else (False, True)
        results = {prune: run_one_search(args, seed, prune) for prune in order}
        pairs.append((results[False], results[True]))
    saved = [1 - pruned.seconds / full.seconds for full, pruned in pairs]
    rows = [
        (
            f"seed {seed}: without and with pruning",
            "≥ 30% of the time saved, best no worse",
            f"{full.seconds:.0f} s and {pruned.seconds:.0f} s ({fraction:.0%} saved; {full.epochs} and {pruned.epochs} epochs, {pruned.pruned} of {args.trials} pruned); "
            f"best trial {full.best:.2%} and {pruned.best:.2%}",
        )
        for seed, ((full, pruned), fraction) in enumerate(zip(pairs, saved, strict=True))
    ]
    total = 1 - sum(pruned.seconds for _, pruned in pairs) / sum(full.seconds for full, _ in pairs)
    worse = sum(pruned.best < full.best for full, pruned in pairs)
    rows.append(("all seeds", "≥ 30%", f"{total:.0%} saved (median {statistics.median(saved):.0%}); best trial worse in {worse}"))
    print_table(f"{args.trials} trials on the digits, {args.epochs} epochs each, sampler {args.sampler}", rows)


def run_one_search(args: argparse.Namespace, seed: int, prune: bool) -> SearchResult:
    """Run one search in this process and return its result."""
    from cnn_core.search.runner import run_search

    with tempfile.TemporaryDirectory() as folder:
        store, searches = Store(Home(Path(folder))), SearchStore(Home(Path(folder)))
        base = make_config(epochs=args.epochs, width=WIDTH, seed=seed)
        searches.create(SearchPlan(NAME, base, parse_space(SPACE), args.trials, args.sampler, prune, seed))
        start = time.perf_counter()
        run_search(searches, store, NAME, should_end=lambda: False, wait=lambda: time.sleep(0.01))
        seconds, trials = time.perf_counter() - start, searches.trials(NAME)
        epochs = sum(len(_epochs(store, trial.run)) for trial in trials)
        best = searches.best(NAME)
        assert best and best.value is not None
        result = SearchResult(seconds, best.value, epochs, sum(trial.state == "pruned" for trial in trials))
    print(f"seed {seed}, {'with' if prune else 'without'} pruning: {result}", file=sys.stderr, flush=True)
    return result


def _start(home: Home, *arguments: str) -> subprocess.Popen[str]:
    """Start or resume the search in a process of its own."""
    command = [sys.executable, "-m", "cnn_core", "search", NAME, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment(home.root), stdout=subprocess.PIPE, text=True)


def _kill(process: subprocess.Popen[str], home: Home, after: int) -> tuple[str, str]:
    """Kill the process in the middle of the first trial after `after` trials have ended; return the trial's number and its run."""
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
    """Return the Epoch events of the run, without those after the checkpoint from which it was resumed."""
    return EventReader(store, run).epochs()


if __name__ == "__main__":
    main()
