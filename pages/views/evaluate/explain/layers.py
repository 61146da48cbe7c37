"""Feature maps of a layer, the filters of the first layer, and dead channels."""

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.config.schema import TrainConfig, has_effect
from cnn_core.events import Progress
from cnn_core.models.registry import find_family
from pages.charts.heatmaps import show_map_grid
from pages.shared.evaluation_results import compute_once, is_computed
from pages.shared.evaluation_subject import SPLITS, EvaluationSubject
from pages.views.evaluate.explain.image_choice import ChosenImage
from pages.views.evaluate.explain.sample import choose_sample

if TYPE_CHECKING:
    from torch import nn

    from cnn_core.explain.feature_maps import DeadChannels, LayerOutput
    from cnn_core.metrics.evaluation import Evaluation

LISTED = 24  # most dead channels that are listed by index
MAPS_HELP = (
    "A feature map is the output of one channel of a layer. It shows where in the image the pattern of the channel occurs, and how strongly. Early "
    "maps look like the image; later ones are coarse and respond to larger structures. Each map is scaled to its own range. A transformer has tokens "
    "instead, one for each patch of the image; they are arranged as maps, without class and register tokens."
)
NO_FILTERS = "The first layer of this model does not slide filters over the image, so there are none to show."
FILTERS_HELP = (
    "The first convolution slides these filters (kernels) over the image. A feature map is bright where the image matches its filter. Middle grey is "
    "a weight of 0. Filters of later layers have many input channels and cannot be shown as images."
)
LEARNED, WHITENING = "learned", "computed from the training images (whitening)"
FROZEN = "from the starting weights, which this run did not change"
NOT_YET_LEARNED = "from the starting weights, which training had not changed by epoch {epoch}"
FOUND_DEAD = "**{dead:,} of {channels:,}** channels are never positive for {count:,} {split} images."
DEAD_HELP = (
    "A channel is dead if the output of its activation is never positive, for any image at any position. After a ReLU it is then always zero "
    "and gets no gradient. A few are normal; many mean unused capacity, often from a learning rate that is too high. GELU, SiLU and leaky "
    "ReLU have a small gradient below zero, so such a channel can recover."
)
DEAD_ADVICE = (
    "After a ReLU such a channel is always zero and gets no gradient. A few are normal. If there are many, choose {remedy}."
)
LOWER_RATE, LESS_WIDTH = "a lower learning rate", "a smaller width or a lower learning rate"
FROZEN_CHANNELS = "Only the head was trained: these channels are from the starting weights, and no setting of the run changes them. Other images can make them positive."
OF_IMPORTED = "of the imported model"
IMPORTED_CHANNELS = "After a ReLU such a channel is always zero and gets no gradient. A few are normal. How this imported model was trained is unknown."
NOT_YET_CHANGED = (
    "By epoch {epoch} only the head was trained: these channels are from the starting weights. Other images can make them positive, and the channels "
    "of a later epoch's model may differ."
)


def describe_filters(subject: EvaluationSubject, model: "nn.Module") -> str:
    """Return where the filters of the first convolution of the subject's `model` are from."""
    run = subject.run
    return OF_IMPORTED if run.is_imported else origin_of_filters(run.config, model, subject.model_epoch)


def advise_on_dead_channels(subject: EvaluationSubject) -> str:
    """Return what dead channels of the subject's model mean, and what to change."""
    run = subject.run
    return IMPORTED_CHANNELS if run.is_imported else advice_on_dead_channels(run.config, subject.model_epoch)


def origin_of_filters(config: TrainConfig, model: "nn.Module", epoch: int | None = None) -> str:
    """Return where the filters of the first convolution of `model`, which a run with these settings trained, are from.

    epoch: that of the model, counted from 1; None for a model after all stages of the training.
    """
    from cnn_core.models.layer_groups import learning_names

    if config.model == "speed":
        return WHITENING
    first = next(name for name, parameter in model.named_parameters() if parameter.ndim == 4)
    for blocks, origin in (
        (_blocks_learned(config, epoch), LEARNED),
        (_blocks_learned(config, None), NOT_YET_LEARNED.format(epoch=epoch)),
    ):
        if first in learning_names(model, find_family(config.model).head, blocks):
            return origin
    return FROZEN


def advice_on_dead_channels(config: TrainConfig, epoch: int | None = None) -> str:
    """Return what dead channels of the model after `epoch` mean for a run with these settings, and what to change. epoch: as in `origin_of_filters`."""
    if config.learns_on_features:
        return FROZEN_CHANNELS
    if _blocks_learned(config, epoch) == 0:
        return NOT_YET_CHANGED.format(epoch=epoch)
    return DEAD_ADVICE.format(remedy=LESS_WIDTH if has_effect("width", config.model_dump()) else LOWER_RATE)


