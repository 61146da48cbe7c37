"""A pretrained network receives photographs as it expects them: resized and cropped alike in training, evaluation, own images and exports."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.config.images import open_images
from cnn_core.config.schema import TrainConfig
from cnn_core.data.decoder import read_image, read_reduced, to_pixels
from cnn_core.data.imported import ImportedSource
from cnn_core.data.kept_images import KEPT_SIDE
from cnn_core.data.pixel_pool import pools_of
from cnn_core.data.source import finish
from cnn_core.events import Finished
from cnn_core.export.card import make_card, read_export_card
from cnn_core.features.store import open_feature_store
from cnn_core.home import Home
from cnn_core.inference.preprocessing import preprocess
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.models.saving import read_card
from cnn_core.runs.store import Store
from cnn_core.runs.submit import submit
from cnn_core.training.recipe import train_run
from tests.data.imports import encoded, noise, run_import, write_folder
from tests.export.scripts import executed
from tests.helpers import drain

CHOSEN = {"data": "mine", "model": "efficientnet-lite0", "size": 32, "epochs": 2, "batch_size": 4, "device": "cpu", "seed": 3}
SHARE = 0.875  # of EfficientNet-Lite0


@pytest.fixture
def source(tmp_path: Path, home: Home) -> ImportedSource:
    """JPEG files that are kept to the byte and decoded in full, so that all ways begin with the same pixels."""
    sizes = ((90, 70), (200, 120), (300, 100), (64, 400), (80, 80), (180, 110))
    files = {
        f"{name}/{number}.jpg": encoded(noise(number + start, 12).resize(size), "JPEG")
        for name, start in (("cat", 0), ("dog", 100))
        for number, size in enumerate(sizes)
    }
    return run_import(home, write_folder(tmp_path / "pictures", files))


def earlier(config: TrainConfig) -> TrainConfig:
    """The same settings as an earlier version stored them."""
    stored = json.loads(config.model_dump_json())
    return TrainConfig.model_validate({n: value for n, value in stored.items() if n not in ("crop_share", "interpolation")})


def pixels_of(config: TrainConfig, source: ImportedSource, home: Home) -> dict[str, np.ndarray]:
    """The image of every file as a run with these settings receives it, (S, S, 3) int."""
    shaped = open_images(config, home)
    assert isinstance(shaped, ImportedSource)
    pool = finish(shaped.open_pool())
    return {record.path: pool[record.row].astype(int) for record in source.index.records(limit=100)}


def test_a_pretrained_network_is_trained_evaluated_and_used_with_the_crop_that_it_expects(
    source: ImportedSource, home: Home, tmp_path: Path
):
    store = Store(home)
    run = submit(make_config(**CHOSEN), store)
    config, folder = store.run(run).config, home.run_folder(run)
    events = [event for event in drain(train_run(config, folder, home))[0] if event]
    card = read_card(folder)
    assert (card.interpolation, card.crop_share, card.fit) == ("bicubic", SHARE, "crop")
    (finished,) = (event for event in events if isinstance(event, Finished))
    assert finish(evaluate_run(run, config, home)).accuracy == finished.test_accuracy

    exported = read_export_card(make_card(store, store.run(run)).to_json().encode())
    load_image, images = executed(config, card)["load_image"], pixels_of(config, source, home)
    for path, pixels in images.items():
        file = tmp_path / "pictures" / path
        whole = to_pixels(read_image(file, path).image, 32, 3).astype(int)
        assert np.abs(pixels - whole).max() > 10, path
        ways = {
            "own image": preprocess(read_image(file, path).image, card),
            "image that is sent": preprocess(read_reduced(file.read_bytes(), path).image, exported.model_card()),
            "image before the training": preprocess(read_image(file, path).image, open_images(config, home).info),
            "script": np.asarray(load_image(str(file))),
        }
        for way, prepared in ways.items():
            assert np.abs(pixels - prepared).max() <= 1, (path, way)


def test_a_run_of_an_earlier_version_keeps_its_pixels_and_its_features(source: ImportedSource, home: Home):
    config = make_config(**CHOSEN)
    before = earlier(config)
    now, then = pixels_of(config, source, home), pixels_of(before, source, home)
    for record in source.index.records(limit=100):
        image = source.image(record.row)
        assert isinstance(image, Image.Image)
        assert np.abs(then[record.path] - to_pixels(image, 32, 3)).max() == 0
        assert not np.array_equal(then[record.path], now[record.path])
    assert {path.name for path in pools_of(source.folder)} == {"32-crop.npy", f"32-crop-{SHARE}.npy"}
    new, old = (open_feature_store(open_images(one, home)) for one in (config, before))
    assert new and old and old.preparation == repr((32, 3, "crop", (64, "crop", KEPT_SIDE))) != new.preparation
