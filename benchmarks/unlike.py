"""Images unlike the training images: how many are reported, by method. `python -m benchmarks.unlike RUN [PHOTOGRAPHS]`.

In: a run, and perhaps a folder of photographs. Out: for four methods the fractions of test and training images that are reported (false
alarms, at most 1% of the validation images by construction), and for noise, faces, letters and photographs the area under the ROC curve against the test images
and the reported fraction.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import roc_auc_score

from cnn_core.config.images import open_images
from cnn_core.data.batches import Normalise
from cnn_core.data.source import finish
from cnn_core.errors import ImageError
from cnn_core.home import Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.distribution import QUANTILE, FeatureExtractor, TrainingDistribution, fit_layers
from cnn_core.inference.preprocessing import preprocess
from cnn_core.metrics.distribution_fit import MOST_TRAINING
from cnn_core.metrics.evaluation import load_split
from cnn_core.metrics.sampling import spread_over_classes
from cnn_core.runs.store import Store

SIDE, NEIGHBOURS, BATCH = 320, 10, 200
Score = Callable[[list[np.ndarray]], np.ndarray]


def draw_faces(count: int = 40) -> list[Image.Image]:
    """Return smiling faces in black on white, in several sizes and with several pens."""
    faces = []
    for number in range(count):
        rng = np.random.default_rng(number)
        page = Image.new("RGB", (SIDE, SIDE), "white")
        pen, width, radius = ImageDraw.Draw(page), int(rng.integers(8, 27)), rng.uniform(90, 130)
        pen.ellipse((160 - radius, 160 - radius, 160 + radius, 160 + radius), outline="black", width=width)
        for eye in (120, 200):
            pen.ellipse((eye - width / 2, 130 - width / 2, eye + width / 2, 130 + width / 2), fill="black")
        pen.arc((110, 110, 210, 220), 20, 160, fill="black", width=width)
        faces.append(page)
    return faces


def draw_letters() -> list[Image.Image]:
    """Return letters that are no digits, in black on white."""
    pages = []
    for letter in "ABCDEFGHKMNPQRTUVWXYZabdefhkmnprtwxy":
        page = Image.new("RGB", (SIDE, SIDE), "white")
        ImageDraw.Draw(page).text((160, 160), letter, font=ImageFont.load_default(240), fill="black", anchor="mm")
        pages.append(page)
    return pages


def make_noise(count: int = 60) -> list[Image.Image]:
    """Return images of independent pixels."""
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(count)]


def nearest_neighbour(training: np.ndarray) -> Score:
    """Return the distance to the NEIGHBOURS-th nearest training image on the unit sphere, from the last layer (Y. Sun and others, 2022)."""

    def unit(features: np.ndarray) -> np.ndarray:
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        return np.asarray(features / np.maximum(lengths, 1e-9))

    bank = unit(training)
    return lambda layers: np.sqrt(np.maximum(0, 2 - 2 * np.sort(unit(layers[-1]) @ bank.T, axis=1)[:, -NEIGHBOURS]))


def to_means(distribution: TrainingDistribution) -> Score:
    """Return the distance to the nearest class mean alone, the largest of the layers."""
    return lambda given: np.max(
        [layer.distances(values) for layer, values in zip(distribution.layers, given, strict=True)], axis=0
    )


def main(name: str, photographs: Path | None = None) -> None:
    """Print the table of one run."""
    home = Home.from_environment()
    run = Store(home).run(name)
    classifier, source = Classifier(home.run_folder(name)), open_images(run.config, home)
    extractor, card = FeatureExtractor(classifier.model), classifier.card
    normalise = Normalise(card.mean, card.std, torch.device("cpu"))

    def features(pixels: np.ndarray) -> list[np.ndarray]:
        parts = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
        found = [extractor.extract(normalise(torch.from_numpy(part.copy()).permute(0, 3, 1, 2))) for part in parts]
        return [np.concatenate(layer) for layer in zip(*found, strict=True)]

    def prepare(images: list[Image.Image]) -> np.ndarray:
        prepared = []
        for image in images:
            try:
                prepared.append(preprocess(image, card))
            except ImageError:  # blank
                continue
        return np.stack(prepared)

    training, validation, test = (finish(load_split(source, run.config, split)) for split in ("train", "val", "test"))
    given = {"noise": make_noise(), "faces": draw_faces(), "letters": draw_letters()}
    if photographs:
        given["photographs"] = [Image.open(path).convert("RGB") for path in sorted(photographs.rglob("*.jp*g"))[:300]]
    sample = training.take(spread_over_classes(training.labels, MOST_TRAINING))  # as the program does
    layers, held_out, known = (features(images.images) for images in (sample, validation, test))
    distribution, last = fit_layers(layers, sample.labels, held_out), fit_layers(layers[-1:], sample.labels, held_out[-1:])
    others = {kind: features(prepare(images)) for kind, images in given.items()}
    scores: dict[str, Score] = {
        f"{NEIGHBOURS}th nearest neighbour, last layer": nearest_neighbour(layers[-1]),
        "Mahalanobis, last layer": lambda given: to_means(last)(given[-1:]),
        "Mahalanobis, three layers": to_means(distribution),
        "Mahalanobis, three layers, or nearest training image": distribution.distances,
    }
    for method, score in scores.items():
        usual = score(known)
        limit = 1.0 if score == distribution.distances else np.quantile(score(held_out), QUANTILE, method="higher")
        alarms = f"test images reported {(usual > limit).mean():.1%} (n = {len(usual)}), training images {(score(layers) > limit).mean():.1%}"
        print(f"{method}: {alarms} (n = {len(sample)})")
        for kind, values in others.items():
            found = score(values)
            truth = np.r_[np.zeros(len(usual)), np.ones(len(found))]
            area = roc_auc_score(truth, np.r_[usual, found])
            print(f"  {kind:<12} AUROC {area:.3f}, reported {(found > limit).mean():.0%} (n = {len(found)})")


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:3]))
