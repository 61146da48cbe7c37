"""Many pictures from a zip into a table. `python -m benchmarks.batch FOLDER`

FOLDER holds at least 10,000 JPEG files, CIFAR-10's test part for instance. They are zipped, and SimpleCNN at 32×32 (as the weights are first drawn: what
they are takes no time) classifies all of them, from the listing of the zip to the last row of the CSV file. What other programs take of the
machine counts as ours in images a second, and not in processor time.
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
from benchmarks.machine import print_table
from cnn_core.data.source import finish
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.many_images import classify_many
from cnn_core.models.saving import ModelCard, save_card, save_weights

IMAGES, PASSES = 10_000, 3


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        classifier = make_classifier(folder / "0001-cifar")
        archive, table = zip_pictures(Path(sys.argv[1]), folder / "pictures.zip"), folder / "answers.csv"
        with Memory() as memory:  # in a pass of its own, which also warms up: looking takes time of the processor
            finish(classify_many(archive, classifier, table))
        times = [timed(archive, classifier, table) for _ in range(PASSES)]
        with table.open(encoding="utf-8-sig", newline="") as file:
            assert sum(1 for row in csv.DictReader(file) if row["predicted"]) == IMAGES
    speeds = [IMAGES / seconds for seconds, _, _ in times]
    load, busy, cores = os.getloadavg()[0], statistics.median(busy for _, busy, _ in times), os.cpu_count() or 1
    print_table(
        f"{IMAGES:,} JPEG files of 32×32 in a zip, through SimpleCNN, into a table (load of the machine: {load:.0f})",
        [
            (
                "unzip, decode, classify, write",
                "≥ 1,500 images/s",
                f"median {statistics.median(speeds):,.0f} images/s ({min(speeds):,.0f} to {max(speeds):,.0f}, n = {PASSES})",
            ),
            (
                "processor time",
                "",
                f"{busy:.2f} s, so at most {IMAGES * cores / busy:,.0f} images/s with {cores} idle cores",
            ),
            ("longest wait between two signs of progress", "≤ 1 s", f"{max(wait for _, _, wait in times):.2f} s"),
            ("peak memory of the process", "", f"{memory.peak / 1e6:.0f} MB"),
        ],
    )


def timed(archive: Path, classifier: Classifier, table: Path) -> tuple[float, float, float]:
    """Seconds, seconds of the processor, and the longest wait for a sign of progress."""
    begun, busy, waits = time.perf_counter(), time.process_time(), [time.perf_counter()]
    for _ in classify_many(archive, classifier, table):
        waits.append(time.perf_counter())
    end = time.perf_counter()
    longest = max(later - earlier for earlier, later in zip(waits, [*waits[1:], end], strict=True))
    return end - begun, time.process_time() - busy, longest


def make_classifier(folder: Path) -> Classifier:
    """SimpleCNN for CIFAR-10's shape, as a run keeps it in `folder`."""
    folder.mkdir()
    classes = tuple(f"class {number}" for number in range(10))
    card = ModelCard(
        model="simple", classes=classes, channels=3, image_size=32, mean=(0.5,) * 3, std=(0.25,) * 3, fingerprint="none"
    )
    torch.manual_seed(0)
    save_card(folder, card)
    save_weights(folder, card.build())
    return Classifier(folder)


def zip_pictures(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        pictures = list(islice(sorted(folder.rglob("*.jp*g")), IMAGES))
        assert len(pictures) == IMAGES, f"{folder} has only {len(pictures):,} JPEG files"
        for path in pictures:
            out.write(path, path.relative_to(folder))
    return archive


if __name__ == "__main__":
    main()
