"""`python -m cnn_core models …`: pretrained networks on the command line.

list   list the pretrained networks that the program offers, and whether their weights are here
get    fetch the weights of a network, or add them from a file
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cnn_core.cli.command import CommandResult
from cnn_core.cli.console import run_with_progress
from cnn_core.home import Home
from cnn_core.models.pretrained_table import PRETRAINED, TORCHVISION_NETWORKS
from cnn_core.models.weights_fetch import fetch_weights
from cnn_core.models.weights_source import add_weights, find_kept, find_place, full_name, read_record, require_weights
from cnn_core.text import format_bytes, format_count

PLACES = {"installed": "installed", "here": "here", "cache": "in the cache", "": "to fetch"}
READY = "The weights of {name} are in {file} ({source}). SHA-256: {sha256}. {note}Train with: python -m cnn_core train {options}"
OF_TIMM, OF_FAMILY = "--model timm --timm-name {name}", "--model {name} --weights pretrained"
Action = Callable[[argparse.Namespace, Home], CommandResult]


def add_models_command(commands: Any) -> None:
    """Add `models` and its actions to the parser of the command line."""
    models = commands.add_parser("models", help="list pretrained networks and get their weights")
    actions = models.add_subparsers(required=True, metavar="action")
    for name, action, help_text in (
        ("list", _list, "list the pretrained networks, and whether their weights are here"),
        ("get", _get, "fetch the weights of a network, or add them from a file"),
    ):
        parser = actions.add_parser(name, help=help_text)
        parser.set_defaults(action=action)
        parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
        if name == "get":
            parser.add_argument(
                "name", help="mobilenet, efficientnet, convnext, or a name in timm, with the tag of its weights or without"
            )
            parser.add_argument("--file", type=Path, help="a safetensors or pth file with the weights, instead of fetching them")


def run_models_command(args: argparse.Namespace) -> CommandResult:
    """Run the chosen action. Raises SettingError."""
    action: Action = args.action
    return action(args, Home.from_environment())


def _list(args: argparse.Namespace, home: Home) -> CommandResult:
    rows, lines = [], []
    for network in PRETRAINED.values():
        name, place = network.name, find_place(network.name, home)
        rows.append({**asdict(network), "place": place})
        lines.append(
            f"{name:<40} {PLACES[place]:<12} {format_count(network.parameters):>11} parameters  {network.expects.side:>3} px  "
            f"{network.multiply_adds / 1e9:>5.2f} G multiply-adds  {format_bytes(network.file_bytes):>6}  {network.licence}"
        )
    return CommandResult(rows, "\n".join(lines))


def _get(args: argparse.Namespace, home: Home) -> CommandResult:
    name = full_name(args.name)
    if args.file:
        file = add_weights(name, args.file.expanduser(), home)
    elif find_kept(name, home):
        file = require_weights(name, home)
    else:
        file = run_with_progress(fetch_weights(name, home))
    record = read_record(file)
    assert record  # it was written, or checked
    facts = {"name": name, "file": str(file), "sha256": record.sha256, "source": record.source, "note": record.note}
    options = (OF_FAMILY if name in TORCHVISION_NETWORKS else OF_TIMM).format(name=name)
    return CommandResult(facts, READY.format(**{**facts, "note": f"{record.note} ".lstrip(), "options": options}))
