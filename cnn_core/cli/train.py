"""`python -m cnn_core train` and `resume RUN`: train a run in this process.

--config FILE   settings from a JSON or YAML file
--SETTING …     one option for each setting of the schema; options override the file
"""

import argparse
import sys
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cnn_core.cli.command import CommandResult, Interrupt, find_run
from cnn_core.cli.console import Console
from cnn_core.cli.findings import describe_finding
from cnn_core.config.defaults import make_config
from cnn_core.config.recommendation import with_recommended_model
from cnn_core.config.schema import TrainConfig, format_range
from cnn_core.config.settings_file import read_settings
from cnn_core.events import Note
from cnn_core.home import Home
from cnn_core.runs.continuation import check_continuation
from cnn_core.runs.diagnostics import AT_CHANCE, diagnose_run
from cnn_core.runs.final_accuracy import reveal_test_accuracy
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.lock import hold
from cnn_core.runs.out_of_fold import describe_out_of_fold
from cnn_core.runs.run import STATUS_WORDS, Run
from cnn_core.runs.store import Store
from cnn_core.text import counted, format_loss

TEST_ACCURACY = "test accuracy"


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """Add --config and an option for each setting."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="read settings from a JSON or YAML file; options override the file"
    )
    for name in TrainConfig.model_fields:
        _add_setting(parser, name)


def _add_setting(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the option for one setting: `--batch-size VALUE`, `--flip`, `--no-flip`. TrainConfig checks the value, not argparse."""
    field = TrainConfig.model_fields[name]
    allowed = format_range(name)
    text = f"{field.description} ({allowed + '; ' if allowed else ''}default {field.default})"
    kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction} if field.annotation is bool else {"metavar": "VALUE"}
    parser.add_argument(f"--{name.replace('_', '-')}", default=None, help=text, **kind)


def read_setting_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were chosen, by name: those of the file, overridden by options."""
    chosen = dict(read_settings(args.config)) if args.config else {}
    return chosen | {name: value for name in TrainConfig.model_fields if (value := getattr(args, name)) is not None}


def choose_model(chosen: dict[str, Any], home: Home, varied: Collection[str] = ()) -> dict[str, Any]:
    """Return `chosen` with the model recommended for their data set, where they name none, and print why. varied: settings that a search chooses."""
    settings, reason = with_recommended_model({**dict.fromkeys(varied), **chosen}, home)
    if reason:
        print(reason, file=sys.stderr)
    return {**chosen, "model": settings["model"]} if settings.get("model") else chosen


def run_train_command(args: argparse.Namespace, store: Store) -> CommandResult:
    """Train a new run. Raises StudioError where the settings are refused; then there is no run."""
    from cnn_core.runs.submit import submit

    with ExitStack() as held:  # the run is locked before another process can see it
        chosen = choose_model(read_setting_options(args), store.home)
        run = submit(make_config(**chosen), store, chosen, prepare=lambda run, folder: held.enter_context(hold(folder)))
        for note in store.log.read(run, kinds=[Note]):
            assert isinstance(note.event, Note)
            print(note.event.text, file=sys.stderr)
        return _train(store, run)


def run_resume_command(args: argparse.Namespace, store: Store) -> CommandResult:
    """Resume a run from its last checkpoint. Raises RunError for a run that cannot be resumed, DataError where it has other images now."""
    found = find_run(store, args.run)
    run = found.id
    if found.can_resume:  # else the queue says why not
        check_continuation(store, found)
    with ExitStack() as held:
        store.queue.resume(run, prepare=lambda: held.enter_context(hold(store.home.run_folder(run))))
        return _train(store, run)


def _train(store: Store, run: str) -> CommandResult:
    """Train run `run`, whose lock this process holds, as soon as its device is free, and show its progress."""
    from cnn_core.execution.in_process import execute

    console, was_interrupted = Console(), Interrupt()
    print(f"Run {run}: python -m cnn_core evaluate {run}", file=sys.stderr)
    with was_interrupted:
        status = execute(store, run, watch=console.show, should_end=was_interrupted, is_held=True, wait=console.wait)
    console.close()
    row = store.run(run)
    if row.error:
        print(f"Error: {row.error}", file=sys.stderr)
    text = _describe_result(store, row)
    return CommandResult({"run": run, "status": status, **row.summary}, text, 2 if status == "failed" else 0)


def _describe_result(store: Store, run: Run) -> str:
    """Return the metrics of a run that has ended, as text."""
    summary = run.summary
    if not summary:
        return f"{run.id} {STATUS_WORDS[run.status]} before the first step"
    lines = [f"{run.id} {STATUS_WORDS[run.status]} after {counted(summary['epochs'], 'epoch')} in {summary['seconds']:.1f} s"]
    if summary["images_per_second"]:
        lines.append(f"{summary['images_per_second']:,.0f} images/s over {summary['train_seconds']:.1f} s of training alone")
    if summary["best_epoch"]:
        lines.append(f"best validation accuracy {summary['best_val_accuracy']:.2%} in epoch {summary['best_epoch']}")
    lines += describe_out_of_fold(summary)
    if (accuracy := reveal_test_accuracy(store, run)) is not None:
        lines.append(f"{TEST_ACCURACY} {accuracy:.2%}, loss {format_loss(summary['test_loss'])}")
    lines += [
        describe_finding(finding)
        for finding in diagnose_run(store, run, read_history(store, run.id))
        if finding.rule in AT_CHANCE
    ]
    return "\n".join([*lines, f"files in {store.home.run_folder(run.id)}"])
