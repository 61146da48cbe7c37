"""`python -m cnn_core search NAME`: find good settings by trying many, as the Search page does.

--vary SETTING=…   begin: what to vary (once for each), beside any setting as for train    --trials, --sampler, --prune   how to
--resume           go on where it was; with --trials, with so many in all                   --join     help a search that goes on
--cancel           stop it; it can go on                                                    --remove   forget it; its runs stay
(nothing)          tell how it stands                                                       --list     tell how all stand

The process works the search off until it is done. Ctrl-C cancels it, and keeps what was learned; where it joined, it only leaves.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from cnn_core.cli.console import Console
from cnn_core.config.defaults import make_config
from cnn_core.errors import SettingError, StudioError
from cnn_core.events import Event
from cnn_core.locks import try_lock
from cnn_core.runs.store import Store
from cnn_core.search.plan import SAMPLERS, USUAL_TRIALS, Plan
from cnn_core.search.space import parse_space, settings_in_words
from cnn_core.search.studies import SearchStore
from cnn_core.search.trials import Trial, best_of

Answer = tuple[Any, str]  # for --json, and in words


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """All but the settings."""
    parser.add_argument("name", nargs="?", help="what the search is called")
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="SETTING=VALUES",
        help="begin a search: learning_rate=0.0001..0.1 log, depth=1..4, optimizer=adam,sgd, batch_norm=on,off; once for each setting",
    )
    parser.add_argument("--trials", type=int, metavar="N", help=f"trials in all (default {USUAL_TRIALS})")
    parser.add_argument("--sampler", default="tpe", metavar="NAME", help=f"{', '.join(SAMPLERS)} (default tpe)")
    parser.add_argument(
        "--prune", action=argparse.BooleanOptionalAction, default=True, help="end trials early that are clearly behind (default)"
    )
    actions = parser.add_mutually_exclusive_group()
    for action, about in (
        ("resume", "go on with a search that was cancelled, interrupted or done (with more --trials)"),
        ("join", "help with a search that another process works off"),
        ("cancel", "stop the search; it can go on later"),
        ("remove", "forget the search; the runs of its trials stay"),
        ("list", "tell how all searches stand"),
    ):
        actions.add_argument(f"--{action}", action="store_true", help=about)


def run_search_command(args: argparse.Namespace, chosen: dict[str, Any], store: Store, should_end: Callable[[], bool]) -> Answer:
    """Do what was asked; `chosen` are the settings that were given. Gives how the search stands. Raises StudioError."""
    studies = SearchStore(store.home)
    if args.list:
        return _list(studies)
    if not args.name:
        raise StudioError("Name the search: python -m cnn_core search NAME. With --list, all are told.")
    if args.remove:
        studies.remove(args.name)
        return {
            "search": args.name,
            "status": "removed",
        }, f"Search “{args.name}” is removed; the runs of its trials are still there."
    if args.cancel:
        studies.cancel(args.name)
    elif args.join:
        _join(studies, store, args.name, should_end)
    elif args.resume or args.vary:
        _begin(args, chosen, studies, store)
        _work(studies, store, args.name, should_end)
    return _tell(studies, args.name)


def _begin(args: argparse.Namespace, chosen: dict[str, Any], studies: SearchStore, store: Store) -> None:
    if args.resume and (args.vary or chosen):
        raise SettingError("A search goes on with what it began with. Leave the settings out, or begin another search.", "space")
    if args.resume:
        studies.resume(args.name, args.trials)
    else:
        base, trials = make_config(**chosen), USUAL_TRIALS if args.trials is None else args.trials
        plan = Plan(args.name, base, parse_space(args.vary), trials, args.sampler, args.prune, base.seed)
        _check(plan, store)
        studies.create(plan)


def _check(plan: Plan, store: Store) -> None:
    """Refuse what cannot start before there is a search of that name."""
    from cnn_core.runs.submit import check

    for config in plan.starts():
        check(config, store)


def _join(studies: SearchStore, store: Store, name: str, should_end: Callable[[], bool]) -> None:
    if studies.status(name) != "searching":
        raise StudioError(f"Search “{name}” is {studies.search(name).status}. Go on with it with --resume.")
    _drive(studies, store, name, should_end)


def _work(studies: SearchStore, store: Store, name: str, should_end: Callable[[], bool]) -> None:
    """Work the search off, with whoever does so already."""
    with try_lock(studies.lock(studies.search(name))):
        _drive(studies, store, name, should_end)
        if should_end():
            studies.cancel(name)


def _drive(studies: SearchStore, store: Store, name: str, should_end: Callable[[], bool]) -> None:
    from cnn_core.search.runner import run_search

    consoles: dict[str, Console] = {}  # a bar for each run
    console = Console()

    def watch(run: str, event: Event) -> None:
        consoles.setdefault(run, Console(is_brief=True)).show(event)

    def announce(trial: Trial) -> None:
        if trial.state != "running":
            console.say(_line(trial))

    run_search(studies, store, name, should_end=should_end, wait=console.wait, watch=watch, announce=announce)


def _list(studies: SearchStore) -> Answer:
    told = [_tell(studies, name, with_importance=False) for name in studies.names()]  # which would take a second for each
    nothing = "No searches yet. `python -m cnn_core search NAME --vary learning_rate=0.0001..0.1` begins one."
    return [answer for answer, _ in told], "\n".join(text.partition("\n")[0] for _, text in told) or nothing


def _tell(studies: SearchStore, name: str, *, with_importance: bool = True) -> Answer:
    search, trials = studies.search(name), studies.trials(name)
    importance = studies.importance(name) if with_importance else {}
    best = best_of(trials)
    answer = {
        "search": name,
        "status": search.status,
        "trouble": search.trouble,
        "trials": [asdict(trial) for trial in trials],
        "best": asdict(best) if best else None,
        "importance": importance,
    }
    states = ", ".join(f"{count} {state}" for state, count in Counter(trial.state for trial in trials).items())
    lines = [f"{name}: {search.status}, {len(trials)} of {search.plan.goal} trials{f' ({states})' if states else ''}"]
    lines += [search.trouble] if search.trouble else []
    lines += [f"best is trial {best.number}, {_value(best)}: {settings_in_words(best.settings)} ({best.run})"] if best else []
    if importance:
        lines.append("what made the difference: " + ", ".join(f"{setting} {share:.0%}" for setting, share in importance.items()))
    return answer, "\n".join(lines)


def _line(trial: Trial) -> str:
    parts = (
        f"trial {trial.number:>3}",
        f"{trial.state:<8}",
        f"{_value(trial):>7}",
        settings_in_words(trial.settings),
        trial.run,
        trial.error,
    )
    return "  ".join(filter(None, parts))


def _value(trial: Trial) -> str:
    return f"{trial.value:.2%}" if trial.value is not None else "–"
