"""A run from start to end: its files, the weights they hold, and that the test set is not used for model selection."""

import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score

from cnn_core.config.suggestions import divergence_remedy
from cnn_core.data.batches import Batches
from cnn_core.data.decoder import UNREADABLE
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.data.statistics import channel_statistics
from cnn_core.errors import DivergedError
from cnn_core.events import Epoch, Event, Finished, Note, Progress, Started, Steps
from cnn_core.home import CARD, CONFIG, CURVES_IMAGE, EPOCHS, EVALUATIONS, PREDICTIONS_IMAGE, TRAINING_DYNAMICS, WEIGHTS, Home
from cnn_core.inference.logits import compute_logits
from cnn_core.models.saving import load_model
from cnn_core.models.simple import SimpleCNN
from cnn_core.training import meter
from cnn_core.training.recipe import split_validation, train_run
from tests.conftest import Trained
from tests.helpers import COLOURS, is_a_sentence, noisy_image, tiny_config, write_images
from tests.training.trained_folders import CPU, are_equal, train_all_epochs, validation_figures, weights


def events_of(trained: Trained) -> list[Event]:
    return [stored.event for stored in trained.store.log.read(trained.id)]


def test_a_finished_run_leaves_all_its_files_and_no_others(digits_run: Trained):
    expected = {CONFIG, CARD, WEIGHTS, EVALUATIONS, CURVES_IMAGE, PREDICTIONS_IMAGE, EPOCHS, TRAINING_DYNAMICS, ".lock"}
    assert {path.name for path in digits_run.folder.iterdir()} == expected
    assert json.loads((digits_run.folder / CONFIG).read_text()) == digits_run.run.config.model_dump()
    fresh = SimpleCNN(channels=1, image_size=32, classes=10, dropout=0.0)
    fresh.load_state_dict(torch.load(digits_run.folder / WEIGHTS, weights_only=True))


@pytest.mark.parametrize("name", [CURVES_IMAGE, PREDICTIONS_IMAGE])
def test_its_images_are_real_pngs_with_something_on_them(digits_run: Trained, name: str):
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


def test_the_best_epoch_is_saved_when_later_ones_are_worse(home: Home, tmp_path: Path):
    rng = np.random.default_rng(0)
    for name in ("heads", "tails"):  # nothing to learn: the longer it trains, the worse it does on other images
        (tmp_path / "coin" / name).mkdir(parents=True)
        for index in range(40):
            noisy_image(COLOURS["grey"], (8, 8), rng).save(tmp_path / "coin" / name / f"{index}.png")
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
        write_images(data / "train", count=8)
        write_images(data / "test", test_classes, count=3 + turn, seed=100 + turn)
        config = tiny_config(data, epochs=3)
        train_all_epochs(config, tmp_path / f"run{turn}", home)
        folders.append(tmp_path / f"run{turn}")
    assert are_equal(weights(folders[0]), weights(folders[1]))


def test_the_same_settings_give_the_same_weights_and_another_seed_others(home: Home, image_folder: Path, tmp_path: Path):
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        train_all_epochs(tiny_config(image_folder, seed=seed), tmp_path / name, home)
    one, same, other = (weights(tmp_path / name) for name in ("one", "same", "other"))
    assert are_equal(one, same) and not are_equal(one, other)


@pytest.mark.parametrize("rate", [10, 7.5])
def test_a_run_that_diverges_names_a_lower_learning_rate_and_keeps_the_best_of_earlier_epochs(
    home: Home, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float
):
    monkeypatch.setattr(meter, "REPORT_SECONDS", -1.0)
    (tmp_path / "run").mkdir()
    late = {"schedule": "linear", "knots": "0:0.0001, 0.5:0.0001, 0.51:1, 1:1", "warmup": 0}  # calm for half of the epochs
    config = tiny_config(image_folder, epochs=8, optimizer="sgd", learning_rate=rate, momentum=0.9, **late)
    seen, saved = [], b""
    with pytest.raises(DivergedError, match=divergence_remedy(config)) as problem:
        for event in train_run(config, tmp_path / "run", home):
            seen.append(event)
            if isinstance(event, Epoch) and event.is_best:
                saved = (tmp_path / "run" / WEIGHTS).read_bytes()
    assert is_a_sentence(problem.value) and saved == (tmp_path / "run" / WEIGHTS).read_bytes() != b""
    assert all(np.isfinite(event.loss).all() for event in seen if isinstance(event, Steps))
    figures = [(event.val_accuracy, -event.val_loss) for event in seen if isinstance(event, Epoch)]
    loss, accuracy = validation_figures(config, tmp_path / "run", home)
    assert (accuracy, -loss) == (pytest.approx(max(figures)[0]), pytest.approx(max(figures)[1], rel=1e-4))


def test_every_epoch_shows_every_training_image_once_and_in_a_new_order(home: Home, image_folder: Path, tmp_path: Path):
    still = {"learning_rate": 1e-12, "optimizer": "sgd", "dropout": 0, "crop": 0, "flip": "off"}  # so small: nothing moves
    (tmp_path / "run").mkdir()
    losses: list[list[float]] = []
    with contextlib.closing(
        train_run(tiny_config(image_folder, epochs=3, batch_size=7, **still), tmp_path / "run", home)
    ) as events:
        while len(losses) < 3:
            event = next(events)
            if isinstance(event, Steps) and len(event.loss) == 3:  # 21 images in three batches of the same size
                losses.append(list(event.loss))
    means = [np.mean(epoch) for epoch in losses]
    assert means == pytest.approx([means[0]] * 3, abs=1e-5)
    assert len({tuple(np.round(epoch, 5)) for epoch in losses}) == 3


def test_files_that_were_left_out_become_notes_of_the_run(home: Home, tmp_path: Path):
    for part, left_out in (("train", "diary.png"), ("test", "poem.png")):
        write_images(tmp_path / "data" / part, count=5)
        (tmp_path / "data" / part / "red" / left_out).write_text("no image")
    (tmp_path / "run").mkdir()
    notes, train_count = [], 0
    with contextlib.closing(train_run(tiny_config(tmp_path / "data", epochs=1), tmp_path / "run", home)) as events:
        while not train_count:
            event = next(events)
            notes += [event.text] if isinstance(event, Note) else []
            train_count = event.train_count if isinstance(event, Started) else train_count
    assert "train/red/diary.png" in notes[0] and "test/red/poem.png" in notes[1] and all(UNREADABLE in note for note in notes)
    assert len(notes) == 2 and train_count == 12


def test_class_names_with_dollar_signs_are_written_as_they_are(home: Home, tmp_path: Path):
    for colour, name in (("red", "$_$"), ("green", r"a\frac$b$")):
        write_images(tmp_path / "money", [colour], count=6)
        os.rename(tmp_path / "money" / colour, tmp_path / "money" / name)
    (tmp_path / "run").mkdir()
    events = list(train_run(tiny_config(tmp_path / "money", epochs=1, batch_size=4), tmp_path / "run", home))
    assert isinstance(events[-1], Finished)
    assert (tmp_path / "run" / PREDICTIONS_IMAGE).stat().st_size > 5000
