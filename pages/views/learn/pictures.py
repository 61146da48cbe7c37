"""The picture of each exercise, made by the very code that the exercise is about. In: a lesson. Out: drawn where it is called.

torch is loaded for most of them, so a page calls `show_picture` last. What is computed is computed once for all sessions.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.lessons.cards import DIGITS, Lesson, find_lesson
from cnn_core.training.schedule import make_schedule
from pages.charts.images import labelled_grid
from pages.shared.server import get_store
from pages.views.learn import picture_charts

RECORDED = Path(__file__).parent / "epochs.json"  # by `python -m benchmarks.exercises record`
WIDTHS = (0.25, 0.5, 1.0, 2.0)
STEPS_PER_EPOCH = 23  # of 719 digits in batches of 32


@dataclass(frozen=True)
class Picture:
    """A figure, or images (N, S, S, C) uint8 with their names; `alt` says what is seen, `caption` where it is from."""

    alt: str
    caption: str
    figure: go.Figure | None = None
    images: np.ndarray | None = None
    names: tuple[str, ...] = ()


def show_picture(lesson: Lesson) -> None:
    """The picture with its caption."""
    picture = _picture(lesson.name)
    if picture.figure is not None:
        st.plotly_chart(picture.figure, config={"displayModeBar": False}, alt=picture.alt, key=f"picture-{lesson.name}")
    else:
        columns = picture.names[1:].index(picture.names[0]) + 1  # one row an image, on a phone too
        style = f"--columns: repeat({columns}, 1fr)"
        st.html(
            f'<div role="group" aria-label="{picture.alt}" style="{style}">{labelled_grid(picture.images, picture.names)}</div>'
        )
    st.caption(picture.caption)


@st.cache_resource(max_entries=16, show_spinner="Drawing the picture…")
def _picture(name: str) -> Picture:
    return PICTURES[name]()


def _digits(count: int) -> np.ndarray:
    """The first `count` training digits, uint8 (count, 32, 32, 1)."""
    return finish(open_source(DIGITS, get_store().home).load("train"))[np.arange(count)]


def _augmentation() -> Picture:
    from cnn_core.training.preview import augment_images

    config = find_lesson("augmentation").settings("B")
    # Twice as strong as in the exercise, where the eye hardly sees it.
    stronger = config.model_copy(update={"crop": 2 * config.crop, "rotation": 2 * config.rotation})
    rows, names = [], []
    for number, digit in enumerate(_digits(2)[:, None]):
        changed = augment_images(np.repeat(digit, 2, axis=0), stronger.model_copy(update={"seed": number}))
        rows += [digit, changed]
        names += ["as it is", *(f"version {version}" for version in (1, 2))]
    return Picture(
        alt="Two handwritten digits, each as it is and in two shifted and turned versions",
        caption="Two digits of the set and what training could show instead, twice as strong as in the exercise.",
        images=np.concatenate(rows),
        names=tuple(names),
    )


def _dropout() -> Picture:
    rng, share = np.random.default_rng(3), find_lesson("dropout").with_["dropout"]
    inner = range(1, len(picture_charts.LAYERS) - 1)  # neither pixels nor classes are switched off
    steps = [
        [rng.random(count) >= (share if place in inner else 0) for place, count in enumerate(picture_charts.LAYERS)]
        for _ in range(2)
    ]
    everything = [np.ones(count, bool) for count in picture_charts.LAYERS]
    return Picture(
        alt="The same small network three times: in two training steps different units are crossed out, when asked all are on",
        caption=f"Each training step draws anew which {100 * share:.0f} % of the inner units are off.",
        figure=picture_charts.switched_off([*steps, everything], ["one step", "the next step", "when asked"]),
    )


def _batch_norm() -> Picture:
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(0)
    images = torch.from_numpy(_digits(64)).permute(0, 3, 1, 2)[:, :, 4:-4, 8:-8] / 255  # (64, 1, 24, 16): where the ink is
    kernels = torch.rand(3, 1, 3, 3, generator=generator) * torch.tensor([0.1, -0.4, 0.3]).view(3, 1, 1, 1)
    shifts = torch.tensor([-1.5, 0.5, 2.0])
    before = nn.functional.conv2d(images, kernels, shifts)
    after = nn.BatchNorm2d(3)(before).detach()
    seen = [values.permute(1, 0, 2, 3).flatten(1)[:, ::17].numpy() for values in (before, after)]
    return Picture(
        alt="Three channels whose values lie far apart and spread differently before batch norm, and alike after it",
        caption="Values of three channels over 64 digits: batch norm gives each the mean 0 and the deviation 1.",
        figure=picture_charts.spread_of_channels(*seen),
    )


def _schedule() -> Picture:
    lesson = find_lesson("schedule")
    curves = {}
    for side, name in zip(("A", "B"), lesson.names, strict=True):
        config = lesson.settings(side)
        rate, steps = make_schedule(config, STEPS_PER_EPOCH), np.arange(STEPS_PER_EPOCH * config.epochs)
        curves[name] = [rate(int(step)) for step in steps]
    return Picture(
        alt="The learning rate over the epochs: one line stays high, the other falls like half a cosine to zero",
        caption="The learning rates of the two runs.",
        figure=picture_charts.rates(steps / STEPS_PER_EPOCH, curves),
    )


def _resnet() -> Picture:
    return Picture(
        alt="A block of two convolutions with a shortcut around them; what they make is added to what came in",
        caption="One block of a ResNet. ResNet-9 has two of them, ResNet-20 nine.",
        figure=picture_charts.residual_block(),
    )


def _optimizers() -> Picture:
    import torch

    makers: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "SGD": lambda weights: torch.optim.SGD(weights, lr=0.018),
        "with momentum": lambda weights: torch.optim.SGD(weights, lr=0.018, momentum=0.8),
        "Adam": lambda weights: torch.optim.Adam(weights, lr=0.3),
    }
    x, y = np.linspace(-4.5, 1.5, 61), np.linspace(-2.2, 2.2, 45)
    return Picture(
        alt="Ways of three optimizers through a long, narrow valley of the loss to its lowest point",
        caption="25 steps each from the same start, by the same optimizers as in training, through a long, narrow valley: "
        "SGD crawls along its floor, momentum swings and gathers speed, Adam takes both directions at the same pace.",
        figure=picture_charts.paths(_valley(*np.meshgrid(x, y)), x, y, {name: _walk(make) for name, make in makers.items()}),
    )


def _valley(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A loss that is fifty times as steep across (y) as along (x)."""
    return 0.5 * x**2 + 25 * y**2


