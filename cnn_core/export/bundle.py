"""A bundle: a zip with model files, their card, ten test images, the program's predictions for them, and a script that compares both.

In: a run and the formats to include. Out: a zip that can be checked with `python check.py`, without this program.
"""

import io
import json
import zipfile
from collections.abc import Generator, Mapping, Sequence
from hashlib import sha256

import numpy as np
from PIL import Image

from cnn_core.data.decoder import draft_side
from cnn_core.errors import StudioError
from cnn_core.events import Progress
from cnn_core.export.card import ExportCard, make_card
from cnn_core.export.formats import FORMATS, GRAPH_FORMATS
from cnn_core.export.graph import describe_graph
from cnn_core.export.model_file import ExportedFile, export_verified
from cnn_core.export.source_code import merge_imports, source_of
from cnn_core.export.templating import Code, render_code, render_text
from cnn_core.export.training_code import image_code
from cnn_core.export.verification import TOLERANCE, ReferencePredictions, Verification, predict_reference
from cnn_core.models.registry import network_title
from cnn_core.models.saving import ModelCard
from cnn_core.runs.run import Run
from cnn_core.runs.store import Store

IMAGE_COUNT = 10
NO_GRAPH = "A bundle needs a file that predicts without this program. Choose {graphs} too."


def export_bundle(store: Store, run: Run, names: Sequence[str]) -> Generator[Progress, None, ExportedFile]:
    """Return the bundle of the run's best model in the formats `names`, at least one of them a graph. Yields Progress. Raises StudioError."""
    if not set(names) & set(GRAPH_FORMATS):
        raise StudioError(NO_GRAPH.format(graphs=" or ".join(graph.title for graph in GRAPH_FORMATS.values())))
    card, files = make_card(store, run), {}
    reference = yield from predict_reference(store, run)
    for name in names:
        files[name] = yield from export_verified(store, card, name, reference)
    yield Progress("Packing", 0, 1)
    verification = _worst([file.verification for file in files.values() if file.verification])
    content = pack(card, reference, {name: file.content for name, file in files.items()}, verification)
    return ExportedFile("bundle", content, str(verification), card, verification)


def pack(card: ExportCard, reference: ReferencePredictions, files: Mapping[str, bytes], verification: Verification) -> bytes:
    """Return the bytes of the zip. `files`: contents by format."""
    chosen = choose_images(reference)
    images = {f"images/{number:02d}.png": int(index) for number, index in enumerate(chosen, start=1)}
    models, packed = {f"model{FORMATS[name].suffix}": content for name, content in files.items()}, io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in models.items():
            bundle.writestr(name, content, zipfile.ZIP_STORED)  # weights can hardly be compressed
        bundle.writestr("card.json", card.to_json())
        for name, index in images.items():
            bundle.writestr(name, to_png(reference.images[index]), zipfile.ZIP_STORED)
        bundle.writestr("expected.json", _expected(card, reference, images, models))
        bundle.writestr("check.py", check_script())
        if not card.ink:
            bundle.writestr("prepare.py", prepare_script(card.model_card()))
        bundle.writestr("README.txt", _read_me(card, files, verification))
    return packed.getvalue()


def choose_images(reference: ReferencePredictions, count: int = IMAGE_COUNT) -> np.ndarray:
    """Return up to `count` indices of images: the first of each class, then the second of each, and so on."""
    rounds = np.zeros(len(reference.labels), np.int64)
    for label in np.unique(reference.labels):
        of_class = reference.labels == label
        rounds[of_class] = np.arange(of_class.sum())
    return np.lexsort((reference.labels, rounds))[:count]


def to_png(pixels: np.ndarray) -> bytes:
    """Return an image (S, S, C) uint8 as a PNG file, which is lossless."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def check_script() -> str:
    """Return the code of check.py, which includes the code that loads each graph format."""
    loaders = {f"model{graph.suffix}": (graph.package, Code(graph.load.partition(":")[2])) for graph in GRAPH_FORMATS.values()}
    code = source_of(*(graph.load for graph in GRAPH_FORMATS.values()))
    packages = Code(" or ".join(graph.package for graph in GRAPH_FORMATS.values()))
    return merge_imports(render_code("check.py.jinja", code=code, loaders=loaders, packages=packages))


def prepare_script(card: ModelCard) -> str:
    """Return the code of prepare.py, which prepares photographs as the program does."""
    draft = draft_side(card.image_size, card.crop_share)
    return merge_imports(render_code("prepare.py.jinja", card=card, image_code=image_code(card), draft=draft))


def _worst(verifications: Sequence[Verification]) -> Verification:
    """Return one verification for all files: the most ties and the largest difference."""
    first = verifications[0]
    ties, largest = max(v.ties for v in verifications), max(v.largest_difference for v in verifications)
    return Verification(first.split, first.images, ties, largest)


def _expected(card: ExportCard, reference: ReferencePredictions, images: Mapping[str, int], models: Mapping[str, bytes]) -> str:
    """Return expected.json: the program's predictions for the images, and the digests of the files."""
    predictions = [
        {
            "file": name,
            "label": card.classes[reference.labels[index]],
            "predicted": card.classes[int(reference.probabilities[index].argmax())],
            "probabilities": [float(p) for p in reference.probabilities[index]],
        }
        for name, index in images.items()
    ]
    digests = {name: sha256(content).hexdigest() for name, content in models.items()}
    return json.dumps({"tolerance": TOLERANCE, "images": predictions, "sha256": digests}, indent=2)


def _read_me(card: ExportCard, names: Mapping[str, bytes], verification: Verification) -> str:
    return render_text(
        "readme.txt.jinja",
        card=card,
        network=network_title(card.model, card.options.timm_name),
        files=[(f"model{FORMATS[name].suffix}", FORMATS[name].usage) for name in names],
        graphs=list(GRAPH_FORMATS.values()),
        input_and_output=describe_graph(card),
        verification=verification,
    )
