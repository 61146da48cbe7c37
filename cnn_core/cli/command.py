"""Shared by all commands: the result of a command, finding a run by its name, and ending at Ctrl-C.

In: parsed options. Out: one `CommandResult`, printed as text or as one line of JSON.
"""

import json
import math
import signal
import sys
from dataclasses import dataclass
from typing import Any

from cnn_core.errors import RunError
from cnn_core.runs.run import IN_BIN, Run
from cnn_core.runs.store import Store

STOPPING = "Stopping after this step; the best model so far is saved. Press Ctrl-C again to quit at once."


@dataclass(frozen=True)
class CommandResult:
    """The result of a command: `value` is printed with --json, else `text`. `status`: the exit status.

    A number that is not finite stands for a figure that there is not; in JSON it is null.
    """

    value: Any
    text: str
    status: int = 0


def print_result(result: CommandResult, *, as_json: bool) -> None:
    """Print the result on standard output."""
    # A file name may hold bytes that are not text: JSON escapes them, and a terminal shows question marks.
    print(json.dumps(_to_json(result.value), allow_nan=False) if as_json else result.text.encode("utf-8", "replace").decode())


def _to_json(value: Any) -> Any:
    """Return `value` with None for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def find_run(store: Store, name: str) -> Run:
    """Return the run called `name`, or the newest for "latest". Raises RunError, also for a run in the bin."""
    if name != "latest":
        run = store.run(name)
        if run.removed is not None:
            raise RunError(IN_BIN.format(run=name))
        return run
    runs = store.runs()
    if not runs:
        raise RunError("There are no runs yet. Start one with `python -m cnn_core train`.")
    return runs[0]


class Interrupt:
    """Within its block, the first SIGINT or SIGTERM only makes a call return True; a second one ends the process as usual."""

    def __init__(self) -> None:
        self._was_received = False

    def __call__(self) -> bool:
        return self._was_received

    def __enter__(self) -> None:
        self._previous = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _receive(self, number: int, frame: object) -> None:
        self._was_received = True
        self._restore()
        print(f"\n{STOPPING}", file=sys.stderr)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
