"""The two figures of every finished run, `training_curves.png` and `predictions.png`, drawn by matplotlib without a screen."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cnn_core.data.source import ImageSet
from cnn_core.events import Epoch
from cnn_core.files import write_atomically
from cnn_core.metrics.evaluation import Evaluation
from cnn_core.training.figure_fonts import NO_FONT, drawable_labels

TRAINING, VALIDATION, BEST = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito's colours, safe for colour-blind readers
GRID = (4, 8)
LABEL_WIDTH = 13  # half-width characters of a class name, with which a caption fits over its image
CELL_ASPECT = 1.2  # height of a cell, an image and its caption, by its width


def draw_training_curves(epochs: Sequence[Epoch], path: Path) -> None:
    """Draw training and validation loss and accuracy by epoch, with the best epoch marked."""
    figure = Figure(figsize=(11, 4))
    figure.subplots_adjust(
        left=0.07, right=0.985, bottom=0.13, top=0.91, wspace=0.2
    )  # a computed layout takes as long as the drawing
    loss, accuracy = figure.subplots(1, 2)
    best = max((epoch for epoch in epochs if epoch.is_best), key=lambda epoch: epoch.epoch)
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        x = [epoch.epoch for epoch in epochs]
        axes.plot(
            x, [getattr(epoch, f"train_{name}") for epoch in epochs], color=TRAINING, marker="o", markersize=3, label="training"
        )
        axes.plot(
            x, [getattr(epoch, f"val_{name}") for epoch in epochs], color=VALIDATION, marker="o", markersize=3, label="validation"
        )
        axes.axvline(best.epoch, color=BEST, linestyle="--", linewidth=1, label=f"best epoch ({best.epoch})")
        axes.set(xlabel="epoch", ylabel=name, title=name.capitalize())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.legend()
    loss.set_ylabel("cross-entropy (nats)")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))


def draw_predictions(images: ImageSet, evaluation: Evaluation, path: Path) -> None:
    """Draw predictions on test images into `path`, which is replaced as a whole or not at all."""
    write_atomically(path, lambda file: write_predictions_png(images, evaluation, file))


def write_predictions_png(images: ImageSet, evaluation: Evaluation, file: BinaryIO, title: str = "Test accuracy") -> None:
    """Write a PNG: a grid of images, evenly spaced over the set, with predicted and true class, wrong ones in colour.

    Its heading is `title` and the accuracy.
    """
    rows, columns = GRID
    figure = Figure(figsize=(columns * 1.5, rows * 1.8 + 0.5))
    figure.suptitle(f"{title} {evaluation.accuracy:.1%}", parse_math=False)
    labels, fonts, is_complete = drawable_labels(evaluation.classes, LABEL_WIDTH)
    if not is_complete:
        figure.text(0.5, 0.005, NO_FONT, ha="center", va="bottom", fontsize=7)
    # One coordinate system for all images: 32 of them, laid out by matplotlib, took ten times as long.
    axes = figure.add_axes((0.01, 0.01 if is_complete else 0.03, 0.98, 0.92))
    indices = np.unique(np.linspace(0, len(images) - 1, rows * columns).astype(int))
    for place, index in enumerate(indices):
        row, column = divmod(place, columns)
        text = _caption(evaluation, int(index), labels)
        _draw_prediction(axes, column, rows - 1 - row, images[index], text, evaluation.is_correct[index], fonts)
    axes.set(xlim=(0, columns), ylim=(0, rows))
    axes.set_aspect(CELL_ASPECT)
    axes.set_axis_off()
    figure.savefig(file, format="png", dpi=120)


def _caption(evaluation: Evaluation, index: int, labels: Sequence[str]) -> str:
    """Return the predicted class with its probability and, where it is wrong, the true class. labels: of the classes."""
    text = f"{labels[evaluation.predicted[index]]} {evaluation.scores.confidence[index]:.0%}"
    return text if evaluation.is_correct[index] else f"{text}\n(is {labels[evaluation.labels[index]]})"


def _draw_prediction(
    axes: Axes, left: int, bottom: int, image: np.ndarray, caption: str, is_correct: bool, fonts: list[str]
) -> None:
    """Draw an image with its caption into the cell (left, bottom) of width and height 1."""
    height, width = image.shape[:2]
    wide, high = 0.47 * width / max(height, width), 0.47 * height / max(height, width) / CELL_ASPECT
    extent = (left + 0.5 - wide, left + 0.5 + wide, bottom + 0.02, bottom + 0.02 + 2 * high)
    axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255, extent=extent)
    colour, top = "black" if is_correct else VALIDATION, extent[3] + 0.02
    text = axes.text(left + 0.5, top, caption, ha="center", va="bottom", fontsize=8, parse_math=False, color=colour)
    text.set_fontfamily(fonts)
