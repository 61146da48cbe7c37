"""Measure the classification of 10,000 images in a zip archive into a table. `python -m benchmarks.batch FOLDER`

FOLDER holds at least 10,000 JPEG files, for example CIFAR-10's test split. They are zipped, and an untrained SimpleCNN (32×32) classifies all of them; the
time runs from listing the archive to the last row of the CSV file. Other programs on the machine lower the images per second but not the CPU time.
"""

import csv
import os
import statistics
import sys
import time
import zipfile
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.importing import Memory
from benchmarks.machine import percentile, print_table
from cnn_core.data.source import finish
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.many_images import classify_many
from cnn_core.models.saving import ModelCard, save_card, save_weights

IMAGES, PASSES = 10_000, 3


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        classifier = make_classifier(folder / "0001-cifar")
        archive, table = zip_images(Path(sys.argv[1]), folder / "images.zip"), folder / "predictions.csv"
        with Memory() as memory:  # a separate pass, which also warms up, because sampling the memory takes CPU time
            finish(classify_many(archive, classifier, table))
        passes = [measure_pass(archive, classifier, table) for _ in range(PASSES)]
        with table.open(encoding="utf-8-sig", newline="") as file:
            assert sum(1 for row in csv.DictReader(file) if row["predicted"]) == IMAGES
    speeds = [IMAGES / seconds for seconds, _, _ in passes]
    load, cpu_seconds, cores = os.getloadavg()[0], percentile([cpu for _, cpu, _ in passes], 50), os.cpu_count() or 1
    print_table(
        f"{IMAGES:,} JPEG files of 32×32 in a zip archive, classified by SimpleCNN into a CSV file (load average {load:.0f})",
        [
            (
                "images per second (read, decode, classify, write)",
                "≥ 1,500 images/s",
                f"median {statistics.median(speeds):,.0f} images/s ({min(speeds):,.0f} to {max(speeds):,.0f}, n = {PASSES})",
            ),
            (
                "CPU time",
                "",
                f"{cpu_seconds:.2f} s, so at most {IMAGES * cores / cpu_seconds:,.0f} images/s with {cores} idle cores",
            ),
            ("longest time between two progress updates", "≤ 1 s", f"{max(wait for _, _, wait in passes):.2f} s"),
            ("peak memory of the process, with library files", "", f"{memory.peak / 1e6:.0f} MB"),
        ],
    )


def measure_pass(archive: Path, classifier: Classifier, table: Path) -> tuple[float, float, float]:
    """Classify all images; return the seconds, the CPU seconds, and the longest time between two progress updates."""
    start, cpu_start = time.perf_counter(), time.process_time()
    updates = [start]
    for _ in classify_many(archive, classifier, table):
        updates.append(time.perf_counter())
    end = time.perf_counter()
    longest = max(later - earlier for earlier, later in zip(updates, [*updates[1:], end], strict=True))
    return end - start, time.process_time() - cpu_start, longest


def make_classifier(folder: Path) -> Classifier:
    """Return an untrained SimpleCNN for CIFAR-10, saved in `folder` as a run saves its model."""
    folder.mkdir()
    classes = tuple(f"class {number}" for number in range(10))
    card = ModelCard(
        model="simple", classes=classes, channels=3, image_size=32, mean=(0.5,) * 3, std=(0.25,) * 3, fingerprint="none"
    )
    torch.manual_seed(0)
    save_card(folder, card)
    save_weights(folder, card.build())
    return Classifier(folder)


def zip_images(folder: Path, archive: Path) -> Path:
    """Write the first IMAGES JPEG files below `folder` to the zip archive and return its path."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        images = list(islice(sorted(folder.rglob("*.jp*g")), IMAGES))
        assert len(images) == IMAGES, f"{folder} has only {len(images):,} JPEG files"
        for path in images:
            out.write(path, path.relative_to(folder))
    return archive


if __name__ == "__main__":
    main()
