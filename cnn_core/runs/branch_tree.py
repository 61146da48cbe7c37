"""Which run branched from which: the runs as trees, each with its place in a picture. In: rows of the store. Out: plain values.

Importing this module does not import torch.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cnn_core.runs.run import Run


@dataclass(frozen=True)
class Node:
    """A run in the picture: `column` counts branchings from the first run (0), `row` the lines from the top (0). `parent`: the place, in
    the list of nodes, of the run it branched from; None for the first run of a tree."""

    run: Run
    column: int
    row: int
    parent: int | None


def family_trees(runs: Sequence[Run]) -> list[Node]:
    """The runs that branched or were branched from, tree by tree, oldest first; a run's first child goes on in its row.

    A run whose parent is not among `runs` begins a tree of its own.
    """
    known = {run.id for run in runs}
    children: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.created, run.id)):
        children[run.parent if run.parent in known else ""].append(run)
    nodes: list[Node] = []
    waiting = [(root, 0, None) for root in reversed(children[""]) if children[root.id]]
    lowest = -1
    while waiting:  # a stack, as chains of branches may be longer than Python lets functions call each other
        run, column, parent = waiting.pop()
        goes_on = parent is not None and parent == len(nodes) - 1
        row = nodes[parent].row if goes_on else lowest + 1
        lowest = max(lowest, row)
        waiting += [(child, column + 1, len(nodes)) for child in reversed(children[run.id])]
        nodes.append(Node(run, column, row, parent))
    return nodes
