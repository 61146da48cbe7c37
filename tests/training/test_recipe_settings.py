"""Every setting of a training changes its result, and does in it what its name says."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.events import Epoch, Finished, Note, Started
from cnn_core.home import WEIGHTS, Home
from cnn_core.models.saving import load_model
from cnn_core.text import counted
from cnn_core.training.loop import STOPPED_EARLY
from cnn_core.training.recipe import make_trainer, train_run
from tests.helpers import tiny_config
from tests.training.trained_folders import train_all_epochs, validation_figures

OTHERS: list[dict[str, Any]] = [
    {"learning_rate": 0.002},
    {"optimizer": "adamw"},
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.5},
    {"optimizer": "sgd", "nesterov": False},
    {"optimizer": "rmsprop"},
    {"optimizer": "muon"},
    {"optimizer": "muon", "adam_rate": 0.5},
    {"weight_decay": 0.1},
    {"weight_decay": 0.1, "decay_all": True},
    {"size": 24},
    {"width": 0.5},
    {"depth": 2},
    {"activation": "gelu"},
    {"batch_norm": True},
    {"schedule": "constant"},
    {"schedule": "step"},
    {"schedule": "step", "drop_at": "0.2"},
    {"schedule": "step", "drop_factor": 0.5},
    {"schedule": "onecycle"},
    {"schedule": "linear"},
    {"schedule": "linear", "knots": "0:1, 1:0.5"},
    {"warmup": 0.3},
    {"crop": 0},
    {"crop_fill": "reflect"},
    {"flip": "off"},
    {"flip": "alternating"},
    {"cutout": 0.3},
    {"brightness": 0.3},
    {"contrast": 0.3},
    {"rotation": 10},
    {"scale": 0.2},
    {"shear": 10},
    {"resized_crop": 0.5},
    {"colour_jitter": 0.5},
    {"trivial_augment": True},
    {"mixup": 0.3},
    {"cutmix": 1},
    {"dropout": 0.5},
    {"label_smoothing": 0.1},
    {"clip_norm": 0.1},
    {"ema": 0.5},
    {"precision": "bfloat16"},
    {"batch_size": 5},
    {"validation_share": 0.3},
    {"images_per_class": 4},
    {"seed": 1},
    {"model": "speed"},
    {"model": "speed", "start_side": 0.5},
]


def test_every_setting_of_the_training_matters(home: Home, image_folder: Path, tmp_path: Path):
    seen = []
    for turn, chosen in enumerate(({}, *OTHERS)):
        train_all_epochs(tiny_config(image_folder, **{"dropout": 0.2, **chosen}), tmp_path / str(turn), home)
        seen.append((tmp_path / str(turn) / WEIGHTS).read_bytes())
    assert len(set(seen)) == len(seen)
    left = {
        "data",
        "model",
        "epochs",
        "fit",  # of photographs: see test_image_size
        "crop_share",  # and test_network_images
        "interpolation",
        "weights",
        "timm_name",  # of one model: see test_timm_nets
        "train",  # of pretrained weights: see test_stages
        "trained_blocks",
        "head_epochs",
        "fine_tuning_rate",
        "layer_decay",
        "frozen_norm",
        "plateau_patience",
        "patience",
        "mirror",
        "device",
        "channels_last",
        "compile",
        "deterministic",
        "saved_epochs",
    }
    assert {name for chosen in OTHERS for name in chosen} == {*TrainConfig.model_fields} - left | {"model"}


@pytest.mark.parametrize(("flip", "is_averaged"), [("random", True), ("off", False)])
def test_predicting_from_both_mirrorings_is_saved_with_the_model_where_images_are_flipped(
    home: Home, image_folder: Path, tmp_path: Path, flip: str, is_averaged: bool
):
    train_all_epochs(tiny_config(image_folder, mirror=True, flip=flip), tmp_path / "run", home)
    model, card = load_model(tmp_path / "run", torch.device("cpu"))
    images = torch.randn(8, card.channels, card.image_size, card.image_size)
    assert card.mirror == is_averaged == torch.equal(model(images), model(images.flip(3)))


def test_training_images_grow_while_validation_images_have_their_full_side(home: Home, image_folder: Path):
    config = tiny_config(image_folder, model="speed", start_side=0.75, epochs=4)
    source = open_source(config.data, home)
    trainer, _ = make_trainer(config, source.info, finish(source.load("train")), torch.device("cpu"))
    seen: dict[bool, list[int]] = {True: [], False: []}
    trainer.model.register_forward_hook(lambda model, images, logits: seen[model.training].append(images[0].shape[-1]))
    list(trainer)
    assert source.info.image_size == 16 and set(seen[False]) == {16}
    assert seen[True] == sorted(seen[True]) and set(seen[True]) == {12, 14, 16}


def test_averaged_weights_are_what_is_validated_and_saved(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=6, ema=0.7, batch_norm=True)
    epochs = train_all_epochs(config, tmp_path / "run", home)
    best = max(epochs, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))
    loss, accuracy = validation_figures(config, tmp_path / "run", home)
    assert (loss, accuracy) == (pytest.approx(best.val_loss, rel=1e-4), pytest.approx(best.val_accuracy))


def test_early_stopping_ends_the_run_with_its_test_and_a_note(home: Home, image_folder: Path, tmp_path: Path):
    (tmp_path / "run").mkdir()
    events = list(train_run(tiny_config(image_folder, epochs=30, learning_rate=1e-12, patience=2), tmp_path / "run", home))
    assert sum(isinstance(event, Epoch) for event in events) == 3 and isinstance(events[-1], Finished)
    assert Note(STOPPED_EARLY.format(epoch=3, epochs=counted(2, "epoch"))) in events
    assert next(event.patience for event in events if isinstance(event, Started)) == 2
