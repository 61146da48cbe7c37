"""Measure imports and compare them with ImageFolder. `python -m benchmarks.importing FOLDER` or `python -m benchmarks.importing million`

FOLDER is CIFAR-10 as class folders. It is imported into an empty studio home, with the memory of the process and its worker processes. Then one pass over
the images with torchvision's ImageFolder and a DataLoader with two workers is compared with one pass over the imported batches. `million` creates 1,000,000
images of 32×32 in 100 classes as BMP files (it needs 8 GB of disk), imports them, trains SimpleCNN at a quarter of its width for one
epoch, and opens the Data page in Chromium.
"""

import io
import os
import statistics
import sys
import threading
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.machine import measure_seconds, median_and_worst, print_table
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.home import Home

PASSES = 3
MILLION, CLASSES = 1_000_000, 100
SAMPLE_SECONDS = 0.1


def main() -> None:
    with TemporaryDirectory() as folder:
        if sys.argv[1] == "million":
            measure_million(Path(folder))
        else:
            measure_cifar(Path(sys.argv[1]), Home(Path(folder)))


def measure_cifar(source: Path, home: Home) -> None:
    """Measure the import of CIFAR-10 and passes over it, and print the table."""

    def import_set(name: str) -> None:
        finish(import_files(name, source, ImportOptions(), home))

    imports, folder_passes, batch_passes = [], [], []
    with Memory() as memory:  # before the passes, which load torch
        import_set("first")
    for number in range(PASSES):
        name = f"cifar{number}"
        imports.append(measure_seconds(partial(import_set, name)))
        folder_passes.append(measure_seconds(lambda: iterate_image_folder(source / "train")))
        batch_passes.append(measure_seconds(partial(iterate_batches, home, name)))
    count = ImportedSource(home.set_folder("cifar0")).index.count()
    speeds = [count / seconds for seconds in imports]
    folder_speed = 50_000 / statistics.median(folder_passes)
    print_table(
        "CIFAR-10 as 60,000 JPEG files",
        [
            (
                "import",
                "≥ 4,000 images/s",
                f"median {statistics.median(speeds):,.0f} images/s ({min(speeds):,.0f} to {max(speeds):,.0f}, n = {PASSES}), with the search for duplicates",
            ),
            ("peak memory, with worker processes", "≤ 700 MB", f"{memory.peak / 1e6:.0f} MB"),
            (
                "ImageFolder + DataLoader with 2 workers, one pass",
                "slower than the import",
                f"{folder_speed:,.0f} images/s (median of {PASSES} passes over the training split, alternating with the imports)",
            ),
            (
                "second pass over the imported set",
                "≥ 10 times as fast",
                f"{statistics.median(folder_passes) / statistics.median(batch_passes):.0f} times as fast",
            ),
        ],
    )


def measure_million(folder: Path) -> None:
    """Measure the import of a million images, a training on them and the Data page, and print the table."""
    home, source = Home(folder / "studio"), folder / "source"
    print("Creating the files …", flush=True)
    make_files(source)
    with Memory() as importing:
        seconds = measure_seconds(lambda: finish(import_files("million", source, ImportOptions(), home)))
    with Memory() as training:
        train_seconds = measure_seconds(lambda: train_one_epoch(home))
    page_seconds = measure_page(home)
    print_table(
        f"{MILLION:,} images of 32×32 in {CLASSES} classes",
        [
            ("import", "", f"{MILLION / seconds:,.0f} images/s ({seconds:.0f} s)"),
            ("peak memory of the import, with worker processes", "≤ 2 GB", f"{importing.peak / 1e9:.2f} GB"),
            (
                "peak memory of training one epoch",
                "≤ 2 GB",
                f"{training.peak / 1e9:.2f} GB ({MILLION / train_seconds:,.0f} images/s)",
            ),
            (
                "opening the Data page, until its images are shown",
                "≤ 1 s",
                median_and_worst(page_seconds),
            ),
        ],
    )


def iterate_image_folder(folder: Path) -> None:
    """Read all images once with torchvision and a DataLoader."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    for _ in DataLoader(ImageFolder(str(folder), transforms.ToTensor()), batch_size=500, shuffle=True, num_workers=2):
        pass


def iterate_batches(home: Home, name: str) -> None:
    """Read all training images of an imported set once in batches."""
    import torch

    from cnn_core.data.batches import Batches

    images = finish(ImportedSource(home.set_folder(name)).load("train"))
    for _ in Batches(images, batch_size=500, device=torch.device("cpu"), mean=(0.0,) * 3, std=(1.0,) * 3, shuffle=True):
        pass


def train_one_epoch(home: Home) -> None:
    """Train a small SimpleCNN on the million images until its first Epoch event."""
    from cnn_core.config.defaults import make_config
    from cnn_core.events import Epoch
    from cnn_core.training.recipe import train_run

    os.environ["CNN_STUDIO_HOME"] = str(home.root)
    config = make_config(data="million", epochs=1, width=0.25, batch_size=512, validation_share=0.02)
    run = home.run_folder("0001-million")
    run.mkdir(parents=True)
    for event in train_run(config, run, home):
        if isinstance(event, Epoch):
            return


def measure_page(home: Home, times: int = 5) -> list[float]:
    """Open the Data page on the million images from another page; return the seconds until its images are shown."""
    from benchmarks.dashboard import chromium, dashboard

    seconds = []
    with dashboard(home=home.root) as served, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{served.url}/data?set=million")
        page.get_by_text(f"{MILLION:,} images").wait_for()
        for _ in range(times):
            page.get_by_role("link", name="Train", exact=True).click()
            page.get_by_role("heading", name="Train").wait_for()
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
            start = time.perf_counter()
            page.get_by_role("link", name="Data").click()
            page.get_by_text(f"{MILLION:,} images").wait_for()
            page.locator(".picker img").first.wait_for()
            seconds.append(time.perf_counter() - start)
    return seconds


def make_files(folder: Path) -> None:
    """Write the images as BMP files: blocks of colour with noise, all different."""
    rng = np.random.default_rng(0)
    sample = io.BytesIO()
    Image.new("RGB", (32, 32)).save(sample, "BMP")
    header = sample.getvalue()[: -32 * 32 * 3]
    for label in range(CLASSES):
        class_folder = folder / f"class{label:03}"
        class_folder.mkdir(parents=True)
        coarse = rng.integers(32, 224, (MILLION // CLASSES, 4, 4, 3), dtype=np.uint8)
        pixels = coarse.repeat(8, axis=1).repeat(8, axis=2) + rng.integers(0, 32, (len(coarse), 32, 32, 3), dtype=np.uint8)
        for number, image in enumerate(pixels):
            with open(class_folder / f"{number:05}.bmp", "wb", buffering=0) as file:
                file.write(header + image.tobytes())


class Memory:
    """Measures the peak memory of this process and its children within a block, in bytes; shared pages count in proportion (PSS, Linux)."""

    def __enter__(self) -> "Memory":
        self.peak, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(self._proportional_set_size, [os.getpid(), *self._children()])))

    @staticmethod
    def _children() -> list[int]:
        return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]

    @staticmethod
    def _proportional_set_size(process: int) -> int:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
