"""A run as a Jupyter notebook: the cells of the training script (nbformat 4.5, written without the package nbformat).

In: a run's settings and the card of its network. Out: the notebook's JSON.
"""

import json
from collections.abc import Sequence
from typing import Any

from cnn_core.config.schema import TrainConfig
from cnn_core.export.script import training_script
from cnn_core.models.saving import ModelCard

CODE_CELL, TEXT_CELL = "# %%", "# %% [markdown]"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def training_notebook(config: TrainConfig, card: ModelCard, run: str = "", notes: Sequence[str] = ()) -> str:
    """Return the notebook as JSON. `run` and `notes`: as for `training_script`."""
    script = training_script(config, card, run, notes, is_notebook=True)
    cells = [_cell(number, *cell) for number, cell in enumerate(split_cells(script))]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": METADATA, "cells": cells}
    return json.dumps(notebook, indent=1, ensure_ascii=True)


def split_cells(script: str) -> list[tuple[str, list[str]]]:
    """Return the cells of a script: ("markdown" or "code", lines), Markdown without comment signs."""
    cells: list[tuple[str, list[str]]] = []
    for line in script.splitlines():
        if line in (CODE_CELL, TEXT_CELL):
            cells.append(("code" if line == CODE_CELL else "markdown", []))
        else:
            kind, lines = cells[-1]
            lines.append(line.removeprefix("#").removeprefix(" ") if kind == "markdown" else line)
    return cells


def _cell(number: int, kind: str, lines: list[str]) -> dict[str, Any]:
    source = "\n".join(lines).strip("\n").splitlines(keepends=True)
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}
