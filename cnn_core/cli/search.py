"""`python -m cnn_core search NAME`: hyperparameter search, as on the Search page.

--vary SETTING=…   start a search: a setting to vary (once for each); other settings as for train    --trials, --sampler, --prune
--resume           resume it; with --trials, up to this total number of trials                       --join     train trials of a running search
--cancel           stop it; it can be resumed                                                        --remove   delete it; its runs stay
(nothing)          show its state                                                                    --list     show the state of all searches

The process trains trials until the search is done. Ctrl-C cancels the search, whose trials stay; after --join it ends this process only.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

from cnn_core.cli.command import CommandResult
from cnn_core.cli.console import Console
from cnn_core.cli.train import choose_model
from cnn_core.config.defaults import make_config
from cnn_core.errors import SettingError, StudioError
from cnn_core.events import Event
from cnn_core.locks import try_lock
from cnn_core.runs.run import UNREADABLE
from cnn_core.runs.store import Store
from cnn_core.search.plan import DEFAULT_TRIALS, SAMPLERS, SearchPlan
from cnn_core.search.search_store import SearchStore
from cnn_core.search.space import format_settings, parse_space
from cnn_core.search.trials import Trial, best_trial
from cnn_core.text import format_percent

UNNAMED = "Name the search: python -m cnn_core search NAME. To list all searches, add --list."
OWN_SETTINGS = "A search is resumed with its own settings. Leave the settings out, or start another search."
WORDS = {  # for people: the states of searches and of trials
    "searching": "running",
    "running": "running",
    "cancelled": "cancelled",
    "pruned": "pruned",
    "failed": "failed",
    "done": "completed",
    "complete": "completed",
}
NOT_RUNNING = "Search “{name}” is {status}. Resume it with --resume."
NO_SEARCHES = "No searches yet. Start one with `python -m cnn_core search NAME --vary learning_rate=0.0001..0.1`."


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `search` except the settings."""
    parser.add_argument("name", nargs="?", help="name of the search")
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="SETTING=VALUES",
        help="start a search: learning_rate=0.0001..0.1 log, depth=1..4, optimizer=adam,sgd, batch_norm=on,off; once for each setting",
    )
    parser.add_argument("--trials", type=int, metavar="N", help=f"total number of trials (default {DEFAULT_TRIALS})")
    parser.add_argument("--sampler", default="tpe", metavar="NAME", help=f"{', '.join(SAMPLERS)} (default tpe)")
    parser.add_argument("--prune", action=argparse.BooleanOptionalAction, default=True, help="stop poor trials early (default)")
    actions = parser.add_mutually_exclusive_group()
    for action, help_text in (
        ("resume", "resume a search that was cancelled, interrupted or done (with more --trials)"),
        ("join", "train trials of a search that another process runs"),
        ("cancel", "stop the search; it can be resumed later"),
        ("remove", "delete the search; the runs of its trials stay"),
        ("list", "show the state of all searches"),
    ):
        actions.add_argument(f"--{action}", action="store_true", help=help_text)


def run_search_command(
    args: argparse.Namespace, chosen: dict[str, Any], store: Store, should_end: Callable[[], bool]
) -> CommandResult:
    """Run the chosen action and return the state of the search; `chosen`: the settings from options. Raises StudioError."""
    searches = SearchStore(store.home)
    if args.list:
        return _list(searches)
    if not args.name:
        raise StudioError(UNNAMED)
    if args.remove:
        searches.remove(args.name)
        text = f"Search “{args.name}” was removed. The runs of its trials stay."
        return CommandResult({"search": args.name, "status": "removed"}, text)
    if args.cancel:
        searches.cancel(args.name)
    elif args.join:
        _join(searches, store, args.name, should_end)
    elif args.resume or args.vary:
        _start(args, chosen, searches, store)
        _run(searches, store, args.name, should_end)
    return _state(searches, args.name)


