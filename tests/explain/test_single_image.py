"""One image made ready and asked about, against plain arithmetic and against the evaluation of a whole set."""

import numpy as np
import pytest
import torch

from cnn_core.explain.single_image import has_finite_weights, predict_probabilities, to_model_input
from cnn_core.metrics.evaluation import evaluate
from tests.explain.nets import Unchanged, network
from tests.explain.test_feature_maps import card_of, random_image_set
from tests.helpers import drain


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_normalised_by_the_networks_card(channels):
    pixels = random_image_set(1, channels=channels)[0]
    image = to_model_input(pixels, card_of(channels=channels))
    assert image.dtype == torch.float32
    np.testing.assert_allclose(image.numpy(), (pixels.astype(float).transpose(2, 0, 1)[None] - 128) / 127, atol=1e-5)


@pytest.mark.parametrize("family", ["simple", "resnet20"])
def test_its_probabilities_are_those_of_the_evaluation(family):
    model, images, card = network(family), random_image_set(5), card_of(family)
    _, evaluation = drain(evaluate(model, card, images, torch.device("cpu")))
    for index in range(5):
        with Unchanged(model):
            shares = predict_probabilities(model, to_model_input(images[index], card))
        np.testing.assert_allclose(shares, evaluation.probabilities(np.array([index]))[0], atol=1e-5)
        assert shares.sum() == pytest.approx(1)


def test_a_network_with_one_weight_that_is_no_number_has_diverged():
    model = network("resnet20")
    assert has_finite_weights(model)
    with torch.no_grad():
        list(model.parameters())[3].view(-1)[0] = float("nan")
    assert not has_finite_weights(model)
