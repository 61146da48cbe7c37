"""The learning-rate finder: a proposal that trains well, a curve that ends high, and no use of the test images."""

import contextlib
import math
from pathlib import Path

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.data.source import finish
from cnn_core.errors import SettingError
from cnn_core.events import Epoch, Progress
from cnn_core.features.frozen_layers import STAGE as FEATURES_STAGE
from cnn_core.home import Home
from cnn_core.training.learning_rate_finder import (
    HIGHEST,
    LOWEST,
    NEVER_FELL,
    STAGE,
    STEPS,
    LearningRateCurve,
    find_learning_rate,
)
from cnn_core.training.recipe import train_run
from tests.helpers import drain, is_a_sentence, tiny_config, write_images


def best_accuracy(config, folder: Path, home: Home) -> float:
    folder.mkdir(parents=True)
    epochs: list[Epoch] = []
    with contextlib.closing(train_run(config, folder, home)) as events:
        while len(epochs) < config.epochs:
            event = next(events)
            epochs += [event] if isinstance(event, Epoch) else []
    return max(epoch.val_accuracy for epoch in epochs)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "muon"])
def test_its_proposal_trains_the_images_well(home: Home, image_folder: Path, tmp_path: Path, optimizer: str):
    config = tiny_config(image_folder, optimizer=optimizer, epochs=10)
    curve = finish(find_learning_rate(config, home))
    assert LOWEST < curve.proposal < HIGHEST
    assert best_accuracy(config.model_copy(update={"learning_rate": curve.proposal}), tmp_path / "run", home) > 0.9


def test_its_proposal_trains_the_digits_well(home: Home, tmp_path: Path):
    config = make_config(data="digits", device="cpu", epochs=3, learning_rate=10, batch_norm=True, dropout=0)
    curve = finish(find_learning_rate(config, home))
    assert not curve.is_uncertain
    assert best_accuracy(config.model_copy(update={"learning_rate": curve.proposal}), tmp_path / "run", home) > 0.9


@pytest.mark.parametrize(("lowest", "is_uncertain"), [(0.67, True), (0.55, False)])
def test_a_proposal_from_a_curve_that_hardly_falls_is_uncertain(lowest: float, is_uncertain: bool):
    curve = LearningRateCurve((1e-4, 1e-3, 1e-2), (0.70, lowest, 2.0), 1e-4)
    assert curve.is_uncertain == is_uncertain and curve.fall == pytest.approx(1 - lowest / 0.70)


def test_the_curve_falls_then_rises_or_ends_and_the_proposal_is_a_tenth_of_the_lowest_place(home: Home, image_folder: Path):
    seen, curve = drain(find_learning_rate(tiny_config(image_folder), home))
    assert len(curve.learning_rates) == len(curve.losses) <= STEPS and curve.learning_rates[0] == LOWEST
    ratios = [high / low for low, high in zip(curve.learning_rates, curve.learning_rates[1:], strict=False)]
    assert ratios == pytest.approx([(HIGHEST / LOWEST) ** (1 / (STEPS - 1))] * len(ratios))
    assert all(math.isfinite(loss) for loss in curve.losses)
    lowest = curve.losses.index(min(curve.losses))
    assert curve.losses[lowest] < 0.98 * curve.losses[0]
    assert curve.losses[-1] > 1.2 * min(curve.losses) or len(curve.losses) < STEPS
    assert (
        curve.proposal == pytest.approx(curve.learning_rates[lowest] / 10, rel=0.5)
        and float(f"{curve.proposal:.1g}") == curve.proposal
    )
    tried = [event for event in seen if isinstance(event, Progress) and event.stage == STAGE]
    assert [event.done for event in tried] == list(range(1, len(curve.learning_rates) + 1)) and tried[0].total == STEPS


def test_a_head_is_tried_on_the_features_of_the_images(home: Home, tmp_path: Path):
    config = tiny_config(write_images(tmp_path / "pictures", size=(64, 64)), model="efficientnet-lite0", train="head", dropout=0)
    seen, curve = drain(find_learning_rate(config, home))
    assert FEATURES_STAGE in {event.stage for event in seen} and LOWEST < curve.proposal < HIGHEST


def test_the_same_settings_give_the_same_curve_whatever_the_rate_that_was_set(home: Home, image_folder: Path):
    one, other = (finish(find_learning_rate(tiny_config(image_folder, learning_rate=rate), home)) for rate in (0.1, 1e-5))
    assert one == other


def test_test_images_play_no_part(home: Home, tmp_path: Path):
    curves = []
    for turn, classes in enumerate((("blue", "green", "red"), ("red",))):
        write_images(tmp_path / str(turn) / "train", count=8)
        write_images(tmp_path / str(turn) / "test", classes, count=3 + turn, seed=100 + turn)
        curves.append(finish(find_learning_rate(tiny_config(tmp_path / str(turn)), home)))
    assert curves[0] == curves[1]


def test_a_finder_without_a_falling_loss_says_so(home: Home, image_folder: Path):
    config = tiny_config(image_folder, optimizer="sgd", clip_norm=1e-12, dropout=0)  # no step leads anywhere
    with pytest.raises(SettingError, match=NEVER_FELL) as refusal:
        finish(find_learning_rate(config, home))
    assert is_a_sentence(refusal.value) and refusal.value.field == "learning_rate"


def test_it_leaves_nothing_but_the_imported_images_behind_and_can_be_closed_at_any_time(home: Home, image_folder: Path):
    steps = find_learning_rate(tiny_config(image_folder), home)
    while next(steps).stage != STAGE:
        pass
    steps.close()
    assert [path.name for path in home.root.iterdir()] == ["data"]
