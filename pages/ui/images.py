"""Small images as HTML: enlarged without blurring, with a caption and alternative text. Names from outside are escaped."""

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from cnn_core.analysis.evaluation import Evaluation

GRID_STYLE = """<style>
.shots { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 0.75rem; }
.shots figure { margin: 0; border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); overflow: hidden; }
.shots img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; display: block; background: var(--st-secondary-background-color); }
.shots figcaption { padding: 0.3rem 0.5rem 0.4rem; font-size: 0.8rem; line-height: 1.25; overflow-wrap: anywhere; }
.shots .wrong { border-color: var(--st-red-color); }
.shots .wrong b { color: var(--st-red-text-color); }
.shots small { opacity: 0.75; }
</style>"""


def picture_html(image: Image.Image | np.ndarray, alt: str, *, width: int) -> str:
    """A picture, or pixels (H, W, C) uint8, at most `width` CSS pixels wide."""
    style = f"width: 100%; max-width: {width}px; border-radius: 0.5rem; border: 1px solid var(--st-border-color); display: block;"
    small = max(image.size if isinstance(image, Image.Image) else image.shape[:2]) < width
    if isinstance(image, Image.Image):
        image = image.copy()
        image.thumbnail((2 * width, 2 * width))
        image = np.asarray(image)
    return (
        f'<img src="{data_url(image)}" alt="{html.escape(alt)}" style="{style}{" image-rendering: pixelated;" if small else ""}">'
    )


def prediction_grid(images: np.ndarray, evaluation: "Evaluation", indices: np.ndarray, threshold: float = 0.0) -> str:
    """Cards for test images (N, H, W, C): the picture, what the network said and how sure it was, and the truth where that differs.

    Below a probability of `threshold` the network does not know, and the card says so.
    """
    cards = (_card(image, int(index), evaluation, threshold) for image, index in zip(images, indices, strict=True))
    return GRID_STYLE + f'<div class="shots">{"".join(cards)}</div>'


def labelled_grid(images: np.ndarray, names: Sequence[str]) -> str:
    """Cards for images (N, H, W, C), each with its name."""
    cards = (
        f'<figure><img src="{data_url(image)}" alt="{html.escape(name)}"><figcaption>{html.escape(name)}</figcaption></figure>'
        for image, name in zip(images, names, strict=True)
    )
    return GRID_STYLE + f'<div class="shots">{"".join(cards)}</div>'


def _card(image: np.ndarray, index: int, evaluation: "Evaluation", threshold: float) -> str:
    predicted, true = evaluation.predicted[index], evaluation.labels[index]
    said, truth = html.escape(evaluation.classes[predicted]), html.escape(evaluation.classes[true])
    share = f"{evaluation.scores.confidence[index]:.0%}"
    verdict = "right" if predicted == true else "wrong"
    alt = f"Test image {index}: predicted {said}, true class {truth}"
    unsure = "I don’t know<br>" if evaluation.scores.confidence[index] < threshold else ""
    caption = f"{unsure}<b>{said}</b> {share}<br><small>{'✓ right' if verdict == 'right' else f'✗ is {truth}'}</small>"
    return f'<figure class="{verdict}"><img src="{data_url(image)}" alt="{alt}"><figcaption>{caption}</figcaption></figure>'


def data_url(pixels: np.ndarray) -> str:
    """Pixels (H, W, C) uint8 as a PNG in an address."""
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
