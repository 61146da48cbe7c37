"""The help page of the endpoint: plain text, because a terminal shows it and class names cannot add markup to it."""

from cnn_core.inference.verdict import SURE, UNLIKE, UNSURE
from cnn_core.models.registry import network_title
from cnn_core.models.saving import ModelCard

SHOWN = 20  # class names
PAGE = """CNN Studio serves run {run}: {model}, {size}x{size} pixels, {count} classes
({names})

POST /predict   the bytes of an image (JPEG, PNG, WebP, BMP or GIF, up to {megabytes:g} MB) with its type; returns the most probable classes:
                {{"class": "cat", "probability": 0.93, "is_sure": true, "verdict": "sure", "ranked": [{{"class": "cat", "probability": 0.93}}, ...]}}
                ?top=3 returns three classes. is_sure is false if the probability is below threshold, which is set on the Evaluate
                page; is_unlike_training is true if the image is farther from the training images than 99% of the training and validation images, and
                then distance is above 1. verdict is one of: {verdicts}. What is absent is null.
GET  /card      the model
GET  /health    counts since the start
GET  /          this page

curl {address}/predict -H 'Content-Type: image/png' --data-binary @image.png

import json, urllib.request
request = urllib.request.Request("{address}/predict", open("image.png", "rb").read(), {{"Content-Type": "image/png"}})
print(json.load(urllib.request.urlopen(request)))

Errors have a status of 400 or higher, with {{"error": "a message"}}. 503 means that too many images are waiting: try again.
"""


def help_text(run: str, card: ModelCard, most_bytes: int, host: str) -> str:
    """Return how to use the endpoint of `run`. host: the name that the client used."""
    names = ", ".join(card.classes[:SHOWN]) + (", ..." if len(card.classes) > SHOWN else "")
    return PAGE.format(
        run=run,
        model=network_title(card.model, card.options.get("timm_name")),
        size=card.image_size,
        count=len(card.classes),
        verdicts=", ".join((SURE, UNSURE, UNLIKE)),
        names=names,
        megabytes=most_bytes / 2**20,
        address=f"http://{host}",
    )
