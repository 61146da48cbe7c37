"""A trained model as a classifier: ranked classes, the preprocessed image, and agreement with the evaluation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.errors import NoModelError, RunError
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.preprocessing import preprocess
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import COLOURS, noisy_image

CPU = torch.device("cpu")


def test_probabilities_equal_those_of_the_runs_evaluation(digits_run: Trained):
    classifier = Classifier(digits_run.folder, CPU)
    evaluation = finish(evaluate_run(digits_run.id, digits_run.run.config, digits_run.home))
    test = finish(open_source("digits", digits_run.home).load("test"))
    assert evaluation is not None
    np.testing.assert_allclose(classifier.probabilities(test.images), evaluation.probabilities(), atol=1e-5)


@pytest.mark.parametrize("name", ["blue", "green", "red"])
@pytest.mark.parametrize("size", [(16, 16), (300, 200), (9, 40)])
def test_a_image_of_any_size_is_classified(colours_run: Trained, name: str, size: tuple[int, int]):
    image = (
        Image.new("RGB", size, COLOURS[name]) if size != (16, 16) else noisy_image(COLOURS[name], size, np.random.default_rng(99))
    )
    assert Classifier(colours_run.folder, CPU).classify(image).ranked[0][0] == name


def test_all_classes_are_ranked_by_probability_and_sum_to_one(colours_run: Trained):
    classifier = Classifier(colours_run.folder, CPU)
    prediction = classifier.classify(noisy_image(COLOURS["grey"], (50, 50), np.random.default_rng(0)))
    names, probabilities = zip(*prediction.ranked, strict=True)
    assert sorted(names) == ["blue", "green", "red"]
    assert list(probabilities) == sorted(probabilities, reverse=True) and sum(probabilities) == pytest.approx(1)
    direct = classifier.probabilities(prediction.pixels[None])[0]
    assert dict(prediction.ranked) == {
        name: pytest.approx(float(p)) for name, p in zip(classifier.card.classes, direct, strict=True)
    }


def test_it_tells_what_the_model_received(digits_run: Trained):
    classifier = Classifier(digits_run.folder, CPU)
    image = Image.new("RGB", (120, 90), "white")
    image.paste("black", (40, 20, 60, 70))
    pixels = classifier.classify(image).pixels
    assert pixels.shape == (32, 32, 1) and pixels.dtype == np.uint8
    assert np.array_equal(pixels, preprocess(image, classifier.card))


def test_the_same_image_always_gives_the_same_prediction(colours_run: Trained):
    image = noisy_image(COLOURS["red"], (33, 44), np.random.default_rng(5))
    one, other = (Classifier(colours_run.folder, CPU).classify(image).ranked for _ in range(2))
    assert one == other


def test_a_run_without_a_model_cannot_classify(store: Store):
    run = store.create(make_config())
    with pytest.raises(NoModelError, match=run):
        Classifier(store.home.run_folder(run))
    with pytest.raises(RunError):
        Classifier(Path("/nowhere/0001-digits"))