def _walk(make: Callable, steps: int = 25) -> np.ndarray:
    """Where an optimizer's steps lead in the valley: (steps + 1, 2)."""
    import torch

    place = torch.tensor([-4.0, 1.6], requires_grad=True)
    optimizer, seen = make([place]), [place.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        _valley(place[0], place[1]).backward()
        optimizer.step()
        seen.append(place.detach().numpy().copy())
    return np.stack(seen)


def _capacity() -> Picture:
    from cnn_core.models.registry import count_parameters

    lesson, info = find_lesson("capacity"), open_source(DIGITS, get_store().home).info
    counts = {
        width: count_parameters("simple", **info.shape, **make_config(data=DIGITS, width=width).model_options) for width in WIDTHS
    }
    return Picture(
        alt="Bars: the number of parameters grows with the square of the width",
        caption="Parameters of SimpleCNN. The exercise trains A and B.",
        figure=picture_charts.parameters_by_width(counts, (lesson.without["width"], lesson.with_["width"])),
    )


def _epochs() -> Picture:
    recorded = json.loads(RECORDED.read_bytes())
    return Picture(
        alt="Training accuracy rises to all images; validation accuracy rises with it, then stays below",
        caption=f"Recorded from a real run: {recorded['what']}.",
        figure=picture_charts.early_and_late(recorded["training"], recorded["validation"], recorded["best"]),
    )


PICTURES: dict[str, Callable[[], Picture]] = {
    "augmentation": _augmentation,
    "dropout": _dropout,
    "batch-norm": _batch_norm,
    "schedule": _schedule,
    "resnet-blocks": _resnet,
    "optimizers": _optimizers,
    "capacity": _capacity,
    "epochs": _epochs,
}
