"""Compare exported files with the app, and measure the time of the exports. `python -m benchmarks.exports FOLDER [--families NAME ...]`

FOLDER is CIFAR-10 as class folders: it is imported, and the default network is trained on it for one epoch. Every exported file classifies 1,000
evenly spaced test images, and its predictions are compared with the app's. The other families are exported with random weights and compared on
100 images (default: all families).
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.evaluating import import_and_train
from benchmarks.machine import Rows, print_table
from cnn_core.config.images import open_images
from cnn_core.data.source import ImageSet, finish
from cnn_core.errors import StudioError
from cnn_core.export.card import ExportCard, NetworkOptions
from cnn_core.export.exporter import export_run
from cnn_core.export.formats import GRAPH_FORMATS, MODEL_FORMATS
from cnn_core.export.model_file import ExportedFile, export_verified
from cnn_core.export.verification import predict_with_classifier, spread
from cnn_core.home import Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import model_key
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import ModelCard, read_card, save_card, save_weights
from cnn_core.runs.store import Store

FEW_IMAGES = 100
RANDOM = "9999-random"
TARGET = "100% same class, within 1e-4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=list(FAMILIES))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Home(Path(folder)))
        run = import_and_train(store.home, args.folder, "cifar")
        rows = measure_formats(store, run) + measure_families(store, run, args.families)
    print_table("Exports: CIFAR-10, every file loaded and compared with the app", rows)


def measure_formats(store: Store, run: str) -> Rows:
    """Return a row for every export format of the trained network."""
    rows = []
    for name in (*MODEL_FORMATS, "bundle"):
        start = time.perf_counter()
        exported = finish(export_run(store, store.run(run), name, ("onnx", "safetensors")))
        rows.append(make_row(f"{name}, default network", exported, start))
    return rows


def measure_families(store: Store, run: str, families: Sequence[str]) -> Rows:
    """Return the rows for the graph formats of families with random weights, whose batch norms have statistics of real images."""
    images = spread(finish(open_images(store.run(run).config, store.home).load("test")), FEW_IMAGES)
    trained_card, rows = read_card(store.home.run_folder(run)), []
    for family in families:
        card = save_random(store, trained_card, family, images)
        reference = finish(predict_with_classifier(Classifier(store.home.run_folder(RANDOM)), images, "test"))
        for name in GRAPH_FORMATS:
            start = time.perf_counter()
            try:
                rows.append(make_row(f"{name}, {family}", finish(export_verified(store, card, name, reference)), start))
            except StudioError as error:
                rows.append((f"{name}, {family}", TARGET, str(error)))
            print(rows[-1], flush=True)
    return rows


def save_random(store: Store, trained_card: ModelCard, family: str, images: ImageSet) -> ExportCard:
    """Save a network with random weights and horizontal-flip test-time augmentation; return the card to export it."""
    folder = store.home.run_folder(RANDOM)
    folder.mkdir(exist_ok=True)
    card = trained_card.model_copy(update={"model": family, "options": {}, "mirror": True})
    torch.manual_seed(0)
    model = card.build()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # the running means are those of these images
    with torch.no_grad():
        model.train()(torch.from_numpy(images[:]).permute(0, 3, 1, 2) / 128 - 1)
    save_card(folder, card)
    save_weights(folder, model)
    facts = {name: value for name, value in card if name != "options"}
    return ExportCard(run=RANDOM, network=model_key(folder), options=NetworkOptions(), **facts)


def make_row(name: str, exported: ExportedFile, start: float) -> tuple[str, str, str]:
    """Return the table row of an export that began at `start`."""
    seconds, verification = time.perf_counter() - start, exported.verification
    assert verification
    ties = f", {verification.ties} ties" if verification.ties else ""
    result = f"100% of {verification.images:,}{ties}, within {verification.largest_difference:.0e}"
    return name, TARGET, f"{result}; {seconds:.1f} s, {len(exported.content) / 1e6:.1f} MB"


if __name__ == "__main__":
    main()
