"""Memory of a training beyond its data and its model, on the CPU. `python -m benchmarks.memory FOLDER`

FOLDER is CIFAR-10 as class folders; default settings. Measured while it trains its first steps, minus the images and the weights:
the process's own memory (anonymous pages), and for comparison its whole resident set, in which the pages of torch's library files
count too, though they are the file cache's and shared by all processes.
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

    imported = memory()
    with TemporaryDirectory() as folder:
        config = make_config(data=sys.argv[1])
        info, peak, seen, started = open_source(config.data).info, (0.0, 0.0), 0, None
        for event in train_run(config, Path(folder), Home(Path(folder))):
            started = event if isinstance(event, Started) else started
            if isinstance(event, Steps):
                peak, seen = max(peak, memory()), seen + 1
            if seen == REPORTS:
                break
    data = (started.train_count + started.val_count) * info.image_size**2 * info.channels / 1e6
    model = started.parameters * 4 / 1e6
    print_table(
        "Memory while training CIFAR-10",
        [
            (
                "own memory beyond data and model",
                "≤ 600 MB",
                f"{peak[0] - data - model:.0f} MB (after the imports alone: {imported[0]:.0f} MB)",
            ),
            (
                "resident set beyond data and model",
                "",
                f"{peak[1] - data - model:.0f} MB (after the imports alone: {imported[1]:.0f} MB)",
            ),
            ("data, model", "", f"{data:.0f} MB, {model:.0f} MB"),
        ],
    )


def memory() -> tuple[float, float]:
    """Megabytes of this process now: its own (anonymous) and all that is resident (Linux)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(lines[name].split()[0]) * 1024 / 1e6 for name in ("RssAnon", "VmRSS"))


if __name__ == "__main__":
    main()
