"""Stages: the head learns on features as it would in the whole network, frozen layers stay as they are, and a resumed run ends with the same bits."""

import copy
import gc
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.source import DataInfo, ImageSet
from cnn_core.events import Epoch, Progress, StageStarted, Steps
from cnn_core.features.batches import FeatureBatches
from cnn_core.features.frozen_layers import STAGE
from cnn_core.models.saving import load_model, save_card, save_weights
from cnn_core.training.controls import apply_settings
from cnn_core.training.loop import Trainer
from cnn_core.training.recipe import make_trainer
from cnn_core.training.stages import ALL, BLOCKS, HEAD, StagePlan, plan_stages, stage_learning_rate

CPU = torch.device("cpu")
SIDE, CLASSES = 32, ("a", "b", "c")
INFO = DataInfo("tiny", CLASSES, SIDE, 3, 24, 0, "fingerprint")
HEAD_PREFIX = "classifier."
STOPPED: dict[str, Any] = {"head_epochs": 2, "epochs": 3, "dropout": 0.2, "batch_size": 6, "ema": 0.5, "layer_decay": 0.75}
LAST_BLOCKS: dict[str, Any] = {"train": "blocks", "trained_blocks": 2, "head_epochs": 1, "epochs": 2, "learning_rate": 0.05}


def images(count: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 120, (count, SIDE, SIDE, 3), np.uint8)
    pixels[np.arange(count), :, :, labels] += 120  # the class is the colour
    return ImageSet(pixels, labels.astype(np.int64))


def config(**chosen: object) -> TrainConfig:
    usual = {
        "epochs": 3,
        "batch_size": 8,
        "dropout": 0.0,
        "weight_decay": 0.0,
        "flip": "off",
        "crop": 0.0,
        "layer_decay": 1.0,
        "frozen_norm": False,
        "precision": "float32",
    }
    return make_config(data="own", model="efficientnet-lite0", device="cpu", **{**usual, **chosen})


def trainer(settings: TrainConfig) -> Trainer:
    return make_trainer(settings, INFO, images(24, 1), CPU, images(12, 2))[0]


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(model.state_dict())


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_the_plans_follow_the_settings():
    assert plan_stages(make_config(epochs=20)) == (StagePlan(ALL, 0, 20),)
    assert plan_stages(config(train="head")) == (StagePlan(HEAD, 0, 3),)
    assert plan_stages(config(train="all", head_epochs=2)) == (StagePlan(HEAD, 0, 2), StagePlan(ALL, 2, 1))
    assert plan_stages(config(train="all", head_epochs=0)) == (StagePlan(ALL, 0, 3),)
    assert plan_stages(config(train="blocks", head_epochs=1)) == (StagePlan(HEAD, 0, 1), StagePlan(BLOCKS, 1, 2))
    assert plan_stages(config(train="blocks", weights="scratch")) == (StagePlan(ALL, 0, 3),)
    assert plan_stages(config(train="head", weights="scratch")) == (StagePlan(ALL, 0, 3),)
    assert [plan.epochs for plan in plan_stages(config(train="all", head_epochs=9))] == [2, 1], "all layers learn for one epoch"


def test_settings_of_pretrained_weights_change_nothing_for_a_model_that_takes_none():
    simple = make_config(model="simple", weights="pretrained", train="head", fine_tuning_rate=0.1, epochs=3)
    assert simple.starting_weights == "scratch" and plan_stages(simple) == (StagePlan(ALL, 0, 3),)
    assert stage_learning_rate(simple, ALL) == simple.learning_rate


