"""What all benchmarks share: the description of the machine, statistics, timing and the Markdown table of results."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

Rows = list[tuple[str, str, str]]  # figure, target, measured


def describe_machine() -> str:
    """Return hardware and versions in one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "streamlit", "plotly"))
    return f"{os.cpu_count()} × {_processor()}, {platform.system()}, Python {platform.python_version()}, {packages}"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which `percent` percent of `values` lie."""
    return float(np.percentile(values, percent))


def median_and_worst(seconds: Sequence[float], digits: int = 2) -> str:
    """Return the median and the worst of measured times as text, with their number."""
    return f"median {percentile(seconds, 50):.{digits}f} s, worst {max(seconds):.{digits}f} s (n = {len(seconds)})"


def measure_seconds(work: Callable[[], object]) -> float:
    """Return the seconds that a call of `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def print_table(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Print a Markdown table of (figure, target, measured) below the title and the description of the machine."""
    print(f"\n{title}\n{describe_machine()}\n\n| figure | asked | measured |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
