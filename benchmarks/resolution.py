"""Compare ways to keep photographs: encoded or as pixels. `python -m benchmarks.resolution FOLDER`

FOLDER: photographs in a folder for every class. For each encoding: disk space, and the time to decode an image at SIDE pixels on one core. Then the
times that a person meets: the import, the first run with an image size, which prepares the pixels, later runs, and an epoch from prepared pixels compared with
one that decodes every image again.
"""

import io
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.machine import measure_seconds, print_table
from cnn_core.config.defaults import make_config
from cnn_core.config.images import open_images
from cnn_core.data.decoder import read_image, to_pixels
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.kept_form import QUALITY
from cnn_core.data.kept_images import KEPT_SIDE
from cnn_core.data.pixel_pool import delete_pools
from cnn_core.data.source import finish
from cnn_core.home import KEPT, Home
from cnn_core.training.recipe import make_trainer

SIDES, SIDE, ROUNDS, SAMPLE = (128, 224), 224, 5, 100
ENCODINGS: dict[str, dict[str, Any]] = {
    f"JPEG {QUALITY}, full colour resolution": {"format": "JPEG", "quality": QUALITY, "subsampling": 0},
    f"JPEG {QUALITY}": {"format": "JPEG", "quality": QUALITY},
    "JPEG 90": {"format": "JPEG", "quality": 90},
    "WebP 90": {"format": "WEBP", "quality": 90},
    "WebP without loss": {"format": "WEBP", "lossless": True, "method": 0, "quality": 20},
    "PNG": {"format": "PNG", "compress_level": 1},
}


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CNN_STUDIO_HOME"] = temporary  # in which settings look for the data set
        home = Home.from_environment()
        imported = measure_seconds(lambda: finish(import_files("kept", folder, ImportOptions(), home)))
        rows = [("import, kept", "", f"{imported:.2f} s")]
        for side in SIDES:
            options = ImportOptions(image_size=side)
            seconds = measure_seconds(lambda: finish(import_files(f"squares{side}", folder, options, home)))  # noqa: B023
            rows.append((f"import, stored as squares of {side} pixels", "", f"{seconds:.2f} s"))
        source = ImportedSource(home.set_folder("kept"))
        rows += [*describe_encodings(source), *describe_pools(source, home)]
        count = source.index.count("problem is null")
    print_table(f"{count} photographs in `FOLDER`, kept with at most {KEPT_SIDE} pixels", rows)


def describe_encodings(source: ImportedSource) -> list[tuple[str, str, str]]:
    """Return disk space, time and error of each encoding, on a sample of the images."""
    (all_rows,) = source.index.columns("problem is null", "row")
    assert source.kept_images, "FOLDER holds photographs"
    images = [source.kept_images.image(row) for row in all_rows[:: -(-len(all_rows) // SAMPLE)].tolist()]
    original = [to_pixels(image, SIDE, 3).astype(np.float64) for image in images]
    rows = []
    for name, options in ENCODINGS.items():
        files = [encode(image, options) for image in images]
        seconds = statistics.median(measure_seconds(lambda: decode(files)) for _ in range(ROUNDS)) / len(files)  # noqa: B023
        error = np.mean([np.sqrt(((one - other) ** 2).mean()) for one, other in zip(original, decode(files), strict=True)])
        size = statistics.mean(map(len, files)) / 1000
        rows.append((name, "", f"{size:.0f} KB, {1000 * seconds:.1f} ms to {SIDE} pixels, error {error:.1f} levels"))
    pixels = statistics.mean(image.width * image.height * 3 for image in images) / 1000
    return [
        *rows,
        ("pixels in full", "", f"{pixels:.0f} KB"),
        ("pixels, squares", "", ", ".join(f"{side}: {side**2 * 3 / 1000:.0f} KB" for side in SIDES)),
    ]


def decode(files: list[bytes]) -> list[np.ndarray]:
    return [to_pixels(read_image(file, "it", draft=2 * SIDE).image, SIDE, 3) for file in files]


def encode(image: Image.Image, options: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def describe_pools(source: ImportedSource, home: Home) -> list[tuple[str, str, str]]:
    """Return the disk space of the kept images, and the times of a first run, of later ones, and of an epoch."""
    count = source.index.count("problem is null")
    rows = [("kept, as imported", "", f"{(source.folder / KEPT).stat().st_size / count / 1000:.0f} KB an image")]
    for side in SIDES:
        config = make_config(data="kept", size=side, model="simple", precision="float32", device="cpu")
        shaped = open_images(config, home)
        first, later = [], []
        for _ in range(ROUNDS):
            delete_pools(source.folder)
            first.append(measure_seconds(lambda: finish(shaped.load("train"))))  # noqa: B023
            later.append(measure_seconds(lambda: finish(shaped.load("train"))))  # noqa: B023
        images = finish(shaped.load("train"))
        trainer, _ = make_trainer(config, shaped.info, images, torch.device("cpu"))
        epochs = [measure_seconds(lambda: [trainer.take_step(*batch) for batch in trainer.batches]) for _ in range(3)]  # noqa: B023
        epoch, decoding = statistics.median(epochs), statistics.median(first)
        rows.append(
            (
                f"{side} pixels, {count} images",
                "",
                f"first run {decoding:.2f} s, later runs {statistics.median(later):.3f} s; epoch of SimpleCNN {epoch:.2f} s from prepared pixels, "
                f"{epoch + decoding:.2f} s if every epoch decoded them",
            )
        )
    return rows


if __name__ == "__main__":
    main()