def test_a_head_on_features_learns_what_it_would_in_the_whole_network():
    settings = config(train="head", optimizer="sgd", learning_rate=0.01, momentum=0.9, schedule="constant", warmup=0)
    training = trainer(settings)
    whole, frozen = copy.deepcopy(training.model), copy.deepcopy(training.model)
    events = list(training)

    optimizer = torch.optim.SGD(whole.classifier.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    batches = trainer(config(train="all", head_epochs=0)).batches  # the images, in the same orders
    losses = []
    for _ in range(settings.epochs):
        for pixels, labels in batches:
            loss = nn.functional.cross_entropy(whole.eval()(pixels), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    told = [loss for event in events if isinstance(event, Steps) for loss in event.loss]
    np.testing.assert_allclose(told, losses, rtol=1e-3)
    after = training.model.state_dict()
    for name, value in whole.classifier.state_dict().items():
        torch.testing.assert_close(after[HEAD_PREFIX + name], value, atol=1e-4, rtol=1e-3)
    assert changed(state_of(frozen), after) == {f"{HEAD_PREFIX}{name}" for name in whole.classifier.state_dict()}
    assert [event.stage for event in events if isinstance(event, Progress)][0] == STAGE


def test_the_validation_accuracy_of_a_head_is_that_of_the_saved_model(tmp_path: Path):
    settings = config(train="head", epochs=1)
    training, card = make_trainer(settings, INFO, images(24, 1), CPU, images(12, 2))
    (epoch,) = (event for event in training if isinstance(event, Epoch))
    save_card(tmp_path, card)
    save_weights(tmp_path, training.validated_model)
    model, card = load_model(tmp_path, CPU)
    validation = images(12, 2)
    pixels = (torch.from_numpy(validation.images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.inference_mode():
        logits = model(pixels)
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(validation.labels)).item()
    assert epoch.val_loss == pytest.approx(loss, rel=1e-4) and card.mean == card.std == (0.5, 0.5, 0.5)
    assert epoch.val_accuracy == pytest.approx((logits.argmax(1).numpy() == validation.labels).mean())


def test_the_images_of_a_head_are_freed_once_its_features_are_computed():
    training, validation = images(24, 1), images(12, 2)
    pools = [weakref.ref(training.pool), weakref.ref(validation.pool)]
    head = make_trainer(config(train="head", mirror=True), INFO, training, CPU, validation)[0]
    del training, validation
    assert len([event for event in head if isinstance(event, Epoch)]) == 3
    assert all(isinstance(batches, FeatureBatches) for batches in (head.batches, head.validation)), (
        "without a flip, mirror does nothing"
    )
    gc.collect()
    assert [pool() for pool in pools] == [None, None]


def test_with_mirrored_predictions_a_head_is_validated_as_the_saved_model_predicts():
    training = trainer(config(train="head", epochs=1, flip="random", mirror=True))
    (epoch,) = (event for event in training if isinstance(event, Epoch))
    validation = images(12, 2)
    pixels = (torch.from_numpy(validation.images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.inference_mode():
        logits = training.validated_model.eval()(pixels)
    assert epoch.val_loss == pytest.approx(
        nn.functional.cross_entropy(logits, torch.from_numpy(validation.labels)).item(), rel=1e-4
    )


def test_all_layers_learn_after_the_head_at_the_fine_tuning_rate():
    settings = config(
        train="all", head_epochs=1, epochs=2, schedule="constant", warmup=0, learning_rate=0.01, fine_tuning_rate=0.1
    )
    training = trainer(settings)
    start, rates, seen = state_of(training.model), [], []
    for event in training:
        if isinstance(event, Steps):
            rates.append((event.epoch, event.learning_rate))
        if isinstance(event, Epoch):
            seen.append(state_of(training.model))
    assert {rate for epoch, rate in rates if epoch == 1} == {0.01} and {rate for epoch, rate in rates if epoch == 2} == {0.001}
    assert all(name.startswith(HEAD_PREFIX) for name in changed(start, seen[0]))
    moved = changed(seen[0], seen[1])  # not every bias: steps far below its value are lost in float32
    assert {"conv_stem.weight", "bn1.running_mean", "bn2.running_var", f"{HEAD_PREFIX}1.weight"} <= moved and len(
        moved
    ) > 0.8 * len(start)


def test_the_last_blocks_learn_after_the_head_and_frozen_ones_keep_weights_and_statistics():
    training = trainer(config(**LAST_BLOCKS))
    next(event for event in training if isinstance(event, Epoch))
    before = state_of(training.model)
    list(training)
    moved = changed(before, training.model.state_dict())
    learned = ("blocks.5.3.", "blocks.6.0.", "conv_head.", "bn2.", HEAD_PREFIX)
    assert moved and all(name.startswith(learned) for name in moved)
    assert {"blocks.5.3.bn1.running_mean", "blocks.5.3.conv_pw.weight", "bn2.running_var", f"{HEAD_PREFIX}1.weight"} <= moved


@pytest.mark.parametrize("chosen", [LAST_BLOCKS, {**LAST_BLOCKS, "train": "all", "head_epochs": 0}], ids=lambda c: c["train"])
def test_frozen_batch_norms_keep_their_statistics_but_not_their_scale(chosen: dict[str, Any]):
    training = trainer(config(**chosen, frozen_norm=True))
    start = state_of(training.model)
    list(training)
    moved = changed(start, training.model.state_dict())
    assert "bn2.weight" in moved and "bn2.bias" in moved
    assert not any(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in moved)


def test_a_training_of_the_last_blocks_reports_both_stages_once():
    training = trainer(config(**LAST_BLOCKS))
    whole = sum(value.numel() for value in training.model.parameters())
    head = sum(value.numel() for value in training.model.classifier.parameters())
    first, second = (event for event in training if isinstance(event, StageStarted))
    assert first == StageStarted(HEAD, 1, 2, head, whole)
    assert (second.trained, second.number) == (BLOCKS, 2) and head < second.learning < whole


def test_with_layer_decay_the_first_layers_change_less():
    moved = []
    for decay in (1.0, 0.5):
        settings = config(train="all", head_epochs=0, epochs=1, layer_decay=decay, optimizer="adam", learning_rate=0.001)
        training = trainer(settings.model_copy(update={"schedule": "constant", "warmup": 0.0}))
        start = state_of(training.model)
        list(training)
        after = training.model.state_dict()
        moved.append(
            {name: (after[name] - start[name]).abs().mean().item() for name in ("conv_stem.weight", "classifier.1.weight")}
        )
    even, falling = moved
    assert falling["conv_stem.weight"] < even["conv_stem.weight"] / 1000  # 17 blocks
    assert falling["classifier.1.weight"] == pytest.approx(even["classifier.1.weight"], rel=0.5)


def test_progressive_resizing_leaves_features_as_they_are():
    training = trainer(config(train="all", head_epochs=1, epochs=2, start_side=0.5))
    sides = []
    training.model.register_forward_pre_hook(lambda model, inputs: sides.append(inputs[0].shape[-1]))
    list(training)
    assert training.resizing and {*sides} == {*range(16, 33, 4)} & {*sides} and len({*sides}) > 1


@cache
def uninterrupted(train: str) -> Trainer:
    """Return a training that was never stopped, at its end; the tests only read it."""
    training = trainer(config(train=train, **STOPPED))
    list(training)
    return training


@pytest.mark.parametrize("train", ["all", "blocks"])
@pytest.mark.parametrize("stop", range(1, 12, 2))
def test_a_training_that_is_stopped_anywhere_continues_to_the_same_bits(every_step: None, stop: int, train: str):
    settings = config(train=train, **STOPPED)
    whole = uninterrupted(train)
    first, resumed = trainer(settings), trainer(settings)
    for event in first:
        if isinstance(event, Steps) and event.step == stop:
            break
    resumed.load_state_dict(copy.deepcopy(first.state_dict()))
    list(resumed)
    assert not changed(state_of(whole.model), state_of(resumed.model))
    assert not changed(state_of(whole.validated_model), state_of(resumed.validated_model)) and whole.best == resumed.best


def test_a_training_that_is_stopped_between_its_stages_continues_to_the_same_bits():
    settings = config(train="all", head_epochs=1, epochs=2)
    whole, first, resumed = trainer(settings), trainer(settings), trainer(settings)
    list(whole)
    next(event for event in first if isinstance(event, Epoch))
    resumed.load_state_dict(copy.deepcopy(first.state_dict()))
    list(resumed)
    assert not changed(state_of(whole.model), state_of(resumed.model))


def test_more_epochs_are_added_to_the_last_stage_while_it_trains():
    settings = config(train="all", head_epochs=1, epochs=2)
    training = trainer(settings)
    next(event for event in training if isinstance(event, Epoch))
    apply_settings(training, config(train="all", head_epochs=1, epochs=4), INFO, (0.5,) * 3)
    events = list(training)
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [2, 3, 4]
    assert [stage.plan.epochs for stage in training.stages] == [1, 3]


def test_each_stage_is_reported_before_its_first_step_with_what_learns_and_again_by_a_resumed_run():
    settings = config(train="all", head_epochs=1)
    training, events, states = trainer(settings), [], {}
    for event in training:
        events.append(event)
        if isinstance(event, Epoch):
            states[event.epoch] = copy.deepcopy(training.state_dict())
    reported = [(position, event) for position, event in enumerate(events) if isinstance(event, StageStarted)]
    count = sum(value.numel() for value in training.model.parameters())
    head = sum(value.numel() for value in training.model.get_submodule("classifier").parameters())
    assert [event for _, event in reported] == [StageStarted("head", 1, 2, head, count), StageStarted("all", 2, 2, count, count)]
    first_steps = [
        next(place for place, event in enumerate(events) if isinstance(event, Steps) and event.epoch == epoch) for epoch in (1, 2)
    ]
    epochs = [place for place, event in enumerate(events) if isinstance(event, Epoch)]
    assert reported[0][0] < first_steps[0] < epochs[0] < reported[1][0] < first_steps[1]
    resumed = trainer(settings)
    resumed.load_state_dict(states[2])
    assert [event for event in resumed if isinstance(event, StageStarted)] == [reported[1][1]]
    scratch = trainer(config(weights="scratch", epochs=1))
    assert not [event for event in scratch if isinstance(event, StageStarted)]
