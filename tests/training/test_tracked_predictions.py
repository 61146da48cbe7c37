"""Predictions for tracked images are those of the epoch's own weights, and final weights are the same with and without them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnn_core.errors import RunError
from cnn_core.events import Epoch, Event, Finished, Note, Resumed, Started, Steps, TrackedPredictions
from cnn_core.execution.in_process import execute
from cnn_core.home import TRACKED_IMAGES, Home
from cnn_core.models.checkpoint import load_epoch
from cnn_core.models.saving import ModelCard
from cnn_core.runs.branch import branch_run
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.runs.store import Store
from cnn_core.training.tracked_images import (
    DAMAGED,
    MAX_IMAGES,
    TrackedImage,
    add_tracked_images,
    read_tracked_images,
    remove_tracked_image,
)
from cnn_core.training.tracked_predictions import MISFIT, predict_saved_epochs
from tests.helpers import drain, is_a_sentence, tiny_config
from tests.training.tracked_runs import EPOCHS, STEPS_PER_EPOCH, noise_images, predictions_in, same_weights, train

pytestmark = pytest.mark.usefixtures("every_step")


def plain_probabilities(folder: Path, epoch: int, tracked: list[TrackedImage]) -> np.ndarray:
    """What the network of a kept epoch says of the tracked: plain torch, one image at a time, in the default memory layout."""
    card = ModelCard.model_validate_json((folder / "model.json").read_bytes())
    state = load_epoch(folder, epoch)["trainer"]
    model = card.build()
    averaged = {name[len("module.") :]: value for name, value in (state["average"] or {}).items() if name.startswith("module.")}
    model.load_state_dict((averaged or state["model"]) | (state["statistics"] or {}))
    model.eval()
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (card.mean, card.std))
    rows = []
    with torch.no_grad():
        for image in tracked:
            image = (torch.from_numpy(image.pixels).permute(2, 0, 1) / 255 - mean) / std
            rows.append(torch.softmax(model(image[None])[0], 0).numpy())
    return np.array(rows)


CONFIGS: dict[str, dict[str, Any]] = {
    "dropout, batch norm": {"dropout": 0.4, "batch_norm": True},
    "averaged, mirrored": {"ema": 0.8, "mirror": True, "mixup": 0.5},
}


@pytest.mark.parametrize("chosen", CONFIGS.values(), ids=CONFIGS)
def test_what_is_reported_after_an_epoch_is_what_its_saved_weights_say(
    home: Home, image_folder: Path, tmp_path: Path, chosen: dict
):
    tracked, folder = noise_images(4), tmp_path / "run"
    folder.mkdir()
    add_tracked_images(folder, tracked)
    events = train(tiny_config(image_folder, epochs=EPOCHS, precision="float32", **chosen), folder, home)
    reported = predictions_in(events)
    assert [(event.epoch, event.step) for event in reported] == [(n, n * STEPS_PER_EPOCH) for n in range(1, EPOCHS + 1)]
    for event in reported:
        assert events[events.index(event) - 1].epoch == event.epoch and isinstance(events[events.index(event) - 1], Epoch)
        assert event.names == tuple(image.name for image in tracked)
        np.testing.assert_allclose(event.probabilities, plain_probabilities(folder, event.epoch, tracked), atol=2e-5)
        np.testing.assert_allclose(np.sum(event.probabilities, 1), 1, atol=3e-5)
    assert reported[0].probabilities != reported[-1].probabilities


@pytest.mark.parametrize("chosen", CONFIGS.values(), ids=CONFIGS)
def test_a_training_with_tracked_images_ends_with_the_bits_of_one_without(
    home: Home, image_folder: Path, tmp_path: Path, chosen: dict
):
    config = tiny_config(image_folder, epochs=EPOCHS, **chosen)
    without = train(config, tmp_path / "without", home)
    (tmp_path / "with").mkdir()
    add_tracked_images(tmp_path / "with", noise_images(MAX_IMAGES))
    events = train(config, tmp_path / "with", home)
    assert same_weights(tmp_path / "with", tmp_path / "without")
    losses = [[event.loss for event in some if isinstance(event, Steps)] for some in (events, without)]
    assert losses[0] == losses[1] and len(predictions_in(events)) == EPOCHS and not predictions_in(without)


@pytest.mark.parametrize("stop", [STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH], ids=["within an epoch", "at its end"])
def test_a_resumed_run_ends_with_the_same_bits_and_tells_the_same_of_its_tracked_images(
    home: Home, image_folder: Path, tmp_path: Path, stop: int
):
    config = tiny_config(image_folder, epochs=EPOCHS, dropout=0.3)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
        add_tracked_images(tmp_path / name, noise_images(2))
    whole = train(config, tmp_path / "whole", home)
    events = train(config, tmp_path / "cut", home, until=lambda event: isinstance(event, Steps) and event.step == stop)
    events += train(config, tmp_path / "cut", home, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut") and predictions_in(events) == predictions_in(whole)


def test_a_run_that_was_stopped_between_an_epoch_and_its_tracked_images_lacks_nothing_afterwards(
    home: Home, image_folder: Path, tmp_path: Path
):
    config = tiny_config(image_folder, epochs=EPOCHS)
    add_tracked_images(tmp_path, noise_images(2))
    events = train(config, tmp_path, home, until=lambda event: isinstance(event, Epoch) and event.epoch == 2)
    assert [event.epoch for event in predictions_in(events)] == [1]
    events += train(config, tmp_path, home, resume=True)
    assert [event.epoch for event in predictions_in(events)] == [1, 2, 3]


def test_adding_and_removing_while_a_run_trains_holds_from_the_next_epoch_on(home: Home, image_folder: Path, tmp_path: Path):
    first, second = noise_images(2)

    def ask(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 1:
            add_tracked_images(tmp_path, [first])
        if isinstance(event, Steps) and event.step == STEPS_PER_EPOCH + 1:
            add_tracked_images(tmp_path, [second])
        if isinstance(event, Steps) and event.step == 2 * STEPS_PER_EPOCH + 1:
            remove_tracked_image(tmp_path, first.name)

    events = train(tiny_config(image_folder, epochs=4), tmp_path, home, ask=ask)
    expected = [(1, (first.name,)), (2, (first.name, second.name)), (3, (second.name,))]
    assert [(event.epoch, event.names) for event in predictions_in(events)] == expected


def test_a_damaged_file_is_reported_once_and_training_continues(home: Home, image_folder: Path, tmp_path: Path):
    (tmp_path / TRACKED_IMAGES).write_bytes(b"PK\x03\x04 cut short")
    events = train(tiny_config(image_folder, epochs=EPOCHS), tmp_path, home)
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert note == DAMAGED.format(run=tmp_path.name) and is_a_sentence(note)
    assert isinstance(events[-1], Finished) and not predictions_in(events)


@pytest.mark.parametrize("image", [{"side": 32}, {"channels": 1}], ids=["size", "colours"])
def test_tracked_images_that_do_not_fit_the_model_are_reported_once_and_training_continues(
    home: Home, image_folder: Path, tmp_path: Path, image: dict[str, int]
):
    add_tracked_images(tmp_path, noise_images(1, **image))
    events = train(tiny_config(image_folder), tmp_path, home)
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert note == MISFIT.format(size=16, classes=3) and is_a_sentence(note)
    assert isinstance(events[-1], Finished) and not predictions_in(events)


def test_the_store_gives_back_what_was_reported(store: Store, image_folder: Path):
    run, event = store.create(tiny_config(image_folder)), TrackedPredictions(1, 3, ("a", "b"), ((0.25, 0.75), (1.0, 0.0)))
    store.log.append(run, [Started(1, "CPU", 1, 1, 1, 3, 2), event, Steps(2, 4, 8, (1.0,), (0.5,), 0.1, 1.0, 1.0, 1.0, 1.0)])
    assert store.log.read(run)[1] == StoredEvent(2, event)
    assert (
        store.log.read(run, kinds=[TrackedPredictions]) == [StoredEvent(2, event)]
        and store.log.read(run, 2, [TrackedPredictions]) == []
    )
    assert asdict(event)["probabilities"] == ((0.25, 0.75), (1.0, 0.0))
    with store.database.connect() as db:  # the kind that earlier versions stored and read
        assert db.execute("select kind from events where seq = 2").fetchone() == ("Probed",)


def test_a_history_takes_back_what_was_reported_after_the_place_of_a_resumption_and_keeps_one_prediction_an_epoch():
    reported = [TrackedPredictions(epoch, 3 * epoch, ("a",), ((1.0,),)) for epoch in (1, 2, 3)]
    again = TrackedPredictions(2, 6, ("b",), ((0.5,),))
    history = History()
    history.add(StoredEvent(seq, event) for seq, event in enumerate([*reported, Resumed(6, 2), again], start=1))
    assert history.tracked == [reported[0], again]


def test_a_branch_takes_its_parents_tracked_images_and_what_was_reported_of_them_along(store: Store, image_folder: Path):
    parent = store.create(tiny_config(image_folder, epochs=EPOCHS))
    folder = store.home.run_folder(parent)
    add_tracked_images(folder, noise_images(3))
    assert execute(store, parent) == "finished"
    child = branch_run(store, parent, 2, {})
    assert [image.name for image in read_tracked_images(store.home.run_folder(child))] == [
        image.name for image in noise_images(3)
    ]
    remove_tracked_image(folder, noise_images(1)[0].name)
    assert execute(store, child) == "finished"
    reported = {}
    for run in (parent, child):
        history = History()
        history.add(store.log.read(run))
        reported[run] = history.tracked
    assert reported[child] == reported[parent] and [event.epoch for event in reported[child]] == [1, 2, 3]


def test_a_branch_of_a_run_with_damaged_tracked_images_begins_without_any(store: Store, image_folder: Path):
    parent = store.create(tiny_config(image_folder))
    assert execute(store, parent) == "finished"
    (store.home.run_folder(parent) / TRACKED_IMAGES).write_bytes(b"damaged")
    assert read_tracked_images(store.home.run_folder(branch_run(store, parent, 1, {}))) == []


@pytest.mark.parametrize("chosen", CONFIGS.values(), ids=CONFIGS)
def test_earlier_epochs_are_classified_from_the_states_that_were_saved(
    home: Home, image_folder: Path, tmp_path: Path, chosen: dict
):
    config = tiny_config(image_folder, epochs=EPOCHS, precision="float32", **chosen)
    add_tracked_images(tmp_path, noise_images(2))
    reported = predictions_in(train(config, tmp_path, home))
    progress, filled = drain(predict_saved_epochs(tmp_path, [1, 2, 3, 9]))
    assert [(step.done, step.total) for step in progress] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert [(event.epoch, event.step, event.names) for event in filled] == [(e.epoch, e.step, e.names) for e in reported]
    for one, other in zip(filled, reported, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-5)


def test_earlier_epochs_of_a_run_without_a_card_are_refused_with_a_message(tmp_path: Path):
    add_tracked_images(tmp_path, noise_images(1))
    with pytest.raises(RunError) as refusal:
        drain(predict_saved_epochs(tmp_path, [1]))
    assert is_a_sentence(refusal.value)
