"""Resuming: a run that was stopped anywhere ends with the same weights to the bit as one that was not."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_core.data.index.index import Index
from cnn_core.data.path_source import PathSource
from cnn_core.errors import ImagesChangedError
from cnn_core.events import Epoch, Event, Finished, Note, Resumed, Started, Steps
from cnn_core.home import CARD, CHECKPOINT, INDEX, OLD_CHECKPOINT, WEIGHTS, Home
from cnn_core.models.saving import load_model
from cnn_core.text import counted
from cnn_core.training.loop import STOPPED_EARLY
from tests.helpers import is_a_sentence, tiny_config
from tests.models.timm_weights import write_weights
from tests.training.interrupted_runs import EPOCHS, PLACES, STEPS_PER_EPOCH, assert_same_weights, story, train

pytestmark = pytest.mark.usefixtures("every_step")

TRANSFORMER = "test_vit.r160_in1k"

CONFIGS: dict[str, dict[str, Any]] = {
    "adam, dropout, mixup": {"dropout": 0.4, "mixup": 0.5, "clip_norm": 1.0},
    "speed, muon, averaged, growing": {"model": "speed", "optimizer": "muon", "ema": 0.8, "cutout": 0.2, "start_side": 0.6},
    "batch norm, sgd, alternating flip": {"batch_norm": True, "optimizer": "sgd", "flip": "alternating", "label_smoothing": 0.1},
    "plateau": {"schedule": "plateau", "plateau_patience": 1, "optimizer": "rmsprop", "learning_rate": 0.02, "cutout": 0.3},
}


@pytest.mark.parametrize("chosen", CONFIGS.values(), ids=CONFIGS)
def test_a_run_that_was_stopped_anywhere_continues_to_the_same_bits(
    home: Home, image_folder: Path, tmp_path: Path, chosen: dict[str, Any]
):
    config = tiny_config(image_folder, epochs=EPOCHS, **chosen)
    whole = train(config, tmp_path / "whole", home)
    for number, place in enumerate(PLACES.values()):
        folder = tmp_path / str(number)
        events = train(config, folder, home, until=place)
        events += train(config, folder, home, resume=True)
        assert_same_weights(folder, tmp_path / "whole")
        assert story(events) == story(whole)


def test_a_transformer_whose_last_blocks_learn_continues_to_the_same_bits(home: Home, image_folder: Path, tmp_path: Path):
    write_weights(home.weights / f"{TRANSFORMER}.safetensors", TRANSFORMER)
    chosen: dict[str, Any] = {"model": "timm", "timm_name": TRANSFORMER, "size": 32, "train": "blocks", "head_epochs": 2}
    config = tiny_config(image_folder, epochs=EPOCHS, trained_blocks=2, ema=0.9, **chosen)
    whole = train(config, tmp_path / "whole", home)
    for place in ("after the first step", "after an epoch", "before the last validation"):
        events = train(config, tmp_path / place, home, until=PLACES[place])
        events += train(config, tmp_path / place, home, resume=True)
        assert_same_weights(tmp_path / place, tmp_path / "whole")
        assert story(events) == story(whole)


def test_a_run_that_is_stopped_again_and_again_ends_with_the_same_bits(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=EPOCHS, dropout=0.3, ema=0.9, mixup=0.2)
    whole = train(config, tmp_path / "whole", home)
    events: list[Event] = []
    for step in range(1, EPOCHS * STEPS_PER_EPOCH + 1):
        is_there = lambda event, step=step: isinstance(event, Steps) and event.step == step  # noqa: E731
        events += train(config, tmp_path / "run", home, until=is_there, resume=bool(events))
    events += train(config, tmp_path / "run", home, resume=True)
    assert_same_weights(tmp_path / "run", tmp_path / "whole")
    assert story(events) == story(whole)


def test_a_resumed_run_says_where_it_continues_and_repeats_nothing(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=EPOCHS)
    train(config, tmp_path, home, until=PLACES["in the middle of an epoch"])
    events = train(config, tmp_path, home, resume=True)
    at = next(number for number, event in enumerate(events) if isinstance(event, Resumed))
    assert events[at] == Resumed(step=STEPS_PER_EPOCH + 2, epoch=1)
    assert isinstance(events[at - 1], Started) and not any(isinstance(event, (Steps, Epoch)) for event in events[:at])
    assert [event.step for event in events[at:] if isinstance(event, Steps)] == list(range(6, 13))
    assert [event.epoch for event in events[at:] if isinstance(event, Epoch)] == [2, 3, 4]


def test_a_finished_run_leaves_no_checkpoint_behind_and_draws_all_its_epochs(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder)
    train(config, tmp_path, home, until=lambda event: isinstance(event, Epoch))
    assert (tmp_path / CHECKPOINT).is_file()
    events = train(config, tmp_path, home, until=lambda event: False, resume=True)
    assert isinstance(events[-1], Finished)
    assert not (tmp_path / CHECKPOINT).exists() and not (tmp_path / OLD_CHECKPOINT).exists()


def test_a_run_that_stopped_early_stays_stopped_when_it_continues(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=9, learning_rate=1e-12, patience=2)
    train(config, tmp_path, home, until=lambda event: isinstance(event, Epoch) and event.waited == 2)
    events = train(config, tmp_path, home, until=lambda event: False, resume=True)
    assert not any(isinstance(event, (Steps, Epoch)) for event in events) and isinstance(events[-1], Finished)
    assert events.count(Note(STOPPED_EARLY.format(epoch=3, epochs=counted(2, "epoch")))) == 1


def test_a_run_whose_images_have_changed_is_refused_and_its_model_still_works(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=EPOCHS)
    train(config, tmp_path / "run", home, until=PLACES["after an epoch"])
    before = {name: (tmp_path / "run" / name).read_bytes() for name in (CARD, WEIGHTS, CHECKPOINT)}
    (image_folder / "yellow").mkdir()
    for path in (image_folder / "red").iterdir():
        (image_folder / "yellow" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ImagesChangedError) as refusal:
        train(config, tmp_path / "run", home, resume=True)
    assert is_a_sentence(refusal.value)
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before
    assert load_model(tmp_path / "run", torch.device("cpu"))[1].classes == ("blue", "green", "red")


@pytest.mark.parametrize("field", ["label", "is_excluded"])
def test_a_run_whose_images_were_corrected_in_between_is_refused_until_that_is_undone(
    home: Home, image_folder: Path, tmp_path: Path, field: str
):
    config = tiny_config(image_folder, epochs=EPOCHS)
    whole = train(config, tmp_path / "whole", home)
    events = train(config, tmp_path / "run", home, until=PLACES["after an epoch"])
    before = {name: (tmp_path / "run" / name).read_bytes() for name in (CARD, WEIGHTS, CHECKPOINT)}
    index = Index(PathSource(image_folder, home).folder / INDEX)
    rows, labels = index.used_rows("train")
    assert index.corrections.apply(rows[labels == 0][:2].tolist(), field, 1) == 2
    with pytest.raises(ImagesChangedError) as refusal:
        train(config, tmp_path / "run", home, resume=True)
    assert is_a_sentence(refusal.value)
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before
    index.corrections.undo()
    events += train(config, tmp_path / "run", home, resume=True)
    assert_same_weights(tmp_path / "run", tmp_path / "whole")
    assert story(events) == story(whole)


def test_without_a_checkpoint_it_starts_from_the_beginning(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder)
    until = lambda event: isinstance(event, Epoch) and event.epoch == 2  # noqa: E731
    events = train(config, tmp_path / "resumed", home, resume=True, until=until)
    train(config, tmp_path / "fresh", home, until=until)
    assert Resumed(step=0, epoch=0) in events
    assert_same_weights(tmp_path / "resumed", tmp_path / "fresh")
