"""`python -m cnn_core serve RUN`: classify images over HTTP with a run's best model, by default for this machine only.

--host, --port  address to listen on; other machines only with --public   --device     where the model runs
--max-mb        the largest image that is accepted                        --in-flight  requests handled at once
--seconds       time limit for sending an image
"""

import argparse
from collections.abc import Callable

from cnn_core.cli.command import CommandResult
from cnn_core.cli.predict import open_classifier
from cnn_core.errors import StudioError
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.text import counted

MAX_MB = 64  # the decoder's own limit
SERVING = "Serving {run} on {address} (press Ctrl-C to stop)."
CLASSIFIED = "Classified {images}, refused {requests}."
PUBLIC = (
    "Warning: all who can reach {address} can use this model and read its class names. There is no password and no encryption: "
    "put a proxy with both in front of it."
)


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `serve`."""
    parser.add_argument(
        "--port", type=int, default=8000, metavar="N", help="port to listen on; 0 for any free port (default 8000)"
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--public", action="store_true", help="allow an address that other machines can reach")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default cpu)")
    parser.add_argument("--max-mb", type=float, default=10, metavar="MB", help="largest image that is accepted (default 10)")
    parser.add_argument("--in-flight", type=int, default=64, metavar="N", help="requests handled at once (default 64)")
    parser.add_argument("--seconds", type=float, default=20, metavar="S", help="time limit for sending an image (default 20)")


def run_serve_command(args: argparse.Namespace, store: Store, run: Run, show: Callable[[str], object]) -> CommandResult:
    """Serve until a signal to end; `show` prints a message for the user. Raises StudioError."""
    _check(args)
    from cnn_core.serving.endpoint import Endpoint, RequestLimits, is_loopback
    from cnn_core.serving.server import open_socket, serve

    is_local = is_loopback(args.host)
    if not is_local and not args.public:
        raise StudioError(f"{args.host} can be reached from other machines. Add --public to allow that.")
    classifier = open_classifier(store, run, args.device)
    limits = RequestLimits(int(args.max_mb * 2**20), args.seconds, args.in_flight)
    endpoint = Endpoint(classifier, run.id, limits, is_local=is_local)
    with open_socket(args.host, args.port) as listener:
        address = _address(args.host, listener.getsockname()[1])
        if not is_local:
            show(PUBLIC.format(address=address))
        serve(endpoint, listener, lambda: _announce(show, SERVING.format(run=run.id, address=address)))
    health = endpoint.health()
    return CommandResult(
        health,
        CLASSIFIED.format(images=counted(health["answered"], "image"), requests=counted(health["refused"], "request")),
    )


def _announce(show: Callable[[str], object], text: str) -> None:
    show(text)


def _check(args: argparse.Namespace) -> None:
    """Raise StudioError for an option out of its range."""
    for option, value, least, most in (
        ("--port", args.port, 0, 65_535),
        ("--max-mb", args.max_mb, 0.001, MAX_MB),
        ("--in-flight", args.in_flight, 1, 10_000),
        ("--seconds", args.seconds, 0.1, 3600),
    ):
        if not least <= value <= most:
            raise StudioError(f"{option} is {value:g}. Choose {least:g} to {most:,}.")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
