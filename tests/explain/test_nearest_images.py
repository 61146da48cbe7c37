"""The nearest training images of a given image, against scikit-learn, and what is kept of them between two questions."""

import time

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.errors import NoModelError
from cnn_core.explain import nearest_images
from cnn_core.explain.embedding import FEATURES_STAGE, compute_features
from cnn_core.explain.nearest_images import PREFIX, FeatureBank, compute_image_features, normalise_features, open_feature_bank
from cnn_core.home import EVALUATIONS, WEIGHTS
from cnn_core.metrics.evaluation import evaluate_run, load_split
from cnn_core.models.saving import load_model, save_weights
from tests.conftest import Trained
from tests.helpers import drain

CPU = torch.device("cpu")
READING = FEATURES_STAGE


def bank_of(features: np.ndarray) -> FeatureBank:
    nothing = ImageSet(np.zeros((len(features), 1, 1, 1), np.uint8), np.zeros(len(features), np.int64))
    return FeatureBank(nothing, np.arange(len(features)), normalise_features(features), len(features))


def open_(trained: Trained) -> tuple[list[str], FeatureBank]:
    """The stages that were gone through, and the bank."""
    seen, bank = drain(open_feature_bank(trained.id, trained.run.config, trained.home))
    return [stage.stage for stage in seen], bank


def cache_files(trained: Trained) -> list[str]:
    return sorted(path.name for path in (trained.folder / EVALUATIONS).glob(f"{PREFIX}*"))


def test_the_nearest_are_scikit_learns_by_cosine():
    rng = np.random.default_rng(0)
    features, query = rng.normal(size=(500, 40)).astype(np.float32), rng.normal(size=40).astype(np.float32)
    distances, rows = NearestNeighbors(n_neighbors=6, metric="cosine").fit(features).kneighbors(query[None])
    found, cosines = bank_of(features).nearest(query, 6)
    assert found.tolist() == rows[0].tolist()
    np.testing.assert_allclose(cosines, 1 - distances[0], atol=1e-6)


def test_fewer_images_than_asked_for_equal_ones_and_features_without_a_direction_are_no_trouble():
    rows, cosines = bank_of(np.array([[0, 0], [3, 0], [3, 0], [0, np.nan]], np.float32)).nearest(np.array([1, 0], np.float32), 6)
    assert rows.tolist() == [1, 2, 0, 3] and cosines.tolist() == [1, 1, 0, 0]
    assert bank_of(np.ones((3, 2), np.float32)).nearest(np.zeros(2, np.float32), 2)[1].tolist() == [0, 0]


def test_the_bank_holds_what_the_network_reads_of_its_own_training_images(digits_copy: Trained):
    stages, bank = open_(digits_copy)
    images = finish(load_split(open_source("digits", digits_copy.home), digits_copy.run.config, "train"))
    model, card = load_model(digits_copy.folder, CPU)
    features = finish(compute_features(model, card, images))
    assert READING in stages and not bank.is_sample and bank.total == len(images)
    np.testing.assert_array_equal(bank.images.images, images.images)
    np.testing.assert_allclose(bank.directions, normalise_features(features), atol=1e-3)
    query = compute_image_features(model, card, finish(open_source("digits", digits_copy.home).load("test")).images[3])
    rows, cosines = bank.nearest(query, 6)
    expected = cosine_similarity(query[None], features)[0]
    np.testing.assert_allclose(cosines, np.sort(expected)[::-1][:6], atol=1e-3)
    np.testing.assert_allclose(cosines, expected[rows], atol=1e-3)


def test_a_training_image_is_nearest_to_itself_and_digits_are_among_their_like(digits_copy: Trained):
    _, bank = open_(digits_copy)
    model, card = load_model(digits_copy.folder, CPU)
    rows, cosines = bank.nearest(compute_image_features(model, card, bank.images[17]), 6)
    assert rows[0] == 17 and cosines[0] == pytest.approx(1, abs=1e-3)
    test = finish(open_source("digits", digits_copy.home).load("test"))
    alike = [
        bank.images.labels[bank.nearest(compute_image_features(model, card, test[row]), 6)[0]] == test.labels[row]
        for row in range(40)
    ]
    assert np.mean(alike) > 0.9


def test_features_are_kept_and_computed_anew_only_for_another_network(digits_copy: Trained):
    _, first = open_(digits_copy)
    finish(evaluate_run(digits_copy.id, digits_copy.run.config, digits_copy.home, split="train"))
    (name,) = cache_files(digits_copy)
    stages, second = open_(digits_copy)
    assert READING not in stages
    np.testing.assert_array_equal(second.directions, first.directions)
    model, _ = load_model(digits_copy.folder, CPU)
    with torch.no_grad():
        next(model.parameters()).mul_(-1)
    save_weights(digits_copy.folder, model)
    stages, third = open_(digits_copy)
    assert READING in stages and not np.allclose(third.directions, first.directions, atol=0.01)
    (other,) = cache_files(digits_copy)
    assert other != name


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_a_damaged_file_is_computed_anew(digits_copy: Trained, content: bytes | None):
    _, first = open_(digits_copy)
    path = digits_copy.folder / EVALUATIONS / cache_files(digits_copy)[0]
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    stages, second = open_(digits_copy)
    assert READING in stages
    np.testing.assert_array_equal(second.directions, first.directions)


def test_work_that_is_cancelled_leaves_nothing(digits_copy: Trained):
    steps = open_feature_bank(digits_copy.id, digits_copy.run.config, digits_copy.home)
    while next(steps).stage != READING:
        pass
    steps.close()
    assert not cache_files(digits_copy)


def test_of_many_images_a_sample_is_taken_with_as_many_of_every_class(digits_copy: Trained, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nearest_images, "MOST", 200)
    _, bank = open_(digits_copy)
    images = finish(load_split(open_source("digits", digits_copy.home), digits_copy.run.config, "train"))
    assert bank.is_sample and len(bank.indices) == len(bank.images) == 200 and bank.total == len(images)
    assert np.bincount(bank.images.labels).tolist() == [20] * 10
    np.testing.assert_array_equal(bank.images.images, images[bank.indices])


def test_without_a_network_there_is_a_message(digits_copy: Trained):
    (digits_copy.folder / WEIGHTS).unlink()
    with pytest.raises(NoModelError, match=digits_copy.id):
        open_(digits_copy)


def test_a_question_to_ten_thousand_images_takes_less_than_fifty_milliseconds():
    rng = np.random.default_rng(0)
    bank, query = bank_of(rng.normal(size=(10_000, 512)).astype(np.float32)), rng.normal(size=512).astype(np.float32)
    times = []
    for _ in range(9):
        began = time.process_time()
        bank.nearest(query, 6)
        times.append(time.process_time() - began)
    assert np.median(times) < 0.05
