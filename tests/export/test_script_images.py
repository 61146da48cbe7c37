"""One folder of odd images, read by an import, by the way of a person's own image, by a table of predictions, and by an exported script."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.data.decoder import read_image, read_reduced, to_pixels
from cnn_core.data.image_shape import ImageShape
from cnn_core.data.imported import ImportedSource
from cnn_core.data.preparation import enlarge_square
from cnn_core.data.source import finish
from cnn_core.export.bundle import prepare_script
from cnn_core.home import Home
from cnn_core.inference.many_images import classify_many
from cnn_core.inference.preprocessing import preprocess, preprocess_file
from tests.data.imports import encoded, noise, run_import, skipped_files, write_folder
from tests.data.odd_images import odd_images
from tests.export.scripts import card_of, executed
from tests.helpers import drain

CLASSES = ("one", "two")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_every_odd_image_is_the_same_wherever_it_is_decoded(fit: str, channels: int, home: Home, tmp_path: Path):
    files = {f"{name}/{file}": content for name in CLASSES for file, content in odd_images().items()}
    folder = write_folder(tmp_path / "odd", files)
    source = run_import(home, folder, image_size=16, fit=fit, colour="grey" if channels == 1 else "colour")
    assert not skipped_files(source)
    config = make_config(data=str(folder))
    card = card_of(config, classes=CLASSES, channels=channels, image_size=16, fit=fit)
    names = executed(config, card)
    for record in source.index.records(limit=1000):
        imported = source.pool[record.row].astype(int)
        path = folder / record.path
        ways = {
            "decoder": to_pixels(read_image(path, path.name).image, 16, channels, fit),
            "own image": preprocess(read_reduced(path.read_bytes(), path.name), card),
            "script": np.asarray(names["load_image"](str(path))).reshape(16, 16, channels),
        }
        for way, pixels in ways.items():
            assert np.abs(pixels - imported).max() <= 1, (record.path, way)
    listed = {str(Path(path).relative_to(folder)) for path, _ in names["ClassFolders"](folder).samples}
    assert listed == files.keys()


def photographs() -> dict[str, bytes]:
    """Photographs in several formats, of which some are larger than the data set keeps them."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated
    wide, small = noise(1, 300).resize((1500, 700)), noise(2, 90).resize((150, 110))
    return {
        "wide.jpg": encoded(wide, "JPEG"),
        "grey.jpg": encoded(wide.convert("L").resize((800, 560)), "JPEG"),
        "small.jpg": encoded(small, "JPEG"),
        "rotated.jpg": encoded(small, "JPEG", exif=exif),
        "wide.png": encoded(wide.resize((600, 900))),
        "small.png": encoded(small.convert("RGBA")),
        "large.webp": encoded(wide.resize((700, 520)), "WEBP"),
        "cut.jpg": encoded(small, "JPEG")[:-2],  # without its end marker
    }


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, ImageShape(24)),
        ({}, ImageShape(200, "pad")),
        ({}, ImageShape(72, interpolation="bilinear", crop_share=0.8)),
        ({"image_size": 32}, ImageShape()),
        ({"image_size": 32}, ImageShape(48)),
    ],
    ids=["kept, small squares", "kept, padded", "kept, for a pretrained network", "stored squares", "enlarged squares"],
)
def test_a_photograph_becomes_the_same_pixels_everywhere(options: dict[str, int], shape: ImageShape, home: Home, tmp_path: Path):
    folder = write_folder(
        tmp_path / "photos", {f"{name}/{file}": content for name in CLASSES for file, content in photographs().items()}
    )
    source = ImportedSource(run_import(home, folder, **options).folder, shape)
    info, pool = source.info, finish(source.open_pool())
    config = make_config(data=str(folder))
    facts = {name: getattr(info, name) for name in ("kept_side", "stored_side", "interpolation", "crop_share")}
    card = card_of(config, classes=CLASSES, image_size=info.image_size, fit=info.fit).model_copy(update=facts)
    script, prepare = executed(config, card), {"__name__": "prepare"}
    exec(compile(prepare_script(card), "prepare.py", "exec"), prepare)
    for record in source.index.records(limit=100):
        path = folder / record.path
        decoded = read_reduced(path, path.name)
        ways = {
            "gallery": preprocess(decoded, card),
            "tracked": preprocess(decoded, info),
            "serve and tables": preprocess_file(path.read_bytes(), path.name, card),
            "script": np.asarray(script["load_image"](str(path))),
            "bundle": np.asarray(prepare["load_image"](str(path))),
        }
        for way, pixels in ways.items():
            assert np.array_equal(pixels, pool[record.row]), (record.path, way)


def test_a_script_enlarges_the_images_of_a_catalogue_as_the_run_does():
    config = make_config(data="cifar10", size=48)
    names = executed(config, card_of(config, image_size=48))
    image = noise(3, 32)
    assert np.array_equal(np.asarray(names["resize"](image)), enlarge_square(np.asarray(image), 48))
    assert "resize" not in executed(config, card_of(config, image_size=32))


def test_a_table_of_predictions_has_a_row_for_every_odd_image(colours_copy, tmp_path: Path):
    from cnn_core.inference.classifier import Classifier

    folder = write_folder(tmp_path / "odd", odd_images())
    _, summary = drain(classify_many(folder, Classifier(colours_copy.folder), tmp_path / "table.csv"))
    assert summary.answered == len(odd_images()) and not summary.unread
