"""Exported files against the app, and what making them takes. `python -m benchmarks.exports FOLDER`

FOLDER is CIFAR-10 as class folders: it is imported, and the default network learns from it for one epoch. Every file answers 1,000 of its test
images, spread over all of them, as the app does or not. The other families are there with drawn weights and 100 images: what is measured of
them is the file, not what they learned. `--families NAME ...` measures these alone (default: all).
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.evaluating import import_and_train
from benchmarks.machine import Rows, print_table
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.errors import StudioError
from cnn_core.export.bundle import export_bundle
from cnn_core.export.card import ExportCard, Options
from cnn_core.export.forms import GRAPHS, SUFFIXES, Exported, export_checked, export_model
from cnn_core.export.verify import ask_about, spread
from cnn_core.home import Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import network_key
from cnn_core.models.registry import FAMILIES
from cnn_core.models.saving import ModelCard, read_card, save_card, save_weights
from cnn_core.runs.store import Store

FEW = 100
DRAWN = "9999-drawn"
ASKED = "100 % same class, within 1e-4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=list(FAMILIES))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Home(Path(folder)))
        run = import_and_train(store.home, args.folder, "cifar")
        rows = trained(store, run) + drawn(store, run, args.families)
    print_table("Exports: CIFAR-10, every file loaded back and compared with the app", rows)


def trained(store: Store, run: str) -> Rows:
    """Every form of a trained network."""
    rows = []
    for form in SUFFIXES:
        begun = time.perf_counter()
        rows.append(row(f"{form}, default network", finish(export_model(store, store.run(run), form)), begun))
    begun = time.perf_counter()
    return [
        *rows,
        row("bundle with ONNX and safetensors", finish(export_bundle(store, store.run(run), ("onnx", "safetensors"))), begun),
    ]


def drawn(store: Store, run: str, families: Sequence[str]) -> Rows:
    """Both graphs of families whose weights were drawn, and whose batch norms have seen images."""
    images = spread(finish(open_source(store.run(run).config.data, store.home).load("test")), FEW)
    seen, rows = read_card(store.home.run_folder(run)), []
    for family in families:
        card = draw(store, seen, family, images)
        asked = finish(ask_about(Classifier(store.home.run_folder(DRAWN)), images, "test"))
        for form in GRAPHS:
            begun = time.perf_counter()
            try:
                rows.append(row(f"{form}, {family}", finish(export_checked(store, card, form, asked)), begun))
            except StudioError as error:
                rows.append((f"{form}, {family}", ASKED, str(error)))
            print(rows[-1], flush=True)
    return rows


def draw(store: Store, seen: ModelCard, family: str, images: ImageSet) -> ExportCard:
    """A network with mirroring, in the place of the one before; the card to export it with."""
    folder = store.home.run_folder(DRAWN)
    folder.mkdir(exist_ok=True)
    card = seen.model_copy(update={"model": family, "options": {}, "mirror": True})
    torch.manual_seed(0)
    model = card.build()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # what they see once is what they know
    with torch.no_grad():
        model.train()(torch.from_numpy(images[:]).permute(0, 3, 1, 2) / 128 - 1)
    save_card(folder, card)
    save_weights(folder, model)
    facts = {name: value for name, value in card if name != "options"}
    return ExportCard(run=DRAWN, network=network_key(folder), options=Options(), **facts)


def row(what: str, exported: Exported, begun: float) -> tuple[str, str, str]:
    seconds, checked = time.perf_counter() - begun, exported.checked
    tied = f", {checked.ties} ties" if checked.ties else ""
    said = (
        f"100 % of {checked.images:,}{tied}, within {checked.largest:.0e}; {seconds:.1f} s, {len(exported.content) / 1e6:.1f} MB"
    )
    return what, ASKED, said


if __name__ == "__main__":
    main()
