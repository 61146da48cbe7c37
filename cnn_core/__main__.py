"""The command line, `python -m cnn_core COMMAND`: the same engine and the same run store as the dashboard.

    train | resume | search                         train runs            evaluate | predict | serve    use a run's best model
    runs | diagnose                                 inspect runs          export | import-model         exchange models
    data                                            manage data sets      models                       get pretrained networks

With `--json` the last line on standard output is one JSON value; progress goes to standard error. A mistake that the user can correct ends with
a message on standard error and exit status 2. Each command is a module of `cnn_core.cli`; this module only dispatches.
"""

import argparse
import os
import sys
from collections.abc import Callable

from cnn_core.cli.command import CommandResult, Interrupt, find_run, print_result
from cnn_core.cli.data import add_data_command, run_data_command
from cnn_core.cli.evaluate import add_evaluate_options, run_evaluate_command
from cnn_core.cli.export import add_export_options, run_export_command
from cnn_core.cli.import_model import add_import_options, run_import_command
from cnn_core.cli.models import add_models_command, run_models_command
from cnn_core.cli.predict import add_predict_options, run_predict_command
from cnn_core.cli.runs import add_runs_options, run_diagnose_command, run_runs_command
from cnn_core.cli.search import add_search_options, run_search_command
from cnn_core.cli.serve import add_serve_options, run_serve_command
from cnn_core.cli.train import add_setting_options, read_setting_options, run_resume_command, run_train_command
from cnn_core.errors import StudioError
from cnn_core.home import Home
from cnn_core.runs.store import Store

CLOSED_PIPE = 141  # the status of a process that SIGPIPE ends, as a shell reports it
Command = Callable[[argparse.Namespace], CommandResult]
StoreCommand = Callable[[argparse.Namespace, Store], CommandResult]


def with_store(command: StoreCommand) -> Command:
    """Return `command` with the run store of the studio home."""
    return lambda args: command(args, Store(Home.from_environment()))


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0, or 2 for an error that the user can correct or a failed run."""
    args = make_parser().parse_args(arguments)
    command: Command = args.command
    try:
        result = command(args)
    except StudioError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print_result(result, as_json=args.json)
    return result.status


def run() -> int:
    """Run `main` as a process does: it ends quietly when the reader of its output has ended, as `head` does. Return the exit status."""
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at its end
        return CLOSED_PIPE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m cnn_core", description="Train, evaluate and use image classifiers from the command line."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, command: Command, help: str, aliases: tuple[str, ...] = ()) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, aliases=aliases)
        added.set_defaults(command=command)
        return added

    def add_for_run(name: str, command: StoreCommand, help: str, aliases: tuple[str, ...] = ()) -> argparse.ArgumentParser:
        added = add(name, with_store(command), help, aliases)
        added.add_argument("run", help="the id of a run (0007-digits), or latest")
        return added

    train = add("train", with_store(run_train_command), "train a model; without options, the one-click run on digits")
    search = add("search", with_store(_search), "search for good settings with many trials")
    add_search_options(search)
    for parser_with_settings in (train, search):
        add_setting_options(parser_with_settings)
    resume = add_for_run("resume", run_resume_command, "resume a run that was stopped or interrupted, from its last checkpoint")
    evaluate = add_for_run("evaluate", _evaluate, "evaluate a run's model on its images and write the results to files")
    add_evaluate_options(evaluate)
    predict = add_for_run("predict", _predict, "classify image files, or a folder or zip of images, with a run's best model")
    add_predict_options(predict)
    export = add_for_run("export", _export, "export a run's model to a file for other programs, verified first")
    add_export_options(export)
    serve = add_for_run("serve", _serve, "classify images over HTTP with a run's best model")
    add_serve_options(serve)
    diagnose = add_for_run("diagnose", run_diagnose_command, "report problems in a run's curves and what may help", ("doctor",))
    import_model = add(
        "import-model", with_store(run_import_command), "create a run from exported weights (safetensors) and their model card"
    )
    add_import_options(import_model)
    runs = add("runs", with_store(run_runs_command), "list the runs, newest first, or export their histories")
    add_runs_options(runs)
    for with_result in (train, search, resume, evaluate, predict, export, serve, diagnose, import_model, runs):
        with_result.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    add_data_command(commands)
    commands.choices["data"].set_defaults(command=run_data_command)
    add_models_command(commands)
    commands.choices["models"].set_defaults(command=run_models_command)
    return parser


def _search(args: argparse.Namespace, store: Store) -> CommandResult:
    was_interrupted = Interrupt()
    with was_interrupted:
        return run_search_command(args, read_setting_options(args), store, was_interrupted)


def _evaluate(args: argparse.Namespace, store: Store) -> CommandResult:
    return run_evaluate_command(args, store, find_run(store, args.run))


def _predict(args: argparse.Namespace, store: Store) -> CommandResult:
    return run_predict_command(args, store, find_run(store, args.run))


def _export(args: argparse.Namespace, store: Store) -> CommandResult:
    return run_export_command(args, store, find_run(store, args.run))


def _serve(args: argparse.Namespace, store: Store) -> CommandResult:
    run = find_run(store, args.run)
    return run_serve_command(args, store, run, lambda text: print(text, file=sys.stderr, flush=True))


if __name__ == "__main__":
    sys.exit(run())
