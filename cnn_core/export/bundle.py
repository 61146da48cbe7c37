"""A bundle: one zip with model files, their card, ten test images, what the app says of them, and a script that checks it is so.

In: a run and the forms wanted. Out: a zip that anybody unpacks and tries with `python check.py`, without this program.
"""

import io
import json
import zipfile
from collections.abc import Generator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.export.card import ExportCard, make_card
from cnn_core.export.forms import GRAPHS, SUFFIXES, Exported, export_checked
from cnn_core.export.graph import in_words
from cnn_core.export.verify import NEAR, Asked, Checked, ask_app
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

PICTURES = 10
CHECK, README = (Path(__file__).with_name(name) for name in ("check.py.txt", "readme.txt"))
USES = {
    "safetensors": "model.safetensors  weights, with card.json in its header: CNN Studio takes both back",
    "onnx": "model.onnx         a graph for ONNX Runtime:  pip install onnxruntime",
    "torch-export": 'model.pt2          a graph for PyTorch:       torch.export.load("model.pt2").module()',
    "pth": 'model.pth          the state dict:            torch.load("model.pth", weights_only=True)',
}


def export_bundle(store: Store, run: Run, forms: Sequence[str]) -> Generator[Progress, None, Exported]:
    """The zip of the run's best network in `forms`, out of SUFFIXES and at least one graph. Raises StudioError."""
    if not set(forms) & set(GRAPHS):
        raise StudioError("A bundle needs a file that answers by itself. Choose ONNX or torch.export too.")
    card, files = make_card(store, run), {}
    asked = yield from ask_app(store, run)
    for form in forms:
        files[form] = yield from export_checked(store, card, form, asked)
    yield Progress("Packing", 0, 1)
    worst = max((file.checked for file in files.values()), key=lambda checked: checked.largest)
    ties = max(file.checked.ties for file in files.values())
    checked = Checked(worst.part, worst.images, ties, worst.largest)
    return Exported("bundle", pack(card, asked, files, checked), card, checked)


def pack(card: ExportCard, asked: Asked, files: dict[str, Exported], checked: Checked) -> bytes:
    """The zip's bytes."""
    chosen = choose_pictures(asked)
    names = [f"images/{number:02d}.png" for number in range(1, len(chosen) + 1)]
    packed, models = io.BytesIO(), {f"model{SUFFIXES[form]}": file.content for form, file in files.items()}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in models.items():
            bundle.writestr(name, content, zipfile.ZIP_STORED)  # weights hardly get smaller
        bundle.writestr("card.json", card.to_json())
        for name, index in zip(names, chosen, strict=True):
            bundle.writestr(name, to_png(asked.images[index]), zipfile.ZIP_STORED)
        bundle.writestr("expected.json", _expected(card, asked, dict(zip(names, chosen, strict=True)), models))
        bundle.writestr("check.py", CHECK.read_bytes())
        bundle.writestr("README.txt", _read_me(card, files, checked))
    return packed.getvalue()


def choose_pictures(asked: Asked, count: int = PICTURES) -> np.ndarray:
    """Up to `count` indices of images, going round the classes: first one of each, then a second of each."""
    rounds = np.zeros(len(asked.labels), np.int64)
    for label in np.unique(asked.labels):
        of_class = asked.labels == label
        rounds[of_class] = np.arange(of_class.sum())
    return np.lexsort((asked.labels, rounds))[:count]


def to_png(pixels: np.ndarray) -> bytes:
    """An image (S, S, C) uint8 as a PNG file, which keeps every pixel."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def _expected(card: ExportCard, asked: Asked, pictures: dict[str, int], models: dict[str, bytes]) -> str:
    """What check.py compares with: the app's answers to the images, and the digests of the files."""
    answers = [
        {
            "file": name,
            "label": card.classes[asked.labels[index]],
            "answer": card.classes[int(asked.expected[index].argmax())],
            "probabilities": [float(p) for p in asked.expected[index]],
        }
        for name, index in pictures.items()
    ]
    digests = {name: sha256(content).hexdigest() for name, content in models.items()}
    return json.dumps({"tolerance": NEAR, "images": answers, "sha256": digests}, indent=2)


def _read_me(card: ExportCard, files: dict[str, Exported], checked: Checked) -> str:
    text = README.read_text(encoding="utf-8")
    listed = "\n".join(f"  {USES[form]}" for form in files)
    accuracy = card.metrics.test_accuracy
    return text.format(
        run=card.run,
        model=card.model,
        side=card.image_size,
        classes=len(card.classes),
        accuracy=f"Accuracy on test images: {accuracy:.1%}."
        if accuracy is not None
        else "Its accuracy on test images was not measured.",
        files=listed,
        takes=in_words(card),
        checked=checked,
    )
