"""Measure the memory of a training beyond its data and model, on the CPU. `python -m benchmarks.memory FOLDER`

FOLDER is CIFAR-10 as class folders; default settings. Measured during the first steps, minus the images and the weights: the process's anonymous
memory, and for comparison its resident set, which includes the pages of torch's library files that all processes share.
"""

import sys
from pathlib import Path

from benchmarks.machine import print_table
from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.events import Started, Steps
from cnn_core.home import Home

REPORTS = 40


def main() -> None:
    from tempfile import TemporaryDirectory

    from cnn_core.training.recipe import train_run

    after_imports = read_memory()
    with TemporaryDirectory() as folder:
        config = make_config(data=sys.argv[1])
        info, peak, reports = open_source(config.data).info, (0.0, 0.0), 0
        started: Started | None = None
        for event in train_run(config, Path(folder), Home(Path(folder))):
            started = event if isinstance(event, Started) else started
            if isinstance(event, Steps):
                peak, reports = max(peak, read_memory()), reports + 1
            if reports == REPORTS:
                break
    assert started
    data = (started.train_count + started.val_count) * info.image_size**2 * info.channels / 1e6
    model = started.parameters * 4 / 1e6
    print_table(
        "Memory while training CIFAR-10",
        [
            (
                "memory beyond data and model",
                "≤ 600 MB",
                f"{peak[0] - data - model:.0f} MB (after the imports: {after_imports[0]:.0f} MB)",
            ),
            (
                "resident set with library files, beyond data and model",
                "",
                f"{peak[1] - data - model:.0f} MB (after the imports: {after_imports[1]:.0f} MB)",
            ),
            ("data, model", "", f"{data:.0f} MB, {model:.0f} MB"),
        ],
    )


def read_memory() -> tuple[float, float]:
    """Return this process's anonymous memory and resident set in megabytes (Linux)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous, resident = (int(lines[name].split()[0]) * 1024 / 1e6 for name in ("RssAnon", "VmRSS"))
    return anonymous, resident


if __name__ == "__main__":
    main()
