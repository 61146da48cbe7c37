"""Grad-CAM for a chosen layer and class, as a heatmap over the image."""

import numpy as np
import streamlit as st

from pages.charts.heatmaps import overlay_heatmap
from pages.charts.images import image_html
from pages.shared.evaluation_subject import EvaluationSubject
from pages.shared.map_layers import map_layers_of
from pages.shared.text import plain
from pages.views.evaluate.explain.image_choice import ChosenImage

OVERLAY_ALT = "Heatmap over the image for class {name}"
NO_SUPPORT = "No position in this layer supports {name}. Choose another class or layer."
HELP = (
    "Grad-CAM (Selvaraju and others, 2017): the sum of the layer's feature maps (after the activation if there is one), each weighted by the "
    "gradient of the class's logit. Early layers show fine detail such as edges. Late layers show whole objects at low resolution. For a transformer, "
    "the tokens of the patches are arranged as maps."
)
LAYER_HELP = "Convolutions, and the tokens before each attention of a transformer, in the order of the forward pass. The last layer is closest to the prediction."


@st.fragment
def show_grad_cam(subject: EvaluationSubject, classes: tuple[str, ...], chosen: ChosenImage) -> None:
    """Show the choice of layer and class, and the heatmap over the image."""
    from cnn_core.explain.grad_cam import raw_grad_cam, to_heatmap

    st.header("Grad-CAM", help=HELP)
    model, card = subject.model()
    layers = {layer.name: layer for layer in map_layers_of(model, card)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = st.selectbox(
            "Explained layer",
            list(layers),
            index=len(layers) - 1,
            format_func=lambda name: f"{name} · {layers[name].channels} channels",
            key=f"grad-cam-layer-{subject.name}",
            help=LAYER_HELP,
            width=280,
        )
        label = st.selectbox(
            "Class to explain",
            range(len(classes)),
            index=chosen.predicted,
            format_func=classes.__getitem__,
            key=f"grad-cam-class-{chosen.key}-{chosen.predicted}",
            help="By default the predicted class. Choose another class to see which positions support it.",
            width=240,
        )
    with st.spinner("Computing Grad-CAM…"):  # a large model on large images takes a second or two
        raw = raw_grad_cam(model, layer, chosen.image, np.array([label]), is_activated=True)
    _show_overlay(chosen.pixels, to_heatmap(raw, chosen.pixels.shape[:2])[0], raw[0], classes[label])


@st.fragment
def _show_overlay(pixels: np.ndarray, heatmap: np.ndarray, raw: np.ndarray, name: str) -> None:
    if not heatmap.any():
        st.info(
            NO_SUPPORT.format(name=plain(name)),
            icon=":material/search:",
        )
        return
    opacity = st.slider(
        "Heatmap opacity",
        0,
        100,
        70,
        5,
        format="%d%%",
        key="grad-cam-opacity",
        width=280,
        help="0% shows only the image, in grey.",
    )
    with st.container(horizontal=True):
        with st.container(width=240):
            st.html(image_html(pixels, "Image", width=220))
            st.caption("Image")
        with st.container(width=240):
            overlay = overlay_heatmap(pixels, heatmap, opacity / 100)
            st.html(image_html(overlay, OVERLAY_ALT.format(name=name), width=220))
            st.caption(f"Heatmap for {plain(name)}")
    height, width = raw.shape
    st.caption(
        f"Yellow: strongest support for {plain(name)}. Grey: no support. Each heatmap is scaled to its own maximum: compare the positions in an "
        f"image, not two images. The layer has {height}×{width} positions"
        + (", too few for a precise location." if height * width <= 4 else ".")
    )
