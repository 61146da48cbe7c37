"""The command line: `python -m cnn_core train | resume | evaluate | predict | export | serve | import-model | doctor | runs | data | search`, with the same engine and the same store as the dashboard.

With `--json` the last line on standard output is one JSON object (a list for predict without --csv, doctor, runs and search --list); progress goes to standard error.
What a person can put right ends with a sentence on standard error and exit status 2. The first Ctrl-C stops a training and
keeps what was learned.
"""

import argparse
import json
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cnn_core.cli.data import add_data_command, run_data_command
from cnn_core.cli.evaluate import add_evaluate_options, run_evaluate_command
from cnn_core.cli.export import add_export_options, run_export_command
from cnn_core.cli.import_model import add_import_options, run_import_command
from cnn_core.cli.predict import add_predict_options, run_predict_command
from cnn_core.cli.search import add_search_options, run_search_command
from cnn_core.cli.serve import add_serve_options, run_serve_command
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig, range_in_words
from cnn_core.config.settings_file import read_settings
from cnn_core.data.source import finish
from cnn_core.errors import RunError, StudioError
from cnn_core.files import write_atomically
from cnn_core.home import Home
from cnn_core.runs.diagnostics import diagnose
from cnn_core.runs.digest import read_history
from cnn_core.runs.history_export import FORMS, export_runs
from cnn_core.runs.lock import hold
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit status: 0, or 2 when something was refused or failed (with a sentence that says what to do)."""
    args = make_parser().parse_args(arguments)
    try:
        return args.command(args)
    except StudioError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cnn_core", description="Train, evaluate and use image classifiers without a browser."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    train = commands.add_parser("train", help="train a network; without options, the one-click run on digits")
    train.set_defaults(command=_train)
    search = commands.add_parser("search", help="find good settings by trying many")
    add_search_options(search)
    search.set_defaults(command=_search)
    for command in (train, search):
        command.add_argument(
            "--config", type=Path, metavar="FILE", help="take settings from a JSON or YAML file; options win over it"
        )
        for name in TrainConfig.model_fields:
            _add_setting(command, name)
    resume = commands.add_parser("resume", help="go on with a run that was stopped or interrupted, from its last checkpoint")
    resume.set_defaults(command=_resume)
    evaluate = commands.add_parser("evaluate", help="measure a run's network on its images, and write what was found to files")
    add_evaluate_options(evaluate)
    evaluate.set_defaults(command=_evaluate)
    predict = commands.add_parser("predict", help="classify image files, or a folder or zip of them, with a run's best model")
    predict.set_defaults(command=_predict)
    export = commands.add_parser("export", help="write a run's network to a file for other programs, checked first")
    add_export_options(export)
    export.set_defaults(command=_export_model)
    serve = commands.add_parser("serve", help="answer pictures over HTTP with a run's best model")
    add_serve_options(serve)
    serve.set_defaults(command=_serve)
    doctor = commands.add_parser("doctor", help="tell what stands out in a run's numbers, and what may help")
    doctor.set_defaults(command=_doctor)
    for command in (resume, evaluate, predict, export, serve, doctor):
        command.add_argument("run", help="a run's name (0007-digits), or latest")
    add_predict_options(predict)
    imported = commands.add_parser("import-model", help="import an exported model: weights (safetensors) and their card")
    add_import_options(imported)
    imported.set_defaults(command=_import_model)
    runs = commands.add_parser("runs", help="list the runs, newest first, or write them to a file")
    runs.add_argument("names", nargs="*", metavar="run", help="runs to write (all where none is named)")
    runs.add_argument("--export", choices=tuple(FORMS), help="write the runs as tables, as JSON or for TensorBoard")
    runs.add_argument("--out", type=Path, metavar="FILE", help="the zip to write (default runs-<form>.zip)")
    runs.set_defaults(command=_runs)
    for command in (train, search, resume, evaluate, predict, export, serve, doctor, imported, runs):
        command.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    add_data_command(commands)
    commands.choices["data"].set_defaults(command=_data)
    return parser


def _data(args: argparse.Namespace) -> int:
    _answer(args, *run_data_command(args))
    return 0


def _add_setting(parser: argparse.ArgumentParser, name: str) -> None:
    """The option for one setting: `--batch-size VALUE`, `--flip`, `--no-flip`. TrainConfig checks the value, not argparse."""
    field = TrainConfig.model_fields[name]
    allowed = range_in_words(name)
    text = f"{field.description} ({allowed + '; ' if allowed else ''}default {field.default})"
    kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction} if field.annotation is bool else {"metavar": "VALUE"}
    parser.add_argument(f"--{name.replace('_', '-')}", default=None, help=text, **kind)


def _train(args: argparse.Namespace) -> int:
    from cnn_core.runs.submit import submit

    store = Store(Home.from_environment())
    with ExitStack() as held:  # before anybody else can see the run
        run = submit(make_config(**_chosen(args)), store, prepare=lambda run, folder: held.enter_context(hold(folder)))
        return _execute(args, store, run)


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given: those of the file, and the options, which win."""
    chosen = read_settings(args.config) if args.config else {}
    return chosen | {name: value for name in TrainConfig.model_fields if (value := getattr(args, name)) is not None}


def _search(args: argparse.Namespace) -> int:
    store, was_interrupted = Store(Home.from_environment()), Interrupt()
    with was_interrupted:
        answer = run_search_command(args, _chosen(args), store, was_interrupted)
    _answer(args, *answer)
    return 0


def _resume(args: argparse.Namespace) -> int:
    store = Store(Home.from_environment())
    run = _find(store, args.run).id
    with ExitStack() as held:
        store.queue.resume(run, prepare=lambda: held.enter_context(hold(store.home.run_folder(run))))
        return _execute(args, store, run)