def _start(args: argparse.Namespace, chosen: dict[str, Any], searches: SearchStore, store: Store) -> None:
    if args.resume and (args.vary or chosen):
        raise SettingError(OWN_SETTINGS, "space")
    if args.resume:
        searches.resume(args.name, args.trials)
    else:
        space, trials = parse_space(args.vary), DEFAULT_TRIALS if args.trials is None else args.trials
        base = make_config(**choose_model(chosen, store.home, [dimension.name for dimension in space]))
        plan = SearchPlan(args.name, base, space, trials, args.sampler, args.prune, base.seed)
        _check(plan, store, plan.varied | chosen.keys())
        searches.create(plan)


def _check(plan: SearchPlan, store: Store, given: Collection[str]) -> None:
    """Raise StudioError where trials cannot start, before the search exists."""
    from cnn_core.runs.submit import check_can_start

    for config in plan.configs_to_check():
        check_can_start(config, store, given)


def _join(searches: SearchStore, store: Store, name: str, should_end: Callable[[], bool]) -> None:
    if searches.status(name) != "searching":
        raise StudioError(NOT_RUNNING.format(name=name, status=WORDS[searches.search(name).status]))
    _train_trials(searches, store, name, should_end)


def _run(searches: SearchStore, store: Store, name: str, should_end: Callable[[], bool]) -> None:
    """Train trials until the search is done, together with processes that already do."""
    with try_lock(searches.lock(searches.search(name))):
        _train_trials(searches, store, name, should_end)
        if should_end():
            searches.cancel(name)


def _train_trials(searches: SearchStore, store: Store, name: str, should_end: Callable[[], bool]) -> None:
    from cnn_core.search.runner import run_search

    consoles: dict[str, Console] = {}  # a bar for each run
    console = Console()

    def watch(run: str, event: Event) -> None:
        consoles.setdefault(run, Console(is_brief=True)).show(event)

    def announce(trial: Trial) -> None:
        if trial.state != "running":
            console.print_line(_line(trial))

    run_search(searches, store, name, should_end=should_end, wait=console.wait, watch=watch, announce=announce)


def _list(searches: SearchStore) -> CommandResult:
    states = [_list_entry(searches, name) for name in searches.names()]
    lines = [state.text.partition("\n")[0] for state in states]
    return CommandResult([state.value for state in states], "\n".join(lines) or NO_SEARCHES)


def _list_entry(searches: SearchStore, name: str) -> CommandResult:
    try:
        return _state(searches, name, with_importance=False)  # importance takes a second for each
    except StudioError as error:  # one that this version cannot read
        return CommandResult({"search": name, "status": UNREADABLE, "trouble": str(error)}, f"{name}: {error}")


def _state(searches: SearchStore, name: str, *, with_importance: bool = True) -> CommandResult:
    search, trials = searches.search(name), searches.trials(name)
    importance = searches.importance(name) if with_importance else {}
    best = best_trial(trials)
    value = {
        "search": name,
        "status": search.status,
        "trouble": search.error,
        "trials": [asdict(trial) for trial in trials],
        "best": asdict(best) if best else None,
        "importance": importance,
    }
    states = ", ".join(f"{count} {WORDS[state]}" for state, count in Counter(trial.state for trial in trials).items())
    lines = [
        f"{name}: {WORDS[search.status]}, {len(trials)} of {search.plan.total_trials} trials{f' ({states})' if states else ''}"
    ]
    lines += [search.error] if search.error else []
    lines += (
        [f"best is trial {best.number}, {format_percent(best.value, 2)}: {format_settings(best.settings)} ({best.run})"]
        if best
        else []
    )
    if importance:
        lines.append("importance: " + ", ".join(f"{setting} {fraction:.0%}" for setting, fraction in importance.items()))
    return CommandResult(value, "\n".join(lines))


def _line(trial: Trial) -> str:
    parts = (
        f"trial {trial.number:>3}",
        f"{WORDS[trial.state]:<9}",
        f"{format_percent(trial.value, 2):>7}",
        format_settings(trial.settings),
        trial.run,
        trial.error,
    )
    return "  ".join(filter(None, parts))
