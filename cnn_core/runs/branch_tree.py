"""Branches as trees: each run with its row and column in a drawing. In: runs. Out: nodes.

Importing this module does not import torch.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cnn_core.runs.run import Run


@dataclass(frozen=True)
class Node:
    """A run in the drawing. column: number of branchings from the root (0). row: from the top (0). parent: index of the parent in the list
    of nodes; None for a root."""

    run: Run
    column: int
    row: int
    parent: int | None


def family_trees(runs: Sequence[Run]) -> list[Node]:
    """Return the runs that have a parent or children, tree by tree, oldest first; a run's first child is drawn in its row.

    A run whose parent is not among `runs` is a root.
    """
    ids = {run.id for run in runs}
    children: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.created, run.id)):
        children[run.parent if run.parent in ids else ""].append(run)
    nodes: list[Node] = []
    stack: list[tuple[Run, int, int | None]] = [(root, 0, None) for root in reversed(children[""]) if children[root.id]]
    lowest = -1
    while stack:  # no recursion: chains of branches may be longer than its limit
        run, column, parent = stack.pop()
        is_first_child = parent is not None and parent == len(nodes) - 1
        row = nodes[-1].row if is_first_child else lowest + 1
        lowest = max(lowest, row)
        stack += [(child, column + 1, len(nodes)) for child in reversed(children[run.id])]
        nodes.append(Node(run, column, row, parent))
    return nodes
