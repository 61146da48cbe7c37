"""Images unlike the training images: the distance from their features against scikit-learn, what it reports, and its cache."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.home import EVALUATIONS, WEIGHTS, Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.distribution import (
    MAX_CHANNELS,
    PREFIX,
    QUANTILE,
    THUMBNAIL,
    FeatureExtractor,
    fit_layer,
    fit_layers,
    load_distribution,
    make_thumbnails,
    shrunk_covariance,
)
from cnn_core.metrics import distribution_fit
from cnn_core.metrics.distribution_fit import MIN_VALIDATION, fit_distribution
from cnn_core.metrics.evaluation import load_split
from cnn_core.models.registry import build_model
from tests.conftest import Trained
from tests.helpers import drain


@pytest.mark.parametrize("shape", [(200, 8), (30, 40)])
def test_the_covariance_is_shrunk_as_by_scikit_learn(shape: tuple[int, int]):
    values = np.random.default_rng(0).normal(size=shape) @ np.diag(np.linspace(0.1, 3, shape[1]))
    np.testing.assert_allclose(shrunk_covariance(values), LedoitWolf(assume_centered=True).fit(values).covariance_, rtol=1e-9)


def test_a_distance_is_that_of_mahalanobis_to_the_nearest_class_mean():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 3], 200)
    features = rng.normal(size=(400, 5)) * [1, 2, 3, 4, 5] + labels[:, None]
    means = np.stack([features[labels == label].mean(0) for label in (0, 3)])
    centred = features - means[labels // 3]
    spread = centred.std(0)
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(centred / spread).covariance_)
    given = rng.normal(size=(20, 5)) * 4
    differences = (given[:, None] - means) / spread
    expected = np.sqrt(np.einsum("ncd,de,nce->nc", differences, precision, differences).min(1))
    np.testing.assert_allclose(fit_layer(features, labels).distances(given), expected, rtol=1e-4)


def test_of_the_validation_images_the_quantile_is_within_distance_one():
    rng = np.random.default_rng(2)
    labels = np.arange(600) % 3
    layers = [rng.normal(size=(600, size)) + labels[:, None] for size in (4, 6)]
    held_out = [rng.normal(size=(500, size)) + (np.arange(500) % 3)[:, None] for size in (4, 6)]
    distances = fit_layers(layers, labels, held_out).distances(held_out)
    assert QUANTILE - 0.003 <= (distances <= 1 + 1e-9).mean() < 1


@pytest.mark.parametrize("held_out_count", [20, 500])
def test_a_training_image_and_one_as_near_to_it_as_they_are_to_each_other_are_never_unlike(held_out_count: int):
    rng = np.random.default_rng(4)
    labels = np.arange(300) % 2
    training = [rng.normal(size=(300, size)) + labels[:, None] for size in (4, 6)]
    for layer in training:
        layer[:5] += 8 * rng.normal(size=(5, 1))  # outliers, which are far from the mean of their class
    held_out = [rng.normal(size=(held_out_count, size)) for size in (4, 6)]
    distribution = fit_layers(training, labels, held_out)
    to_means = np.max([layer.distances(values) for layer, values in zip(distribution.layers, training, strict=True)], axis=0)
    assert (to_means > 1).any() and (distribution.distances(training) <= 1).all()
    near = [layer + 0.01 * rng.normal(size=layer.shape) for layer in training]
    assert (distribution.distances(near) <= 1).all()
    assert (distribution.distances([layer + 40 for layer in training]) > 1).all()


def test_with_few_validation_images_about_as_few_new_images_are_reported_as_with_many():
    rng = np.random.default_rng(5)
    labels, shares = np.arange(400) % 2, []
    training, new = rng.normal(size=(400, 6)), rng.normal(size=(4000, 6))
    for _ in range(20):
        distribution = fit_layers([training], labels, [rng.normal(size=(20, 6))])
        shares.append((distribution.distances([new]) > 1).mean())
    assert max(shares) < 0.03


@pytest.mark.parametrize("side", [5, 28, 64])
def test_a_thumbnail_has_the_mean_grey_value_of_equal_areas(side: int):
    pixels = np.random.default_rng(6).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    thumbnails = make_thumbnails(pixels)
    assert thumbnails.shape == (2, min(side, THUMBNAIL), min(side, THUMBNAIL))
    assert thumbnails.mean() == pytest.approx(pixels.mean(), abs=2)
    if side == 64:
        np.testing.assert_allclose(thumbnails[1, 2, 3], pixels[1, 16:24, 24:32].mean(), rtol=1e-5)


def test_a_channel_that_is_zero_for_all_training_images_does_not_decide_alone():
    rng = np.random.default_rng(3)
    features = np.concatenate([rng.normal(size=(300, 4)), np.zeros((300, 1))], axis=1)
    layer = fit_layer(features, np.zeros(300, np.int64))
    near, other = np.zeros((1, 5)), np.array([[0, 0, 0, 0, 0.05]])
    assert layer.distances(other)[0] - layer.distances(near)[0] < 1


@pytest.mark.parametrize("family", ["simple", "resnet18", "mobilenet"])
def test_the_features_are_those_that_the_layers_compute_and_the_model_stays_as_it_is(family: str):
    model = build_model(family, channels=3, image_size=32, classes=4).eval()
    images = torch.rand(2, 3, 32, 32)
    outputs: list[torch.Tensor] = []
    convolutions = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    features = FeatureExtractor(model).extract(images)
    assert len(features) == 3 and all(layer.shape[1] <= MAX_CHANNELS for layer in features)
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules())
    convolutions[-1].register_forward_hook(lambda _, __, output: outputs.append(output))
    with torch.inference_mode():
        model(images)
    expected = outputs[0].mean((2, 3)).numpy()
    chosen = np.linspace(0, expected.shape[1] - 1, features[1].shape[1]).round().astype(int)
    np.testing.assert_allclose(features[1], expected[:, chosen], atol=1e-5)


@pytest.fixture(scope="module")
def test_images(digits_run: Trained) -> ImageSet:
    return finish(open_source("digits", digits_run.home).load("test"))


def fit(trained: Trained):
    return drain(fit_distribution(trained.id, trained.run.config, trained.home))


def test_noise_is_unlike_the_digits_and_nearly_no_test_image_is(digits_copy: Trained, test_images: ImageSet):
    assert Classifier(digits_copy.folder).distances(test_images.images[:2]) == [None, None]
    steps, distribution = fit(digits_copy)
    assert steps and distribution is not None
    classifier = Classifier(digits_copy.folder)
    distances = np.array(classifier.distances(test_images.images))
    assert (distances > 1).mean() < 0.03
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 1)).astype(np.uint8)
    assert (np.array(classifier.distances(noise)) > 1).all()
    validation = finish(load_split(open_source("digits", digits_copy.home), digits_copy.run.config, "val"))
    assert (np.array(classifier.distances(validation.images)) > 1).mean() <= 1 - QUANTILE


@pytest.mark.parametrize("sampled", [2000, 100])  # of 1,222 training images
def test_no_training_image_is_unlike_the_training_images(digits_copy: Trained, monkeypatch: pytest.MonkeyPatch, sampled: int):
    monkeypatch.setattr(distribution_fit, "MOST_TRAINING", sampled)
    fit(digits_copy)
    training = finish(load_split(open_source("digits", digits_copy.home), digits_copy.run.config, "train")).images
    classifier = Classifier(digits_copy.folder)
    resized = (training.clip(3, 252) + np.random.default_rng(0).integers(-3, 4, training.shape)).astype(np.uint8)
    for pixels in (training, resized):
        assert max(classifier.distances(pixels)) <= 1
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 1)).astype(np.uint8)
    assert (np.array(classifier.distances(noise)) > 1).all()


def test_it_is_computed_once_for_the_weights_and_again_when_damaged(digits_copy: Trained):
    _, first = fit(digits_copy)
    assert fit(digits_copy)[0] == []
    (file,) = (digits_copy.folder / EVALUATIONS).glob(f"{PREFIX}*")
    loaded = load_distribution(digits_copy.folder)
    assert first and loaded and [layer.limit for layer in loaded.layers] == [layer.limit for layer in first.layers]
    file.write_bytes(b"damaged")
    assert load_distribution(digits_copy.folder) is None and fit(digits_copy)[0]
    weights = digits_copy.folder / WEIGHTS
    weights.write_bytes(weights.read_bytes() + b" ")
    assert load_distribution(digits_copy.folder) is None


def test_with_few_validation_images_or_without_the_images_there_is_none(
    colours_run: Trained, digits_run: Trained, tmp_path: Path
):
    assert len(finish(load_split(open_source(colours_run.run.config.data), colours_run.run.config, "val"))) < MIN_VALIDATION
    assert fit(colours_run)[1] is None
    gone = digits_run.run.config.model_copy(update={"data": str(tmp_path / "nowhere"), "seed": 1})
    home = Home(tmp_path / "home")
    shutil.copytree(digits_run.folder, home.run_folder(digits_run.id), ignore=shutil.ignore_patterns(EVALUATIONS))
    assert drain(fit_distribution(digits_run.id, gone, home))[1] is None
