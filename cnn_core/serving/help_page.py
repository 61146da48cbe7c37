"""The endpoint's page of help: plain text, since that is what a terminal shows and what class names cannot get out of."""

from cnn_core.models.saving import ModelCard

SHOWN = 20  # classes that are named
PAGE = """CNN Studio serves run {run}: {model}, {size}x{size} pixels, {count} classes
({names})

POST /predict   a picture's bytes (JPEG, PNG, WebP, BMP or GIF, up to {megabytes:g} MB) with its type; gives its most probable classes:
                {{"class": "cat", "probability": 0.93, "is_sure": true, "ranked": [{{"class": "cat", "probability": 0.93}}, ...]}}
                ?top=3 ranks three. is_sure is false where the probability is below the run's threshold.
GET  /card      what the network is
GET  /health    what was done so far
GET  /          this page

curl {address}/predict -H 'Content-Type: image/png' --data-binary @picture.png

import json, urllib.request
request = urllib.request.Request("{address}/predict", open("picture.png", "rb").read(), {{"Content-Type": "image/png"}})
print(json.load(urllib.request.urlopen(request)))

What goes wrong is a status from 400 on, with {{"error": "a sentence"}}. 503 means that too many pictures wait: try again.
"""


def help_text(run: str, card: ModelCard, most_bytes: int, host: str) -> str:
    """How the endpoint of `run` is used and what it knows. host: what the client called it."""
    names = ", ".join(card.classes[:SHOWN]) + (", ..." if len(card.classes) > SHOWN else "")
    return PAGE.format(
        run=run,
        model=card.model,
        size=card.image_size,
        count=len(card.classes),
        names=names,
        megabytes=most_bytes / 2**20,
        address=f"http://{host}",
    )
