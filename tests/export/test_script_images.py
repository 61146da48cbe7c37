"""One folder of odd images, read by an import, by the way of a person's own image, by a table of predictions, and by an exported script."""

from pathlib import Path

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.data.decoder import read_image, read_reduced, to_pixels
from cnn_core.home import Home
from cnn_core.inference.many_images import classify_many
from cnn_core.inference.preprocessing import preprocess
from tests.data.imports import run_import, skipped_files, write_folder
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
            "own image": preprocess(read_reduced(path.read_bytes(), path.name).image, card),
            "script": np.asarray(names["load_image"](str(path))).reshape(16, 16, channels),
        }
        for way, pixels in ways.items():
            assert np.abs(pixels - imported).max() <= 1, (record.path, way)
    listed = {str(Path(path).relative_to(folder)) for path, _ in names["ClassFolders"](folder).samples}
    assert listed == files.keys()


def test_a_table_of_predictions_has_a_row_for_every_odd_image(colours_copy, tmp_path: Path):
    from cnn_core.inference.classifier import Classifier

    folder = write_folder(tmp_path / "odd", odd_images())
    _, summary = drain(classify_many(folder, Classifier(colours_copy.folder), tmp_path / "table.csv"))
    assert summary.answered == len(odd_images()) and not summary.unread
