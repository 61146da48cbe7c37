"""`python -m cnn_core runs`: list the runs, newest first, or export their histories. `diagnose RUN`: check a run's curves for problems.

--test            also show test accuracies, which is recorded as a use of the test set
--restore         restore the named runs from the bin
--export FORMAT   write the runs to a zip (see `runs.history_export`), which holds test accuracies too
"""

import argparse
from pathlib import Path
from typing import Any

from cnn_core.cli.command import CommandResult, find_run
from cnn_core.cli.findings import describe_finding
from cnn_core.data.source import finish
from cnn_core.errors import RunError, StudioError
from cnn_core.files import write_atomically
from cnn_core.runs.diagnostics import diagnose_run
from cnn_core.runs.final_accuracy import TEST_METRICS, reveal_test_accuracy, validation_summary
from cnn_core.runs.finding import Finding
from cnn_core.runs.history import History
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.history_export import FORMATS, export_runs
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.run import STATUS_WORDS, UNREADABLE, Run, describe_unreadable
from cnn_core.runs.store import Store
from cnn_core.runs.summary import summarise_history
from cnn_core.text import counted, format_percent

NAME_A_RUN = "Name the runs to restore: `python -m cnn_core runs RUN --restore`."
RESTORED = "Restored from the bin: {runs}."
NO_RUNS = "No runs yet. Start one with `python -m cnn_core train`."


def add_runs_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `runs`."""
    parser.add_argument("names", nargs="*", metavar="run", help="runs to list or export (default: all)")
    parser.add_argument("--test", action="store_true", help="show test accuracies too; each is recorded as a use of the test set")
    parser.add_argument("--restore", action="store_true", help="restore the named runs from the bin")
    parser.add_argument("--export", choices=tuple(FORMATS), help="export the runs as tables, as JSON or for TensorBoard")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the zip to write (default runs-<format>.zip)")


def run_runs_command(args: argparse.Namespace, store: Store) -> CommandResult:
    """List or export runs. Raises StudioError."""
    if args.restore:
        return _restore(store, args.names)
    runs, unreadable = ([find_run(store, name) for name in args.names], []) if args.names else store.list_runs()
    if args.export:
        return _export(args, store, runs)
    value = [_list_entry(store, run, with_test=args.test) for run in runs]
    lines = [_list_line(run, entry) for run, entry in zip(runs, value, strict=True)]
    if unreadable:
        lines.append(describe_unreadable(unreadable))
        value += [{"run": run, "status": UNREADABLE} for run in unreadable]
    return CommandResult(value, "\n".join(lines) or NO_RUNS)


def _restore(store: Store, names: list[str]) -> CommandResult:
    if not names:
        raise RunError(NAME_A_RUN)
    for run in [store.run(name).id for name in names]:
        RunOrganizer(store).restore(run)
    return CommandResult({"runs": names}, RESTORED.format(runs=", ".join(names)))


def _list_entry(store: Store, run: Run, *, with_test: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "run": run.id,
        "name": run.title,
        "status": run.status,
        "data": run.config.data,
        "model": run.config.model,
    }
    if with_test:
        reveal_test_accuracy(store, run)
    absent = dict.fromkeys(name for name in summarise_history(History()) if with_test or name not in TEST_METRICS)
    return entry | absent | (run.summary if with_test else validation_summary(run))


def _list_line(run: Run, entry: dict[str, Any]) -> str:
    line = f"{run.id:<28} {STATUS_WORDS[run.status]:<12} {format_percent(entry.get('best_val_accuracy'), 2):>7} validation"
    tested = f"  {format_percent(entry['test_accuracy'], 2):>7} test" if "test_accuracy" in entry else ""
    return f"{line}{tested}  {run.title}"


def _export(args: argparse.Namespace, store: Store, runs: list[Run]) -> CommandResult:
    path = args.out or Path(f"runs-{args.export}.zip")
    try:
        write_atomically(path, lambda file: finish(export_runs(store, runs, args.export, file)))
    except OSError as error:
        raise StudioError(f"{path} cannot be written ({error.strerror or error}). Choose another file with --out.") from None
    text = f"Exported {counted(len(runs), 'run')} to {path}."
    return CommandResult({"file": str(path), "runs": [run.id for run in runs]}, text)


def run_diagnose_command(args: argparse.Namespace, store: Store) -> CommandResult:
    """Report what the diagnostics find in a run, with the options that may help."""
    run = find_run(store, args.run)
    history = read_history(store, run.id)
    findings = diagnose_run(store, run, history)
    no_findings = f"No problem found in {run.id}." if history.epochs else f"{run.id} has no completed epoch yet."
    return CommandResult([_to_json(finding) for finding in findings], "\n".join(map(describe_finding, findings)) or no_findings)


def _to_json(finding: Finding) -> dict[str, Any]:
    """Return the finding with the keys of this command's JSON output."""
    return {"rule": finding.rule, "seen": finding.observation, "remedy": finding.remedy, "changes": finding.changes}
