"""Where in an image the network found what speaks for a class: Grad-CAM over the image, for any convolution and class."""

from typing import TYPE_CHECKING

import streamlit as st

from pages.charts.heatmaps import overlay_heatmap
from pages.charts.images import image_html
from pages.shared.evaluation_subject import EvaluationSubject
from pages.shared.text import plain
from pages.views.evaluate.explain.image_choice import Seen

if TYPE_CHECKING:
    import numpy as np

HELP = (
    "Grad-CAM (Selvaraju and others, 2017). Every channel of the layer is a map of where its pattern is, taken behind its activation where it has one. The maps are added up, each "
    "weighted by how much the class's score would rise with it. Early layers see edges at fine detail, late layers whole things coarsely."
)


@st.fragment
def show_grad_cam(subject: EvaluationSubject, classes: tuple[str, ...], seen: Seen) -> None:
    """A layer and a class to choose; the heat over the image."""
    from cnn_core.explain.grad_cam import conv_layers, raw_grad_cam, to_heat

    st.subheader("Where it looked", help=HELP)
    model, _ = subject.network()
    layers = conv_layers(model)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = st.selectbox(
            "Convolution",
            list(layers),
            index=len(layers) - 1,
            format_func=lambda name: f"{name} · {layers[name].out_channels} channels",
            key=f"heat-layer-{subject.name}",
            help="From the first layer to the last, in which the network's answer is nearly made.",
            width=280,
        )
        label = st.selectbox(
            "What speaks for class",
            range(len(classes)),
            index=seen.said,
            format_func=classes.__getitem__,
            key=f"heat-class-{seen.key}-{seen.said}",
            help="At first the class that the network says. Ask about another one: where is there something of that?",
            width=240,
        )
    with st.spinner("Looking for what speaks for the class…"):  # a second or two of a large network on large images
        raw = raw_grad_cam(model, layer, seen.image, [label], is_activated=True)
    _show_overlay(seen.pixels, to_heat(raw, seen.pixels.shape[:2])[0], raw[0], classes[label])


@st.fragment
def _show_overlay(pixels: "np.ndarray", heat: "np.ndarray", raw: "np.ndarray", name: str) -> None:
    if not heat.any():
        st.info(
            f"Nothing that this layer sees in the image speaks for {plain(name)}. Choose another class or layer.",
            icon=":material/search:",
        )
        return
    opacity = st.slider(
        "Opacity of the heat", 0, 100, 70, 5, format="%d %%", key="heat-opacity", width=280, help="0 % is the image, in grey."
    )
    with st.container(horizontal=True):
        with st.container(width=240):
            st.html(image_html(pixels, "The image as it is", width=220))
            st.caption("The image")
        with st.container(width=240):
            over = overlay_heatmap(pixels, heat, opacity / 100)
            st.html(image_html(over, f"Heat over the image: where something speaks for {name}", width=220))
            st.caption(f"Heat for {plain(name)}")
    height, width = raw.shape
    st.caption(
        f"Yellow: what speaks most for {plain(name)}. Grey, as the image shows: nothing there speaks for it. The brightest place always "
        f"has the same colour, so compare places, not images. This layer sees the image as {height}×{width} positions"
        + ("; with so few the heat says little about where." if height * width <= 4 else ".")
    )
