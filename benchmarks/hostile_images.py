"""Files built to be expensive, through the guarded decoder. `python -m benchmarks.hostile_images [COUNT] [SEED] [KIND]`.

In: how many files, the seed, and perhaps a part of the name of kinds. Each file is decoded in a process of its own, as for an import, as in
the Gallery and by `serve`, and as by `predict`. Out: of every kind the largest processor time and memory, and how many files were refused.
"""

import os
import resource
import sys
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.machine import print_table
from cnn_core.data.decoder import read_image, read_reduced
from cnn_core.errors import ImageError
from tests.data.costly_images import costly_files

COUNT, SEED = 1000, 21
MAX_SECONDS, MAX_MEGABYTES = 2.0, 512.0
WAYS = {"import": partial(read_image, draft=448), "Gallery, serve": read_reduced, "predict": read_image}
READ, REFUSED = 0, 10


@dataclass(frozen=True)
class Cost:
    """What decoding took: processor seconds, megabytes beyond those of the process and the file, and whether the file was refused."""

    seconds: float
    megabytes: float
    is_refused: bool


def measure(data: bytes, way: str) -> Cost:
    """Decode a file in a process of its own. Raises RuntimeError when that ends with anything but an image or a refusal."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        outcome = 1
        try:
            outcome = _decode(data, way, writer)
        finally:
            os._exit(outcome)
    os.close(writer)
    with open(reader) as told:
        seconds, megabytes = (float(text) for text in (told.read().split() or (0, 0)))
    outcome = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if outcome not in (READ, REFUSED):
        raise RuntimeError(f"The process ended with {outcome}.")
    return Cost(seconds, megabytes, outcome == REFUSED)


def _decode(data: bytes, way: str, writer: int) -> int:
    before, began, outcome = (
        int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize(),
        time.process_time(),
        READ,
    )
    try:
        WAYS[way](data, "It")
    except ImageError:
        outcome = REFUSED
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    os.write(writer, f"{time.process_time() - began} {(peak - before) / 2**20}".encode())
    return outcome


def main() -> None:
    """Print the table."""
    count, seed, chosen = [*sys.argv[1:], *("", "", "")[len(sys.argv) - 1 :]]
    warnings.simplefilter("ignore")
    costs: dict[str, list[Cost]] = defaultdict(list)
    for kind, data in costly_files(int(count or COUNT), int(seed or SEED), chosen):
        costs[kind] += [measure(data, way) for way in WAYS]
    every = [cost for some in costs.values() for cost in some]
    rows = [(kind, _limits(), _summary(some)) for kind, some in (*costs.items(), ("all", every))]
    print_table("Files built to be expensive", rows)


def _limits() -> str:
    return f"≤ {MAX_SECONDS:.0f} s, ≤ {MAX_MEGABYTES:.0f} MB"


def _summary(costs: list[Cost]) -> str:
    beyond = sum(cost.seconds > MAX_SECONDS or cost.megabytes > MAX_MEGABYTES for cost in costs)
    largest = f"{max(cost.seconds for cost in costs):.2f} s, {max(cost.megabytes for cost in costs):.0f} MB"
    return f"{largest}; {sum(cost.is_refused for cost in costs)} of {len(costs)} refused, {beyond} beyond the limits"


if __name__ == "__main__":
    main()
