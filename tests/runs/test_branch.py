"""A branch goes on from the very state its parent had after an epoch, with its curves and its best network until then."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_core.config.changes import BRANCHABLE
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import RunError, SettingError
from cnn_core.events import Epoch, Resumed, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import WEIGHTS, epoch_file, saved_epochs
from cnn_core.models.checkpoint import load_epoch, validated_weights
from cnn_core.models.saving import load_model, read_weights
from cnn_core.runs.branch import branch_run
from cnn_core.runs.history import History
from cnn_core.runs.store import Store
from tests.helpers import is_a_sentence, tiny_config

EPOCHS = 4


def trained(store: Store, image_folder: Path, **chosen: Any) -> str:
    run = store.create(tiny_config(image_folder, **{"epochs": EPOCHS, "dropout": 0.3, **chosen}))
    assert execute(store, run) == "finished"
    return run


def losses(store: Store, run: str) -> list[float]:
    history = History()
    history.add(store.log.read(run))
    return history.snapshot()["steps"]["loss"]["y"]


def same_weights(store: Store, one: str, other: str) -> bool:
    mine, theirs = (torch.load(store.home.run_folder(run) / WEIGHTS, weights_only=True) for run in (one, other))
    return all(torch.equal(value, theirs[name]) for name, value in mine.items())


@pytest.mark.parametrize("chosen", [{}, {"ema": 0.8, "model": "speed", "optimizer": "muon"}], ids=["simple", "speed, averaged"])
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_branch_without_changes_ends_as_its_parent_did_bit_for_bit(store: Store, image_folder: Path, epoch: int, chosen: dict):
    parent = trained(store, image_folder, **chosen)
    child = branch_run(store, parent, epoch, {})
    assert losses(store, child) == losses(store, parent)[: 3 * epoch]
    assert execute(store, child) == "finished"
    assert losses(store, child) == losses(store, parent) and same_weights(store, parent, child)
    row = store.run(child)
    assert (row.parent, row.parent_epoch) == (parent, epoch) and [run.id for run in store.children(parent)] == [child]
    assert [stored.event for stored in store.log.read(child) if isinstance(stored.event, Resumed)] == [Resumed(3 * epoch, epoch)]


def test_a_branch_with_another_rate_and_length_leaves_its_parent_as_it_was(store: Store, image_folder: Path):
    parent = trained(store, image_folder, schedule="constant", warmup=0)
    before = store.log.read(parent)
    child = branch_run(store, parent, 2, {"learning_rate": 0.0005, "epochs": 6, "weight_decay": 0.1, "dropout": 0.0})
    assert execute(store, child) == "finished" and store.log.read(parent) == before
    events = [stored.event for stored in store.log.read(child)]
    rates = [event.learning_rate for event in events if isinstance(event, Steps) and event.step > 6]
    assert set(rates) == {0.0005} and [event.epoch for event in events if isinstance(event, Epoch)] == [1, 2, 3, 4, 5, 6]
    model, _ = load_model(store.home.run_folder(child), torch.device("cpu"))
    assert all(layer.p == 0 for layer in model.modules() if isinstance(layer, torch.nn.Dropout))


@pytest.mark.parametrize("is_kept", [True, False])
def test_the_best_network_until_then_is_the_branchs_best_until_it_finds_a_better_one(
    store: Store, image_folder: Path, is_kept: bool
):
    parent = trained(store, image_folder)
    folder = store.home.run_folder(parent)
    epochs = [stored.event for stored in store.log.read(parent) if isinstance(stored.event, Epoch)]
    best = max(event.epoch for event in epochs[:3] if event.is_best)
    expected = validated_weights(load_epoch(folder, best)["trainer"])
    if not is_kept and best < 3:
        epoch_file(folder, best).unlink()
    child = branch_run(store, parent, 3, {"learning_rate": 1e-9, "dropout": 0.0})  # hardly learns: nothing better is to be found
    inherited = read_weights(store.home.run_folder(child))
    assert all(torch.equal(value, expected[name]) for name, value in inherited.items())
    assert execute(store, child) == "finished" and store.has_model(child)


def test_a_branch_from_one_of_few_saved_epochs_ends_as_its_parent_did_bit_for_bit(store: Store, image_folder: Path):
    parent = trained(store, image_folder, epochs=8, saved_epochs=4)
    folder = store.home.run_folder(parent)
    assert len(saved_epochs(folder)) == 4 and store.run(parent).summary["best_epoch"] in saved_epochs(folder)
    for epoch in saved_epochs(folder)[:-1]:
        child = branch_run(store, parent, epoch, {"saved_epochs": 1000})
        until = [stored.event for stored in store.log.read(child) if isinstance(stored.event, Epoch)]
        assert until[-1].epoch == epoch and store.has_model(child)
        assert execute(store, child) == "finished" and same_weights(store, parent, child)
        assert saved_epochs(store.home.run_folder(child)) == list(range(epoch + 1, 9))


def test_settings_changed_in_the_parent_until_then_hold_in_the_branch(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=5, schedule="constant", warmup=0))

    def watch(event: object) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            store.requests.add(run, "change", learning_rate=0.0007)

    execute(store, run, watch=watch)
    assert [store.config_in_force(run, epoch).learning_rate for epoch in (1, 4)] == [0.003, 0.0007]
    assert store.run(branch_run(store, run, 4, {})).config.learning_rate == 0.0007


def test_what_the_state_belongs_to_cannot_be_other_in_a_branch(store: Store, finished: str):
    config = store.run(finished).config
    for name in sorted(set(TrainConfig.model_fields) - set(BRANCHABLE)):
        with pytest.raises(SettingError) as refusal:
            branch_run(store, finished, 1, {name: getattr(config, name)})
        assert refusal.value.field == name and is_a_sentence(refusal.value)
    assert len(store.runs()) == 1


def test_too_few_epochs_an_epoch_that_was_not_saved_and_an_unknown_run_are_refused_with_a_message(store: Store, finished: str):
    for parent, epoch, changes, kind in (
        (finished, 1, {"epochs": 1}, SettingError),
        (finished, 2, {}, SettingError),  # the last one: there is nothing left to train
        (finished, 9, {}, RunError),
        ("0099-pictures", 1, {}, RunError),
    ):
        with pytest.raises(kind) as refusal:
            branch_run(store, parent, epoch, changes)
        assert is_a_sentence(refusal.value)
    assert len(store.runs()) == 1 and len(list((store.home.root / "runs").iterdir())) == 1


@pytest.fixture
def finished(store: Store, image_folder: Path) -> str:
    return trained(store, image_folder, epochs=2)
