"""`python -m cnn_core serve RUN`: predictions of a run's best model over HTTP, for this machine unless --public is given."""

import argparse
from collections.abc import Callable
from typing import Any

from cnn_core.errors import StudioError
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store
from cnn_core.text import counted

LARGEST_MB = 64  # the decoder's own limit
PUBLIC = (
    "Warning: everybody who can reach {address} can use this model and read its class names. There is no password and no encryption. "
    "Use a proxy that adds both."
)


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="port to listen on, 0 for a free one (default 8000)")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--public", action="store_true", help="allow an address that other machines can reach")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default cpu)")
    parser.add_argument("--max-mb", type=float, default=10, metavar="MB", help="size limit of an image (default 10)")
    parser.add_argument("--in-flight", type=int, default=64, metavar="N", help="images processed at once (default 64)")
    parser.add_argument("--seconds", type=float, default=20, metavar="S", help="time limit for sending an image (default 20)")


def run_serve_command(args: argparse.Namespace, store: Store, run: Run, say: Callable[[str], object]) -> tuple[Any, str]:
    """Serve until SIGINT or SIGTERM; `say` prints a line. Return the counts for --json and as a sentence. Raises StudioError."""
    _check(args)
    from cnn_core.device import choose_device
    from cnn_core.inference.classifier import Classifier
    from cnn_core.serving.endpoint import Endpoint, RequestLimits, is_loopback
    from cnn_core.serving.server import open_socket, serve

    is_local = is_loopback(args.host)
    if not is_local and not args.public:
        raise StudioError(f"{args.host} can be reached from other machines. Add --public to allow that.")
    classifier = Classifier(store.home.run_folder(run.id), choose_device(args.device))
    limits = RequestLimits(int(args.max_mb * 2**20), args.seconds, args.in_flight)
    endpoint = Endpoint(classifier, run.id, limits, is_local=is_local)
    with open_socket(args.host, args.port) as listener:
        address = _address(args.host, listener.getsockname()[1])
        if not is_local:
            say(PUBLIC.format(address=address))
        serve(endpoint, listener, lambda: say(f"Serving {run.id} on {address} (Ctrl-C stops it)."))
    done = endpoint.health()
    return done, f"Classified {counted(done['answered'], 'image')}, refused {counted(done['refused'], 'request')}."


def _check(args: argparse.Namespace) -> None:
    """Raise StudioError for limits out of range."""
    for option, value, least, most in (
        ("--port", args.port, 0, 65_535),
        ("--max-mb", args.max_mb, 0.001, LARGEST_MB),
        ("--in-flight", args.in_flight, 1, 10_000),
        ("--seconds", args.seconds, 0.1, 3600),
    ):
        if not least <= value <= most:
            raise StudioError(f"{option} is {value:g}. Choose {least:g} to {most:,}.")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
