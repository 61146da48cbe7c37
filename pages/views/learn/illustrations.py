"""The illustration of each exercise, computed with the code used for training. In: an exercise. Out: a chart or images on the page.

Most of them load torch, so a page calls `show_illustration` last. Each illustration is computed once for all sessions. Where it shows the
outcome of the exercise, another one without the outcome takes its place until the person has made a prediction.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.lessons.exercises import DIGITS, VARIANTS, Exercise, find_exercise
from cnn_core.training.schedule import make_schedule
from pages.charts.images import labelled_grid
from pages.shared.server import get_store
from pages.views.learn import illustration_charts

if TYPE_CHECKING:
    import torch

    MakeOptimizer = Callable[[list[torch.Tensor]], torch.optim.Optimizer]

RECORDING = Path(__file__).parent / "epochs.json"  # written by `python -m benchmarks.exercises record`
WIDTHS = (0.25, 0.5, 1.0, 2.0)
STEPS_PER_EPOCH = 23  # of 719 digits in batches of 32
LOSS_X, LOSS_Y, LOSS_START = (
    np.linspace(-4.5, 1.5, 61),
    np.linspace(-2.2, 2.2, 45),
    (-4.0, 1.6),
)  # of the optimizers' loss function
DIGIT_VERSIONS = ("original", "version 1", "version 2")


@dataclass(frozen=True)
class Illustration:
    """A figure, or images (N, S, S, C) uint8 with a label each. alt: describes it to a screen reader. caption: explains it.

    columns: the number of images in a row.
    """

    alt: str
    caption: str
    figure: go.Figure | None = None
    images: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    columns: int = 1


def show_illustration(exercise: Exercise, *, is_predicted: bool) -> None:
    """Show the illustration with its caption. is_predicted: whether the person has made a prediction, so it may show the outcome."""
    illustration = _make_illustration(exercise.name, is_predicted=is_predicted or exercise.name not in BEFORE_PREDICTION)
    if illustration.figure is not None:
        config = {"displayModeBar": False}
        st.plotly_chart(illustration.figure, config=config, alt=illustration.alt, key=f"illustration-{exercise.name}")
    elif illustration.images is not None:
        st.html(_image_grid(illustration.images, illustration))
    st.caption(illustration.caption)


def _image_grid(images: np.ndarray, illustration: Illustration) -> str:
    style = f"--columns: repeat({illustration.columns}, 1fr)"  # the same number of columns on a phone
    grid = labelled_grid(images, illustration.labels)
    return f'<div role="group" aria-label="{illustration.alt}" style="{style}">{grid}</div>'


@st.cache_resource(max_entries=16, show_spinner="Drawing the illustration…")
def _make_illustration(name: str, *, is_predicted: bool) -> Illustration:
    return (ILLUSTRATIONS if is_predicted else BEFORE_PREDICTION)[name]()


def _digits(count: int) -> np.ndarray:
    """Return the first `count` training digits, uint8 (count, 32, 32, 1)."""
    return finish(open_source(DIGITS, get_store().home).load("train"))[np.arange(count)]


def _augmentation() -> Illustration:
    from cnn_core.training.preview import augment_images

    config = find_exercise("augmentation").settings("B")
    # Twice as strong as in the exercise, because the changes are hardly visible there.
    stronger = config.model_copy(update={"crop": 2 * config.crop, "rotation": 2 * config.rotation})
    images: list[np.ndarray] = []
    for seed, digit in enumerate(_digits(2)[:, None]):
        copies = np.repeat(digit, len(DIGIT_VERSIONS) - 1, axis=0)
        images += [digit, augment_images(copies, stronger.model_copy(update={"seed": seed}))]
    return Illustration(
        alt="Two handwritten digits, each with two shifted and rotated versions",
        caption="Two training images and two augmented versions of each. The augmentation is twice as strong as in the exercise.",
        images=np.concatenate(images),
        labels=DIGIT_VERSIONS * 2,
        columns=len(DIGIT_VERSIONS),
    )


def _dropout() -> Illustration:
    rng, dropout = np.random.default_rng(3), find_exercise("dropout").settings_b["dropout"]
    layers = illustration_charts.UNITS_PER_LAYER
    hidden = range(1, len(layers) - 1)  # dropout is not applied to the input and output units
    steps = [[rng.random(units) >= (dropout if layer in hidden else 0) for layer, units in enumerate(layers)] for _ in range(2)]
    all_active = [np.ones(units, bool) for units in layers]
    return Illustration(
        alt="The same small network three times: two training steps with different units crossed out, and a prediction with all units",
        caption=f"Every training step drops each hidden unit with a probability of {100 * dropout:.0f}%. Predictions use all units.",
        figure=illustration_charts.dropout_figure([*steps, all_active], ["one step", "the next step", "prediction"]),
    )


def _batch_norm() -> Illustration:
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(0)
    images = torch.from_numpy(_digits(64)).permute(0, 3, 1, 2)[:, :, 4:-4, 8:-8] / 255  # (64, 1, 24, 16): without the border
    kernels = torch.rand(3, 1, 3, 3, generator=generator) * torch.tensor([0.1, -0.4, 0.3]).view(3, 1, 1, 1)
    biases = torch.tensor([-1.5, 0.5, 2.0])
    before = nn.functional.conv2d(images, kernels, biases)
    after = nn.BatchNorm2d(3)(before).detach()
    before_sample, after_sample = (values.permute(1, 0, 2, 3).flatten(1)[:, ::17].numpy() for values in (before, after))
    return Illustration(
        alt="The distributions of three channels: different means and widths before batch norm, the same after it",
        caption="Activations of three channels for 64 digits. Batch norm gives each channel mean 0 and standard deviation 1.",
        figure=illustration_charts.channel_distributions(before_sample, after_sample),
    )


def _schedule() -> Illustration:
    return Illustration(
        alt="The learning rate by epoch: constant in run A, falling along half a cosine to zero in run B",
        caption="The learning rate of both runs.",
        figure=illustration_charts.learning_rate_curves(_learning_rates("schedule")),
    )


def _learning_rates(name: str) -> dict[str, tuple[np.ndarray, list[float]]]:
    """Return the completed epochs, with fractions, and the learning rate at every step of both runs of an exercise."""
    exercise = find_exercise(name)
    curves: dict[str, tuple[np.ndarray, list[float]]] = {}
    for variant in VARIANTS:
        config = exercise.settings(variant)
        steps = np.arange(STEPS_PER_EPOCH * config.epochs)
        schedule = make_schedule(config, STEPS_PER_EPOCH)
        curves[exercise.variant_name(variant)] = (steps / STEPS_PER_EPOCH, [schedule(int(step)) for step in steps])
    return curves


def _resnet() -> Illustration:
    return Illustration(
        alt="A residual block: two convolutions, and a shortcut that adds their input to their output",
        caption="A residual block. ResNet-9 has two of them, ResNet-20 nine.",
        figure=illustration_charts.residual_block(),
    )


def _optimizers() -> Illustration:
    import torch

    optimizers: dict[str, MakeOptimizer] = {
        "SGD": lambda weights: torch.optim.SGD(weights, lr=0.018),
        "Momentum": lambda weights: torch.optim.SGD(weights, lr=0.018, momentum=0.8),
        "Adam": lambda weights: torch.optim.Adam(weights, lr=0.3),
    }
    paths = {name: _optimize(make_optimizer) for name, make_optimizer in optimizers.items()}
    return Illustration(
        alt="The paths of three optimizers to the minimum of a loss function that is steep in one direction and flat in the other",
        caption="25 steps of three optimizers. The loss is steep in one direction and flat in the other: SGD is slow in the flat direction, "
        "momentum oscillates but is faster, and Adam is equally fast in both directions.",
        figure=illustration_charts.optimizer_paths(_quadratic_loss(*np.meshgrid(LOSS_X, LOSS_Y)), LOSS_X, LOSS_Y, paths),
    )


def _loss_surface() -> Illustration:
    start = {"start": np.array([LOSS_START])}
    return Illustration(
        alt="A loss function of two weights that is steep in one direction and flat in the other, with a start and the minimum",
        caption="A loss that is steep in one direction and flat in the other. The paths of three optimizers are shown after your prediction.",
        figure=illustration_charts.optimizer_paths(_quadratic_loss(*np.meshgrid(LOSS_X, LOSS_Y)), LOSS_X, LOSS_Y, start),
    )


def _quadratic_loss(x: Any, y: Any) -> Any:
    """Return a loss whose curvature in y is fifty times that in x. x, y: NumPy arrays or tensors."""
    return 0.5 * x**2 + 25 * y**2


def _optimize(make_optimizer: "MakeOptimizer", steps: int = 25) -> np.ndarray:
    """Return the positions of an optimizer on the quadratic loss, (steps + 1, 2)."""
    import torch

    weights = torch.tensor(LOSS_START, requires_grad=True)
    optimizer, path = make_optimizer([weights]), [weights.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        _quadratic_loss(weights[0], weights[1]).backward()
        optimizer.step()
        path.append(weights.detach().numpy().copy())
    return np.stack(path)


def _capacity() -> Illustration:
    from cnn_core.models.registry import count_parameters

    exercise, info = find_exercise("capacity"), open_source(DIGITS, get_store().home).info
    counts = {
        width: count_parameters("simple", **info.shape, **make_config(data=DIGITS, width=width).model_options) for width in WIDTHS
    }
    trained = [exercise.settings_a["width"], exercise.settings_b["width"]]
    return Illustration(
        alt="Bars: the number of parameters grows with the square of the width multiplier",
        caption="Parameters of SimpleCNN by width multiplier. The exercise trains A and B.",
        figure=illustration_charts.parameters_by_width(counts, trained),
    )


def _epochs() -> Illustration:
    recording = json.loads(RECORDING.read_bytes())
    return Illustration(
        alt="Training accuracy rises to 100%; validation accuracy rises with it, then stays below",
        caption=f"Recorded from a run: {recording['settings']}.",
        figure=illustration_charts.accuracy_curves(
            recording["train_accuracy"], recording["val_accuracy"], recording["best_epoch"]
        ),
    )


def _training_length() -> Illustration:
    return Illustration(
        alt="The learning rate by epoch: a peak and a fall to zero, within 3 epochs in run A and within 20 epochs in run B",
        caption="The learning rate of both runs. A recorded run of 20 epochs is shown after your prediction.",
        figure=illustration_charts.learning_rate_curves(_learning_rates("epochs")),
    )


ILLUSTRATIONS: dict[str, Callable[[], Illustration]] = {
    "augmentation": _augmentation,
    "dropout": _dropout,
    "batch-norm": _batch_norm,
    "schedule": _schedule,
    "resnet-blocks": _resnet,
    "optimizers": _optimizers,
    "capacity": _capacity,
    "epochs": _epochs,
}
# In place of those that show the outcome.
BEFORE_PREDICTION: dict[str, Callable[[], Illustration]] = {"optimizers": _loss_surface, "epochs": _training_length}
