"""The whole story of a run: the files it leaves, whose weights they hold, and that test images choose nothing."""

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score

from cnn_core.config.schema import TrainConfig
from cnn_core.data.batches import Batches
from cnn_core.data.open import open_source
from cnn_core.data.source import ImageSet, finish
from cnn_core.data.statistics import channel_statistics
from cnn_core.errors import DataError, DivergedError, SettingError
from cnn_core.events import Epoch, Event, Finished, Note, Progress, Started, Steps
from cnn_core.home import CARD, CONFIG, CURVES_PICTURE, EPOCHS, EVALUATIONS, LEARNING, PREDICTIONS_PICTURE, WEIGHTS, Home
from cnn_core.inference.logits import compute_logits, loss_and_accuracy
from cnn_core.models.saving import load_model
from cnn_core.models.simple import SimpleCNN
from cnn_core.training import meter
from cnn_core.training.recipe import prepare, split_validation, train_run
from tests.conftest import Trained
from tests.helpers import COLOURS, is_a_sentence, picture, tiny_config, write_pictures

CPU = torch.device("cpu")


def events_of(trained: Trained) -> list[Event]:
    return [stored.event for stored in trained.store.log.read(trained.id)]


def train_all_epochs(config: TrainConfig, folder: Path, home: Home) -> list[Epoch]:
    """Train to the end of the last epoch and no further: without test images and pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    epochs: list[Epoch] = []
    with contextlib.closing(train_run(config, folder, home)) as events:
        for event in events:
            epochs += [event] if isinstance(event, Epoch) else []
            if len(epochs) == config.epochs:
                break
    return epochs


def validation_figures(config: TrainConfig, folder: Path, home: Home) -> tuple[float, float]:
    """Loss and accuracy of the saved weights on the validation images, computed afresh."""
    model, card = load_model(folder, CPU)
    _, held_out = split_validation(finish(open_source(config.data, home).load("train")), config)
    batches = Batches(held_out, batch_size=64, device=CPU, mean=card.mean, std=card.std)
    return loss_and_accuracy(finish(compute_logits(model, batches, "")), batches.labels)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / WEIGHTS, weights_only=True)


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_finished_run_leaves_all_its_files_and_no_others(digits_run: Trained):
    expected = {CONFIG, CARD, WEIGHTS, EVALUATIONS, CURVES_PICTURE, PREDICTIONS_PICTURE, EPOCHS, LEARNING, ".lock"}
    assert {path.name for path in digits_run.folder.iterdir()} == expected
    assert json.loads((digits_run.folder / CONFIG).read_text()) == digits_run.run.config.model_dump()
    fresh = SimpleCNN(channels=1, image_size=32, classes=10, dropout=0.0)
    fresh.load_state_dict(torch.load(digits_run.folder / WEIGHTS, weights_only=True))


@pytest.mark.parametrize("name", [CURVES_PICTURE, PREDICTIONS_PICTURE])
def test_its_pictures_are_real_pngs_with_something_on_them(digits_run: Trained, name: str):
    content = (digits_run.folder / name).read_bytes()
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        image.load()
        assert 800 <= image.width <= 2000 and 400 <= image.height <= 2000
        colours = np.asarray(image.convert("RGB"))[::3, ::3].reshape(-1, 3)
    assert 10_000 < len(content) < 1_000_000
    assert len(np.unique(colours, axis=0)) > 50 and 0.02 < (colours < 128).any(1).mean() < 0.98


def test_its_events_tell_the_story_in_order(digits_run: Trained):
    events = events_of(digits_run)
    started, finished = (next(e for e in events if isinstance(e, kind)) for kind in (Started, Finished))
    assert isinstance(events[0], Progress) and events[-1] is finished
    assert not any(isinstance(event, (Steps, Epoch)) for event in events[: events.index(started)])
    assert (started.train_count, started.val_count, started.test_count) == (1222, 216, 359)
    assert started.parameters == 505_578 and started.epochs == 6 and started.steps_per_epoch == -(-1222 // 64)
    assert started.device.startswith("CPU")
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [epoch.step for epoch in epochs] == [started.steps_per_epoch * number for number in range(1, 7)]
    assert finished.test_accuracy > 0.9


def test_the_saved_model_is_the_best_epochs_and_its_test_figures_are_its_own(digits_run: Trained):
    loss, accuracy = validation_figures(digits_run.run.config, digits_run.folder, digits_run.home)
    best = [event for event in events_of(digits_run) if isinstance(event, Epoch) and event.is_best][-1]
    assert accuracy == pytest.approx(digits_run.run.summary["best_val_accuracy"], abs=1e-6) == best.val_accuracy
    assert loss == pytest.approx(best.val_loss, rel=1e-4)
    model, card = load_model(digits_run.folder, CPU)
    test = finish(open_source("digits", digits_run.home).load("test"))
    batches = Batches(test, batch_size=359, device=CPU, mean=card.mean, std=card.std)
    predicted = finish(compute_logits(model, batches, "")).argmax(1).numpy()
    assert accuracy_score(test.labels, predicted) == pytest.approx(digits_run.run.summary["test_accuracy"])


def test_the_card_holds_the_training_images_own_statistics(digits_run: Trained):
    _, card = load_model(digits_run.folder, CPU)
    training, _ = split_validation(finish(open_source("digits", digits_run.home).load("train")), digits_run.run.config)
    assert (card.mean, card.std) == channel_statistics(training)
    assert card.ink == "uci" and card.classes == tuple("0123456789")
    assert card.fingerprint == open_source("digits", digits_run.home).info.fingerprint


def test_the_best_epoch_is_kept_when_later_ones_are_worse(home: Home, tmp_path: Path):
    rng = np.random.default_rng(0)
    for name in ("heads", "tails"):  # nothing to learn: the longer it trains, the worse it does on other images
        (tmp_path / "coin" / name).mkdir(parents=True)
        for index in range(40):
            picture(COLOURS["grey"], (8, 8), rng).save(tmp_path / "coin" / name / f"{index}.png")
    config = tiny_config(tmp_path / "coin", epochs=25, validation_share=0.4, dropout=0, crop=0, flip="off")
    epochs = train_all_epochs(config, tmp_path / "run", home)
    best = max(epochs, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))
    assert best.epoch < 25 and [epoch.epoch for epoch in epochs if epoch.is_best][-1] == best.epoch
    loss, accuracy = validation_figures(config, tmp_path / "run", home)
    assert (loss, accuracy) == (pytest.approx(best.val_loss, rel=1e-4), pytest.approx(best.val_accuracy))
    assert loss != pytest.approx(epochs[-1].val_loss, rel=1e-3)


def test_test_images_choose_nothing(home: Home, tmp_path: Path):
    folders = []
    for turn, test_classes in enumerate((("blue", "green", "red"), ("red",))):
        data = tmp_path / f"data{turn}"
        write_pictures(data / "train", count=8)
        write_pictures(data / "test", test_classes, count=3 + turn, seed=100 + turn)
        config = tiny_config(data, epochs=3)
        train_all_epochs(config, tmp_path / f"run{turn}", home)
        folders.append(tmp_path / f"run{turn}")
    assert are_equal(weights(folders[0]), weights(folders[1]))


def test_the_same_settings_give_the_same_weights_and_another_seed_others(home: Home, pictures: Path, tmp_path: Path):
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        train_all_epochs(tiny_config(pictures, seed=seed), tmp_path / name, home)
    one, same, other = (weights(tmp_path / name) for name in ("one", "same", "other"))
    assert are_equal(one, same) and not are_equal(one, other)


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
    {"mixup": 0.3},
    {"cutmix": 1},
    {"dropout": 0.5},
    {"label_smoothing": 0.1},
    {"clip_norm": 0.1},
    {"ema": 0.5},
    {"precision": "bfloat16"},
    {"batch_size": 5},
    {"validation_share": 0.3},
    {"seed": 1},
    {"model": "speed"},
    {"model": "speed", "start_side": 0.5},
]


def test_every_setting_of_the_training_matters(home: Home, pictures: Path, tmp_path: Path):
    seen = []
    for turn, chosen in enumerate(({}, *OTHERS)):
        train_all_epochs(tiny_config(pictures, **{"dropout": 0.2, **chosen}), tmp_path / str(turn), home)
        seen.append((tmp_path / str(turn) / WEIGHTS).read_bytes())
    assert len(set(seen)) == len(seen)
    left = {
        "data",
        "model",
        "epochs",
        "weights",
        "plateau_patience",
        "patience",
        "mirror",
        "device",
        "channels_last",
        "compile",
        "deterministic",
    }
    assert {name for chosen in OTHERS for name in chosen} == {*TrainConfig.model_fields} - left | {"model"}


@pytest.mark.parametrize(("flip", "is_averaged"), [("random", True), ("off", False)])
def test_predicting_from_both_mirrorings_is_kept_with_the_model_where_images_are_flipped(
    home: Home, pictures: Path, tmp_path: Path, flip: str, is_averaged: bool
):
    train_all_epochs(tiny_config(pictures, mirror=True, flip=flip), tmp_path / "run", home)
    model, card = load_model(tmp_path / "run", torch.device("cpu"))
    images = torch.randn(8, card.channels, card.image_size, card.image_size)
    assert card.mirror == is_averaged == torch.equal(model(images), model(images.flip(3)))


def test_training_images_grow_while_validation_images_have_their_full_side(home: Home, pictures: Path):
    config = tiny_config(pictures, model="speed", start_side=0.75, epochs=4)
    source = open_source(config.data, home)
    trainer, _ = prepare(config, source.info, finish(source.load("train")), torch.device("cpu"))
    seen: dict[bool, list[int]] = {True: [], False: []}
    trainer.model.register_forward_hook(lambda model, images, logits: seen[model.training].append(images[0].shape[-1]))
    list(trainer)
    assert source.info.image_size == 16 and set(seen[False]) == {16}
    assert seen[True] == sorted(seen[True]) and set(seen[True]) == {12, 14, 16}


def test_averaged_weights_are_what_is_validated_and_saved(home: Home, pictures: Path, tmp_path: Path):
    config = tiny_config(pictures, epochs=6, ema=0.7, batch_norm=True)
    epochs = train_all_epochs(config, tmp_path / "run", home)
    best = max(epochs, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))
    loss, accuracy = validation_figures(config, tmp_path / "run", home)
    assert (loss, accuracy) == (pytest.approx(best.val_loss, rel=1e-4), pytest.approx(best.val_accuracy))


def test_early_stopping_ends_the_run_with_its_test_and_a_note(home: Home, pictures: Path, tmp_path: Path):
    (tmp_path / "run").mkdir()
    events = list(train_run(tiny_config(pictures, epochs=30, learning_rate=1e-12, patience=2), tmp_path / "run", home))
    assert sum(isinstance(event, Epoch) for event in events) == 3 and isinstance(events[-1], Finished)
    assert any(isinstance(event, Note) and "Stopped early after epoch 3" in event.text for event in events)
    assert next(event.patience for event in events if isinstance(event, Started)) == 2


@pytest.mark.parametrize(("rate", "words"), [(10, "below 10, for example 1, and"), (7.5, "below 7.5, for example 0.75, and")])
def test_a_run_that_diverges_names_a_lower_learning_rate_and_keeps_the_best_of_earlier_epochs(
    home: Home, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float, words: str
):
    monkeypatch.setattr(meter, "REPORT_SECONDS", -1.0)
    (tmp_path / "run").mkdir()
    late = {"schedule": "linear", "knots": "0:0.0001, 0.5:0.0001, 0.51:1, 1:1", "warmup": 0}  # calm for half of the epochs
    config = tiny_config(pictures, epochs=8, optimizer="sgd", learning_rate=rate, momentum=0.9, **late)
    seen, kept = [], b""
    with pytest.raises(DivergedError, match=words) as problem:
        for event in train_run(config, tmp_path / "run", home):
            seen.append(event)
            if isinstance(event, Epoch) and event.is_best:
                kept = (tmp_path / "run" / WEIGHTS).read_bytes()
    assert is_a_sentence(problem.value) and kept == (tmp_path / "run" / WEIGHTS).read_bytes() != b""
    assert all(np.isfinite(event.loss).all() for event in seen if isinstance(event, Steps))
    figures = [(event.val_accuracy, -event.val_loss) for event in seen if isinstance(event, Epoch)]
    loss, accuracy = validation_figures(config, tmp_path / "run", home)
    assert (accuracy, -loss) == (pytest.approx(max(figures)[0]), pytest.approx(max(figures)[1], rel=1e-4))


def test_every_epoch_shows_every_training_image_once_and_in_a_new_order(home: Home, pictures: Path, tmp_path: Path):
    still = {"learning_rate": 1e-12, "optimizer": "sgd", "dropout": 0, "crop": 0, "flip": "off"}  # so small: nothing moves
    (tmp_path / "run").mkdir()
    losses: list[list[float]] = []
    with contextlib.closing(train_run(tiny_config(pictures, epochs=3, batch_size=7, **still), tmp_path / "run", home)) as events:
        while len(losses) < 3:
            event = next(events)
            if isinstance(event, Steps) and len(event.loss) == 3:  # 21 images in three batches of the same size
                losses.append(list(event.loss))
    means = [np.mean(epoch) for epoch in losses]
    assert means == pytest.approx([means[0]] * 3, abs=1e-5)
    assert len({tuple(np.round(epoch, 5)) for epoch in losses}) == 3


def test_files_that_were_left_out_become_notes_of_the_run(home: Home, tmp_path: Path):
    for part, left_out in (("train", "diary.png"), ("test", "poem.png")):
        write_pictures(tmp_path / "data" / part, count=5)
        (tmp_path / "data" / part / "red" / left_out).write_text("no picture")
    (tmp_path / "run").mkdir()
    notes, train_count = [], 0
    with contextlib.closing(train_run(tiny_config(tmp_path / "data", epochs=1), tmp_path / "run", home)) as events:
        while not train_count:
            event = next(events)
            notes += [event.text] if isinstance(event, Note) else []
            train_count = event.train_count if isinstance(event, Started) else train_count
    assert "train/red/diary.png is not an image" in notes[0] and "test/red/poem.png is not an image" in notes[1]
    assert len(notes) == 2 and train_count == 12


def test_class_names_with_dollar_signs_are_written_as_they_are(home: Home, tmp_path: Path):
    for colour, name in (("red", "$_$"), ("green", r"a\frac$b$")):
        write_pictures(tmp_path / "money", [colour], count=6)
        os.rename(tmp_path / "money" / colour, tmp_path / "money" / name)
    (tmp_path / "run").mkdir()
    events = list(train_run(tiny_config(tmp_path / "money", epochs=1, batch_size=4), tmp_path / "run", home))
    assert isinstance(events[-1], Finished)
    assert (tmp_path / "run" / PREDICTIONS_PICTURE).stat().st_size > 5000


def test_too_few_images_to_keep_any_for_validation_are_refused_in_words(home: Home, tmp_path: Path):
    write_pictures(tmp_path / "train", count=1)
    write_pictures(tmp_path / "test", count=1)
    with pytest.raises(DataError, match="too few images") as refusal:
        list(train_run(tiny_config(tmp_path, batch_size=1), tmp_path, home))
    assert is_a_sentence(refusal.value)


def test_a_batch_larger_than_the_training_images_is_refused_in_words(pictures: Path, home: Home):
    images = finish(open_source(str(pictures), home).load("train"))
    config = tiny_config(pictures, batch_size=22, validation_share=0.1)  # 24 images, of which 3 are kept apart
    with pytest.raises(SettingError, match="Batch size is 22, more than the 21 training images") as refusal:
        split_validation(images, config)
    assert is_a_sentence(refusal.value) and refusal.value.field == "batch_size"


def test_validation_images_are_a_seeded_share_of_every_class_and_not_trained_on(pictures: Path):
    images = ImageSet(np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1), np.arange(100) % 4)
    config = tiny_config(pictures, validation_share=0.2)
    training, held_out = split_validation(images, config)
    assert sorted([*training.images.ravel(), *held_out.images.ravel()]) == list(range(100))
    assert np.bincount(held_out.labels).tolist() == [5] * 4 and len(training) == 80
    for part in (training, held_out):
        assert np.array_equal(part.images.ravel() % 4, part.labels)
    _, other = split_validation(images, tiny_config(pictures, validation_share=0.2, seed=1))
    assert not np.array_equal(other.images, held_out.images)


@pytest.fixture
def three_parts(tmp_path: Path) -> Path:
    """A folder with train, val and test in it: 15, 9 and 6 pictures, no two alike."""
    for seed, (part, count) in enumerate((("train", 5), ("val", 3), ("test", 2))):
        write_pictures(tmp_path / "parts" / part, count=count, seed=seed)
    return tmp_path / "parts"


def test_a_set_with_validation_images_of_its_own_is_validated_on_these_and_trained_on_all_others(
    home: Home, three_parts: Path, tmp_path: Path
):
    config = tiny_config(three_parts, validation_share=0.5, batch_size=4)
    (tmp_path / "run").mkdir()
    events = list(train_run(config, tmp_path / "run", home))
    started = next(event for event in events if isinstance(event, Started))
    assert (started.train_count, started.val_count, started.test_count, started.steps_per_epoch) == (15, 9, 6, 4)
    source = open_source(config.data, home)
    assert config.images_left(source.info) == 15 and config.steps_per_epoch(source.info) == 4
    model, card = load_model(tmp_path / "run", CPU)
    assert (card.mean, card.std) == channel_statistics(finish(source.load("train")))
    val = finish(source.load("val"))
    batches = Batches(val, batch_size=64, device=CPU, mean=card.mean, std=card.std)
    loss, accuracy = loss_and_accuracy(finish(compute_logits(model, batches, "")), batches.labels)
    best = [event for event in events if isinstance(event, Epoch) and event.is_best][-1]
    assert (best.val_loss, best.val_accuracy) == (pytest.approx(loss, rel=1e-4), pytest.approx(accuracy, abs=1e-6))


def test_the_validation_share_plays_no_part_where_the_set_has_validation_images(home: Home, three_parts: Path, tmp_path: Path):
    shares = (0.1, 0.4)
    epochs = [train_all_epochs(tiny_config(three_parts, validation_share=share), tmp_path / str(share), home) for share in shares]
    assert [(e.train_loss, e.val_loss) for e in epochs[0]] == [(e.train_loss, e.val_loss) for e in epochs[1]]
    assert are_equal(*(weights(tmp_path / str(share)) for share in shares))


def test_images_kept_as_a_share_are_those_that_a_folder_of_their_own_would_hold(home: Home, pictures: Path):
    images = finish(open_source(str(pictures), home).load("train"))
    config = tiny_config(pictures)
    training, held_out = split_validation(images, config)
    again, given = split_validation(training, config, held_out)
    assert given is held_out and np.array_equal(again.images, training.images) and np.array_equal(again.labels, training.labels)
