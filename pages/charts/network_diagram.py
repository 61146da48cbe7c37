"""The picture of a network: its blocks from the image to the classes, as an ordered list in which every block is drawn by its size.

In: the blocks of a model. Out: HTML of a fixed height, in the colours of the light and of the dark theme. A slab is as high as the block's maps and as thick as it
has channels, both on a logarithmic scale. The list is also the text alternative: it contains everything that the picture shows. On a phone it scrolls sideways.
"""

import html
from collections.abc import Sequence
from math import log2, prod
from typing import TYPE_CHECKING

from cnn_core.text import counted

if TYPE_CHECKING:  # it loads torch
    from cnn_core.models.blocks import NetworkBlock

Shape = tuple[int, ...]
LOWEST, HIGHEST = 6, 68  # CSS pixels of a slab
MILLION = 10**6
STYLE = """<style>
.net-frame { height: 12rem; overflow: auto; }
ol.net { list-style: none; margin: 0; padding: 0; display: flex; gap: 0.5rem; }
ol.net li { flex: 1 0 78px; margin: 0; padding: 0; position: relative; font-size: 0.78rem; line-height: 1.3; text-align: center; overflow-wrap: anywhere; }
ol.net li + li::before { content: "→"; content: "→" / ""; position: absolute; left: -0.65rem; top: 1.7rem; opacity: 0.6; }
ol.net i { display: flex; align-items: center; justify-content: center; height: 4.5rem; margin-bottom: 0.35rem; }
ol.net i::before { content: ""; width: var(--thickness); height: var(--height); border-radius: 3px; border: 1px solid color-mix(in srgb, currentColor 45%, transparent); background: color-mix(in srgb, var(--tone) 55%, transparent); }
ol.net b { display: block; font-weight: 600; }
ol.net span { display: block; opacity: 0.8; }
@media (max-width: 640px) { ol.net li { flex-basis: 100px; } }
</style>"""
TONES = {
    "image": "#8a94a6",
    "convolution": "#0072b2",
    "linear": "#d55e00",
    "mean": "#8a94a6",
    "max": "#8a94a6",
}  # by the first word
OTHER_TONE = "#009e73"  # of residual blocks


def network_html(image: Shape, blocks: Sequence["NetworkBlock"], title: str) -> str:
    """Return the picture of a network. image: the shape of its input, (C, H, W). title: the name of the model."""
    items = [_item("image", (), image, ""), *map(_block_item, blocks)]
    listed = f'<ol class="net" aria-label="{html.escape(title)}: layers from the image to the classes">{"".join(items)}</ol>'
    return f'{STYLE}<div class="net-frame" tabindex="0" role="group" aria-label="Network">{listed}</div>'


def no_network_html(reason: str) -> str:
    """Return a place as high as the picture, with the reason why there is none."""
    return f'{STYLE}<div class="net-frame">{html.escape(reason)}</div>'


def _block_item(block: "NetworkBlock") -> str:
    repeats = f" × {block.repeats}" if block.repeats > 1 else ""
    parameters = count_text(block.parameters) if block.parameters else ""
    return _item(f"{block.kind}{repeats}", block.details, block.shape, parameters)


def _item(kind: str, details: Sequence[str], shape: Shape, parameters: str) -> str:
    thickness, height = slab(shape)
    style = f"--thickness: {thickness}px; --height: {height}px; --tone: {TONES.get(kind.split()[0], OTHER_TONE)}"
    lines = [", ".join(details), shape_text(shape), parameters]
    texts = "".join(f"<span>{html.escape(line)}</span>" for line in lines if line)
    return f'<li><i style="{style}" aria-hidden="true"></i><b>{html.escape(kind)}</b>{texts}</li>'


def count_text(parameters: int) -> str:
    """Return a number of parameters: "18,496 parameters", "14.3 M parameters"."""
    return f"{parameters / MILLION:.1f} M parameters" if parameters >= MILLION else counted(parameters, "parameter")


def shape_text(shape: Shape) -> str:
    """Return the shape of an output: "32 × 16×16", "192 values"."""
    if prod(shape[1:]) == 1:
        return counted(shape[0], "value")
    return f"{shape[0]:,} × {shape[1]}×{shape[2]}"


def slab(shape: Shape) -> tuple[int, int]:
    """Return thickness and height of a slab in CSS pixels: of the channels, and of the maps; for a vector, of its values."""
    side = shape[-1] if prod(shape[1:]) > 1 else 1
    channels, pixels = log2(shape[0] + 1), log2(side + 1)
    if side == 1:  # a vector is a thin column
        return LOWEST, _scaled(channels, 11)
    return _scaled(channels, 11), _scaled(pixels, 8)


def _scaled(value: float, most: int) -> int:
    return round(LOWEST + (HIGHEST - LOWEST) * min(1.0, value / most))
