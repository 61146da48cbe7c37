"""What every table says of the machine it was taken on, and the two statistics that all of them use."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np


def describe_machine() -> str:
    """Hardware and versions in one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "streamlit", "plotly"))
    return f"{os.cpu_count()} × {_processor()}, {platform.system()}, Python {platform.python_version()}, {packages}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` percent of `values` lie."""
    return float(np.percentile(values, share))


def print_table(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """A Markdown table of (what, asked, measured) under the machine's description."""
    print(f"\n{title}\n{describe_machine()}\n\n| figure | asked | measured |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
