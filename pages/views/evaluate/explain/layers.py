"""What the layers make of an image, the filters that the first one looks through, and the channels that never say anything."""

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from cnn_core.events import Progress
from pages.charts.heatmaps import show_map_grid
from pages.shared.evaluation_results import compute_once, is_computed
from pages.shared.evaluation_subject import PARTS, EvaluationSubject
from pages.views.evaluate.explain.image_choice import Seen
from pages.views.evaluate.explain.sample import sample_of

if TYPE_CHECKING:
    from cnn_core.explain.feature_maps import Deadness, LayerOutput
    from cnn_core.metrics.evaluation import Evaluation

TOLD = 24  # numbers of dead channels that are written out
MAPS_HELP = (
    "A feature map shows where in the image one channel of a layer found its pattern, and how strongly. A layer has one map per channel. "
    "Early maps look like the image; later ones are coarse and answer to larger things. Each picture is stretched over its own range."
)
FILTERS_HELP = (
    "The first convolution slides these small pictures over the image; a channel's map is bright where the image looks like its filter. "
    "Middle grey is no weight. Only the first layer's filters can be shown as pictures: later ones look at maps, not at colours."
)
DEAD_HELP = (
    "A channel is called dead when what leaves its activation was never positive, for any of the images, at any place. Behind a ReLU it is "
    "then always zero: it adds nothing to the answer and learns nothing more. A few are normal; many mean wasted capacity, often from a "
    "learning rate that was too high. GELU, SiLU and leaky ReLU let a little through below zero, so such a channel can come back."
)


@st.fragment
def show_maps(subject: EvaluationSubject, seen: Seen) -> None:
    """The feature maps of a layer, which is chosen, for one image."""
    from cnn_core.explain.feature_maps import feature_maps

    st.subheader("Feature maps", help=MAPS_HELP)
    model, _ = subject.network()
    with st.spinner("Computing the maps…"):
        layers = feature_maps(model, seen.image)
    names = [layer.name for layer in layers]
    first = next((place for place, layer in enumerate(layers) if layer.kind == "activation"), 0)
    chosen = st.selectbox(
        "Layer",
        names,
        index=first,
        format_func=lambda name: _describe(layers[names.index(name)]),
        key=f"maps-layer-{subject.name}",
        help="Convolutions give positive and negative numbers; activations keep the positive ones; pooling makes maps smaller.",
        width=420,
    )
    _show_channels(layers[names.index(chosen)], f"maps-page-{subject.name}-{chosen}")


def _show_channels(layer: "LayerOutput", key: str) -> None:
    from cnn_core.explain.feature_maps import to_shades

    maps = layer.outputs[0].float().numpy()  # (channels, h, w)
    least = maps.min()
    st.caption(
        "Black is zero, white the largest number of that channel, which stands below it."
        if least >= 0
        else "White is the largest number of that channel, which stands below it, black its most negative one."
    )

    def draw(numbers: range) -> list[tuple[np.ndarray, str]]:
        shades = to_shades(maps[numbers.start : numbers.stop])
        return [(shade, f"{number}: {maps[number].max():.2g}") for shade, number in zip(shades, numbers, strict=True)]

    show_map_grid(len(maps), "channel", draw, key)


def _describe(layer: "LayerOutput") -> str:
    _, channels, height, width = layer.outputs.shape
    return f"{layer.name} · {layer.kind} · {channels} maps of {height}×{width}"


@st.fragment
def show_filters(subject: EvaluationSubject) -> None:
    """The first layer's filters."""
    from cnn_core.explain.feature_maps import first_filters

    st.subheader("First filters", help=FILTERS_HELP)
    model, card = subject.network()
    filters = first_filters(model)
    count, height, width, _ = filters.shape
    told = "computed from the training images, not learned" if card.model == "speed" else "learned from the training images"
    st.caption(f"The {count} filters of the first layer, {height}×{width} pixels each, {told}")
    show_map_grid(
        count,
        "filter",
        lambda numbers: [(filters[number], str(number)) for number in numbers],
        f"filters-page-{subject.name}",
    )


def show_dead(subject: EvaluationSubject, evaluation: "Evaluation") -> None:
    """A table of dead channels by layer, computed when asked for."""
    st.subheader("Dead channels", help=DEAD_HELP)
    name = PARTS[subject.part]
    asked = f"dead-asked-{subject.name}"
    count = len(sample_of(subject, evaluation))
    if not is_computed(subject, evaluation, "dead") and not st.session_state.get(asked):
        st.caption(f"Looks at what leaves every activation for {count:,} {name} images, spread over the classes.")
        st.button(
            "Find dead channels",
            icon=":material/search:",
            key=f"{asked}-button",
            on_click=st.session_state.update,
            args=({asked: True},),
        )
        return
    rows = compute_once(subject, evaluation, "dead", lambda: _find(subject, evaluation))
    if not rows:
        st.info("This network has no activation layers, so no channel of it can be dead.", icon=":material/info:")
        return
    dead, channels = sum(len(row.dead) for row in rows), sum(row.channels for row in rows)
    st.markdown(f"**{dead:,} of {channels:,}** channels and units were never positive for any of {count:,} {name} images.")
    st.caption(
        "Behind a ReLU such a channel is always zero: it adds nothing to the answer and learns nothing more. A few are normal; where many "
        "are, a narrower network would do as well, or the learning rate was too high."
    )
    _show_table(rows)


def _find(subject: EvaluationSubject, evaluation: "Evaluation") -> "Generator[Progress, None, list[Deadness]]":
    from cnn_core.explain.feature_maps import find_dead

    return find_dead(*subject.network(), subject.images().take(sample_of(subject, evaluation)))


def _show_table(rows: "list[Deadness]") -> None:
    table = {
        "Layer": [row.layer for row in rows],
        "Channels": [row.channels for row in rows],
        "Dead": [len(row.dead) for row in rows],
        "Share": [row.share for row in rows],
        "Which, counted from 0": [", ".join(map(str, row.dead[:TOLD])) + (" …" if len(row.dead) > TOLD else "") for row in rows],
    }
    share = st.column_config.NumberColumn("Share", format="percent", help="Dead channels of all channels of the layer")
    st.dataframe(table, hide_index=True, column_config={"Share": share})
