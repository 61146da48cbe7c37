"""Importing against reading every time. `python -m benchmarks.importing FOLDER` and `python -m benchmarks.importing million`

FOLDER is CIFAR-10 as class folders: import into an empty home, with the memory of the process and its helpers; then one pass over the set
through torchvision's ImageFolder and a DataLoader with two workers, and one over our batches. `million` makes a set of 1,000,000 images of
32×32 in 100 classes as BMP files (8 GB of disk for a while, the map included), imports it, looks at it, and trains SimpleCNN at a quarter of its width on it for one
epoch, saying how large the process was; the page is opened in Chromium.
"""

import io
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.machine import print_table
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
            million(Path(folder))
        else:
            cifar(Path(sys.argv[1]), Home(Path(folder)))


def cifar(source: Path, home: Home) -> None:
    imports, theirs, ours = [], [], []
    with Memory() as memory:  # once by itself: torch comes with the passes
        finish(import_files("first", source, ImportOptions(), home))
    for number in range(PASSES):
        name = f"cifar{number}"
        imports.append(timed(lambda name=name: finish(import_files(name, source, ImportOptions(), home))))
        theirs.append(timed(lambda: read_through_image_folder(source / "train")))
        ours.append(timed(lambda name=name: read_through_batches(home, name)))
    count = ImportedSource(home.set_folder("cifar0")).index.count()
    speeds = [count / seconds for seconds in imports]
    per_image = statistics.median(theirs) / 50_000
    print_table(
        "CIFAR-10 as 60,000 JPEG files",
        [
            (
                "import",
                "≥ 4,000 images/s",
                f"median {statistics.median(speeds):,.0f} images/s ({min(speeds):,.0f} to {max(speeds):,.0f}, n = {PASSES}), duplicates looked for",
            ),
            ("peak memory, helpers included", "≤ 700 MB", f"{memory.peak / 1e6:.0f} MB"),
            (
                "ImageFolder + DataLoader, one pass",
                "slower than the import",
                f"{1 / per_image:,.0f} images/s (median of {PASSES} passes over the training part, alternating with the imports)",
            ),
            ("our second pass", "≥ 10 times as fast", f"{statistics.median(theirs) / statistics.median(ours):.0f} times as fast"),
        ],
    )


def million(folder: Path) -> None:
    home, source = Home(folder / "studio"), folder / "source"
    print("making the files …", flush=True)
    make_files(source)
    with Memory() as importing:
        seconds = timed(lambda: finish(import_files("million", source, ImportOptions(), home)))
    with Memory() as training:
        trained = timed(lambda: train_one_epoch(home))
    page = open_page(home)
    print_table(
        f"{MILLION:,} images of 32×32 in {CLASSES} classes",
        [
            ("import", "", f"{MILLION / seconds:,.0f} images/s ({seconds:.0f} s)"),
            ("peak memory of the import, helpers included", "≤ 2 GB", f"{importing.peak / 1e9:.2f} GB"),
            ("peak memory of training one epoch", "≤ 2 GB", f"{training.peak / 1e9:.2f} GB ({MILLION / trained:,.0f} images/s)"),
            (
                "opening the Data page on it, in Chromium",
                "≤ 1 s",
                f"median {statistics.median(page):.2f} s ({max(page):.2f} at worst, n = {len(page)})",
            ),
        ],
    )


def read_through_image_folder(folder: Path) -> None:
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    for _ in DataLoader(ImageFolder(str(folder), transforms.ToTensor()), batch_size=500, shuffle=True, num_workers=2):
        pass


def read_through_batches(home: Home, name: str) -> None:
    import torch

    from cnn_core.data.batches import Batches

    images = finish(ImportedSource(home.set_folder(name)).load("train"))
    for _ in Batches(images, batch_size=500, device=torch.device("cpu"), mean=(0.0,) * 3, std=(1.0,) * 3, shuffle=True):
        pass


def train_one_epoch(home: Home) -> None:
    from cnn_core.config.defaults import make_config
    from cnn_core.events import Epoch
    from cnn_core.training.recipe import train_run

    os.environ["CNN_STUDIO_HOME"] = str(home.root)
    config = make_config(data="million", epochs=1, width=0.25, batch_size=512, validation_share=0.02)
    run = home.run_folder("0001-million")
    run.mkdir(parents=True)
    events = train_run(config, run, home)
    next(event for event in events if isinstance(event, Epoch))
    events.close()


def open_page(home: Home, times: int = 5) -> list[float]:
    """Seconds from asking for the Data page on the million, in a browser that has shown another page, until its images stand there."""
    from playwright.sync_api import sync_playwright

    from benchmarks.dashboard import CHROMIUM_FLAGS, dashboard, find_chromium

    seconds = []
    with dashboard(home=home.root) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        page = browser.new_page()
        page.goto(f"{served.url}/data?set=million")
        page.get_by_text(f"{MILLION:,} images").wait_for()
        for _ in range(times):
            page.get_by_role("link", name="Train", exact=True).click()
            page.get_by_role("heading", name="Train").wait_for()
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
            begun = time.perf_counter()
            page.get_by_role("link", name="Data").click()
            page.get_by_text(f"{MILLION:,} images").wait_for()
            page.locator(".picker img").first.wait_for()
            seconds.append(time.perf_counter() - begun)
        browser.close()
    return seconds


def make_files(folder: Path) -> None:
    """The images, as BMP files: blocks of colour under noise, no two alike."""
    rng = np.random.default_rng(0)
    sample = io.BytesIO()
    Image.new("RGB", (32, 32)).save(sample, "BMP")
    header = sample.getvalue()[: -32 * 32 * 3]
    for label in range(CLASSES):
        place = folder / f"class{label:03}"
        place.mkdir(parents=True)
        coarse = rng.integers(32, 224, (MILLION // CLASSES, 4, 4, 3), dtype=np.uint8)
        pixels = coarse.repeat(8, axis=1).repeat(8, axis=2) + rng.integers(0, 32, (len(coarse), 32, 32, 3), dtype=np.uint8)
        for number, image in enumerate(pixels):
            with open(place / f"{number:05}.bmp", "wb", buffering=0) as file:
                file.write(header + image.tobytes())


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Memory:
    """While in its block, notes the largest memory of this process and its children, shared pages counted by share (Linux), bytes."""

    def __enter__(self) -> "Memory":
        self.peak, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(self._of, [os.getpid(), *self._children()])))

    @staticmethod
    def _children() -> list[int]:
        return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]

    @staticmethod
    def _of(process: int) -> int:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
