"""A loss that is not finite ends the training with a message that names the step and the remedy."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cnn_core.config.changes import change_config
from cnn_core.config.suggestions import LOWER_RATE, divergence_remedy
from cnn_core.errors import DivergedError
from cnn_core.events import Steps
from cnn_core.home import Home
from cnn_core.training.controls import TrainingControls
from cnn_core.training.loop import VALIDATION_DIVERGED
from cnn_core.training.meter import DIVERGED, Meter
from cnn_core.training.recipe import train_run
from cnn_core.training.schedule import Constant, WarmUp
from tests.helpers import is_a_sentence, tiny_config
from tests.training.small_training import batches, network, trainer, training


def test_a_loss_that_is_not_finite_ends_training_with_a_message_that_names_the_step():
    model = network()
    with torch.no_grad():
        next(model.parameters()).fill_(math.inf)
    with pytest.raises(DivergedError, match=DIVERGED.format(loss="(nan|inf)", step=1, remedy=LOWER_RATE)) as problem:
        list(training(model))
    assert is_a_sentence(problem.value)


def test_a_learning_rate_far_too_high_is_noticed():
    with pytest.raises(DivergedError):
        list(training(network(), optimizer="sgd", schedule="constant", rate=10, epochs=200))


def test_a_validation_loss_that_is_not_finite_is_noticed_too():
    one_step = trainer(network(), data=batches(12), optimizer="sgd")  # its loss is fine, and the weights after it are not
    (stage,) = one_step.stages
    one_step.stages = (replace(stage, schedule=WarmUp(Constant(1e38))),)
    with pytest.raises(DivergedError, match=VALIDATION_DIVERGED.format(loss="(nan|inf)", remedy=LOWER_RATE)):
        list(one_step)


def test_a_loss_that_is_not_finite_is_noticed_within_one_report_and_reported_with_the_remedy(every_step: None):
    model = network()
    meter = Meter(remedy="Do this.")
    seen = []
    with pytest.raises(DivergedError, match=DIVERGED.format(loss="nan", step=6, remedy="Do this.")) as problem:
        for event in training(model, meter=meter):
            seen.append(event)
            if isinstance(event, Steps) and event.step == 5:
                with torch.no_grad():
                    next(model.parameters()).fill_(math.nan)
    assert [event.step for event in seen if isinstance(event, Steps)] == [1, 2, 3, 4, 5] and is_a_sentence(problem.value)


def test_after_a_change_the_error_of_a_diverged_run_proposes_for_the_settings_in_force(
    home: Home, image_folder: Path, tmp_path: Path, every_step: None
):
    config = tiny_config(image_folder, optimizer="sgd", learning_rate=0.001, schedule="constant", epochs=50)
    controls = TrainingControls()
    with pytest.raises(DivergedError) as problem:
        for event in train_run(config, tmp_path, home, controls=controls):
            if isinstance(event, Steps) and event.step == 2:
                controls.changes = {"learning_rate": 10}
    changed = change_config(config, {"learning_rate": 10})
    assert str(problem.value).endswith(divergence_remedy(changed)) and divergence_remedy(changed) != divergence_remedy(config)