def _execute(args: argparse.Namespace, store: Store, run: str) -> int:
    """Train run `run`, which this process holds, as soon as its device is free, showing how it goes."""
    from cnn_core.cli.console import Console
    from cnn_core.execution.in_process import execute

    console, was_interrupted = Console(), Interrupt()
    print(f"Run {run}: python -m cnn_core evaluate {run}", file=sys.stderr)
    with was_interrupted:
        status = execute(store, run, watch=console.show, should_end=was_interrupted, is_held=True, wait=console.wait)
    console.close()
    row = store.run(run)
    if row.error:
        print(f"Error: {row.error}", file=sys.stderr)
    _answer(args, {"run": run, "status": status, **row.summary}, _train_text(row, store.home))
    return 2 if status == "failed" else 0


def _evaluate(args: argparse.Namespace) -> int:
    store = Store(Home.from_environment())
    _answer(args, *run_evaluate_command(args, store, _find(store, args.run)))
    return 0


def _export_model(args: argparse.Namespace) -> int:
    store = Store(Home.from_environment())
    _answer(args, *run_export_command(args, store, _find(store, args.run)))
    return 0


def _import_model(args: argparse.Namespace) -> int:
    _answer(args, *run_import_command(args))
    return 0


def _serve(args: argparse.Namespace) -> int:
    store = Store(Home.from_environment())
    _answer(args, *run_serve_command(args, store, _find(store, args.run), lambda text: print(text, file=sys.stderr, flush=True)))
    return 0


def _predict(args: argparse.Namespace) -> int:
    store = Store(Home.from_environment())
    *answer, was_refused = run_predict_command(args, store.home.run_folder(_find(store, args.run).id))
    _answer(args, *answer)
    return 2 if was_refused else 0


def _doctor(args: argparse.Namespace) -> int:
    store = Store(Home.from_environment())
    row = _find(store, args.run)
    history = read_history(store, row.id)
    findings = diagnose(history, store.config_in_force(row.id), row.error, row.parent_epoch)
    lines = [f"{f.rule}: {f.seen} {f.remedy}{_options(f.changes)}" for f in findings]
    nothing = f"Nothing stands out in {row.id}." if history.epochs else f"No epoch of {row.id} is known yet."
    _answer(args, [asdict(finding) for finding in findings], "\n".join(lines) or nothing)
    return 0


def _options(changes: dict[str, Any]) -> str:
    """Changed settings as `train` takes them: " Try --learning-rate 0.0003"."""
    given = [f"--{name.replace('_', '-')} {value}" for name, value in changes.items()]
    return f" Try {' '.join(given)}" if given else ""


def _runs(args: argparse.Namespace) -> int:
    store = Store(Home.from_environment())
    rows = [_find(store, name) for name in args.names] or store.runs()
    if args.export:
        return _export(args, store, rows)
    result = [
        {"run": row.id, "status": row.status, "data": row.config.data, "model": row.config.model, **row.summary} for row in rows
    ]
    lines = [
        f"{row.id:<28} {row.status:<12} {_share(row.summary.get('test_accuracy'))} test  {_share(row.summary.get('best_val_accuracy'))} validation"
        for row in rows
    ]
    _answer(args, result, "\n".join(lines) or "No runs yet. `python -m cnn_core train` makes one.")
    return 0


def _export(args: argparse.Namespace, store: Store, rows: list[Run]) -> int:
    path = args.out or Path(f"runs-{args.export}.zip")
    try:
        write_atomically(path, lambda file: finish(export_runs(store, rows, args.export, file)))
    except OSError as error:
        raise StudioError(f"{path} cannot be written ({error.strerror or error}). Name another file with --out.") from None
    told = f"{path} holds {len(rows):,} run{'' if len(rows) == 1 else 's'}."
    _answer(args, {"file": str(path), "runs": [row.id for row in rows]}, told)
    return 0


def _find(store: Store, name: str) -> Run:
    """The run called `name`, or the newest for "latest". Raises RunError."""
    if name != "latest":
        return store.run(name)
    runs = store.runs()
    if not runs:
        raise RunError("There are no runs yet. `python -m cnn_core train` makes one.")
    return runs[0]


def _train_text(row: Run, home: Home) -> str:
    summary = row.summary
    if not summary:
        return f"{row.id} {row.status} before it began"
    lines = [f"{row.id} {row.status} after {summary['epochs']} epochs in {summary['seconds']:.1f} s"]
    if summary["images_per_second"]:
        lines.append(f"{summary['images_per_second']:,.0f} images/s over {summary['train_seconds']:.1f} s of training alone")
    if summary["best_epoch"]:
        lines.append(f"best validation accuracy {summary['best_val_accuracy']:.2%} in epoch {summary['best_epoch']}")
    if summary["test_accuracy"] is not None:
        lines.append(f"test accuracy {summary['test_accuracy']:.2%}, loss {summary['test_loss']:.4f}")
    return "\n".join([*lines, f"files in {home.run_folder(row.id)}"])


def _share(value: float | None) -> str:
    return f"{value:>7.2%}" if value is not None else "      –"


def _answer(args: argparse.Namespace, result: Any, text: str) -> None:
    # A file's name may hold bytes that are no text; JSON escapes them, and a terminal is shown question marks.
    print(json.dumps(result) if args.json else text.encode("utf-8", "replace").decode())


class Interrupt:
    """While in its block, the first SIGINT or SIGTERM only makes it true when called; a second one ends the process as usual."""

    def __init__(self) -> None:
        self._came = False

    def __call__(self) -> bool:
        return self._came

    def __enter__(self) -> None:
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _note(self, number: int, frame: object) -> None:
        self._came = True
        self._restore()
        print("\nStopping; what was learned is kept. Once more to break off at once.", file=sys.stderr)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
