"""What the Explain view says about the layers of a network of which only a part was trained."""

import time

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.models.registry import build_on_meta
from cnn_core.runs.run import Run
from pages.shared.evaluation_subject import EvaluationSubject
from pages.views.evaluate.explain.layers import (
    DEAD_ADVICE,
    FROZEN,
    FROZEN_CHANNELS,
    IMPORTED_CHANNELS,
    LEARNED,
    LESS_WIDTH,
    LOWER_RATE,
    NOT_YET_CHANGED,
    NOT_YET_LEARNED,
    OF_IMPORTED,
    WHITENING,
    advice_on_dead_channels,
    advise_on_dead_channels,
    describe_filters,
    origin_of_filters,
)
from tests.helpers import is_a_sentence


@pytest.mark.parametrize(
    ("chosen", "origin", "advice"),
    [
        ({}, LEARNED, DEAD_ADVICE.format(remedy=LESS_WIDTH)),
        ({"model": "speed"}, WHITENING, DEAD_ADVICE.format(remedy=LESS_WIDTH)),
        ({"model": "efficientnet-lite0"}, FROZEN, FROZEN_CHANNELS),
        ({"model": "efficientnet-lite0", "train": "all"}, LEARNED, DEAD_ADVICE.format(remedy=LOWER_RATE)),
        ({"model": "efficientnet-lite0", "train": "blocks"}, FROZEN, DEAD_ADVICE.format(remedy=LOWER_RATE)),
        (
            {"model": "efficientnet-lite0", "train": "blocks", "trained_blocks": 100},
            LEARNED,
            DEAD_ADVICE.format(remedy=LOWER_RATE),
        ),
        ({"model": "mobilenet", "weights": "pretrained", "train": "head"}, FROZEN, FROZEN_CHANNELS),
        ({"model": "mobilenet", "train": "head"}, LEARNED, DEAD_ADVICE.format(remedy=LOWER_RATE)),
    ],
)
def test_frozen_layers_are_not_called_learned_and_get_no_advice_that_cannot_change_them(chosen, origin, advice):
    config = make_config(**chosen)
    model = build_on_meta(config.model, channels=3, image_size=64, classes=2, **config.model_options)
    assert origin_of_filters(config, model) == origin and advice_on_dead_channels(config) == advice
    assert is_a_sentence(advice)


@pytest.mark.parametrize(
    ("chosen", "epoch", "origin", "advice"),
    [
        ({"train": "all"}, 2, NOT_YET_LEARNED.format(epoch=2), NOT_YET_CHANGED.format(epoch=2)),
        ({"train": "all"}, 3, LEARNED, DEAD_ADVICE.format(remedy=LOWER_RATE)),
        ({"train": "all", "head_epochs": 0}, 1, LEARNED, DEAD_ADVICE.format(remedy=LOWER_RATE)),
        ({"train": "blocks"}, 2, FROZEN, NOT_YET_CHANGED.format(epoch=2)),
        ({"train": "head"}, 2, FROZEN, FROZEN_CHANNELS),
        ({"train": "all", "weights": "scratch"}, 1, LEARNED, DEAD_ADVICE.format(remedy=LOWER_RATE)),
    ],
)
def test_of_a_model_from_the_epochs_of_the_head_no_other_layer_is_called_learned(chosen, epoch, origin, advice):
    config = make_config(model="timm", timm_name="test_vit.r160_in1k", epochs=5, **{"head_epochs": 2, **chosen})
    model = build_on_meta(config.model, channels=3, image_size=64, classes=2, **config.model_options)
    assert origin_of_filters(config, model, epoch) == origin and advice_on_dead_channels(config, epoch) == advice
    assert is_a_sentence(advice)


@pytest.mark.parametrize(
    ("device", "origin", "advice"), [("CPU", FROZEN, FROZEN_CHANNELS), (None, OF_IMPORTED, IMPORTED_CHANNELS)]
)
def test_of_an_imported_model_it_is_not_said_which_layers_were_trained(device, origin, advice):
    config = make_config(model="timm", timm_name="test_vit.r160_in1k", epochs=5)
    model = build_on_meta(config.model, channels=3, image_size=64, classes=2, **config.model_options)
    run = Run("0001-photos", time.time(), "finished", config, {"best_epoch": 5, "device": device}, "")
    subject = EvaluationSubject(run, None, "val")
    assert describe_filters(subject, model) == origin and advise_on_dead_channels(subject) == advice
    assert is_a_sentence(advice)