def _blocks_learned(config: TrainConfig, epoch: int | None) -> int | None:
    """Return how many blocks had learned besides the head by the end of `epoch` (None: of the training); None for all of them."""
    from cnn_core.training.stages import count_learning_blocks, plan_stages

    begun = [plan.trained for plan in plan_stages(config) if epoch is None or plan.before < epoch]
    return count_learning_blocks(config, begun[-1])


@st.fragment
def show_feature_maps(subject: EvaluationSubject, image: ChosenImage) -> None:
    """Show the feature maps of a chosen layer for one image."""
    from cnn_core.explain.feature_maps import compute_feature_maps

    st.header("Feature maps", help=MAPS_HELP)
    model, _ = subject.model()
    with st.spinner("Computing feature maps…"):
        layers = compute_feature_maps(model, image.image)
    names = [layer.name for layer in layers]
    first = next((place for place, layer in enumerate(layers) if layer.kind == "activation"), 0)
    chosen = st.selectbox(
        "Layer",
        names,
        index=first,
        format_func=lambda name: _describe(layers[names.index(name)]),
        key=f"maps-layer-{subject.name}",
        help="Convolutions and tokens have positive and negative values; ReLU keeps the positive ones; pooling reduces the resolution.",
        width=420,
    )
    _show_channels(layers[names.index(chosen)], f"maps-page-{subject.name}-{chosen}")


def _show_channels(layer: "LayerOutput", key: str) -> None:
    from cnn_core.explain.feature_maps import to_grey

    maps = layer.outputs[0].float().numpy()  # (channels, h, w)
    least = maps.min()
    st.caption(
        "Black is 0. White is the maximum of the channel, which is written below the map."
        if least >= 0
        else "Black is the minimum of the channel. White is its maximum, which is written below the map."
    )

    def draw(numbers: range) -> list[tuple[np.ndarray, str]]:
        shades = to_grey(maps[numbers.start : numbers.stop])
        return [(shade, f"{number}: {maps[number].max():.2g}") for shade, number in zip(shades, numbers, strict=True)]

    show_map_grid(len(maps), "channel", draw, key)


def _describe(layer: "LayerOutput") -> str:
    _, channels, height, width = layer.outputs.shape
    return f"{layer.name} · {layer.kind} · {channels} maps of {height}×{width}"


@st.fragment
def show_filters(subject: EvaluationSubject) -> None:
    """Show the filters of the first layer."""
    from cnn_core.explain.feature_maps import has_image_filters, render_first_filters

    st.header("First filters", help=FILTERS_HELP)
    model, card = subject.model()
    if not has_image_filters(model, card.channels):
        st.info(NO_FILTERS, icon=":material/info:")
        return
    filters = render_first_filters(model)
    count, height, width, _ = filters.shape
    st.caption(f"{count} filters of {height}×{width} pixels, {describe_filters(subject, model)}.")
    show_map_grid(
        count,
        "filter",
        lambda numbers: [(filters[number], str(number)) for number in numbers],
        f"filters-page-{subject.name}",
    )


def show_dead_channels(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    """Show dead channels by layer, computed on request."""
    st.header("Dead channels", help=DEAD_HELP)
    name = SPLITS[subject.split]
    requested = f"dead-requested-{subject.name}"
    count = len(choose_sample(subject, evaluation))
    if not is_computed(subject, evaluation, "dead") and not st.session_state.get(requested):
        st.caption(f"Checks the outputs of all activation layers for {count:,} {name} images, balanced over the classes.")
        st.button(
            "Find dead channels",
            icon=":material/search:",
            key=f"{requested}-button",
            on_click=st.session_state.update,
            args=({requested: True},),
        )
        return
    rows = compute_once(subject, evaluation, "dead", lambda: _find_dead(subject, evaluation))
    if not rows:
        st.info("This model has no activation layers, so it has no dead channels.", icon=":material/info:")
        return
    dead, channels = sum(len(row.dead) for row in rows), sum(row.channels for row in rows)
    st.markdown(FOUND_DEAD.format(dead=dead, channels=channels, count=count, split=name))
    st.caption(advise_on_dead_channels(subject))
    _show_table(rows)


def _find_dead(subject: EvaluationSubject, evaluation: "Evaluation") -> "Generator[Progress, None, list[DeadChannels]]":
    from cnn_core.explain.feature_maps import find_dead_channels

    return find_dead_channels(*subject.model(), subject.images().take(choose_sample(subject, evaluation)))


def _show_table(rows: "list[DeadChannels]") -> None:
    table = {
        "Layer": [row.layer for row in rows],
        "Channels": [row.channels for row in rows],
        "Dead": [len(row.dead) for row in rows],
        "Fraction": [row.fraction for row in rows],
        "Indices (from 0)": [", ".join(map(str, row.dead[:LISTED])) + (" …" if len(row.dead) > LISTED else "") for row in rows],
    }
    fraction = st.column_config.NumberColumn(
        "Fraction", format="percent", help="Dead channels divided by all channels of the layer."
    )
    st.dataframe(table, hide_index=True, column_config={"Fraction": fraction})
