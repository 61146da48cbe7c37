"""A branch goes on from the very state its parent had after an epoch, with its curves and its best network until then."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_core.config.changes import BRANCHABLE, change_config
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.index.index import Index
from cnn_core.data.open import open_source
from cnn_core.data.set_bin import IN_BIN, remove_set, restore_set
from cnn_core.errors import DataError, ImagesChangedError, RemovedSetError, RunError, SettingError, StudioError
from cnn_core.events import Epoch, Event, Resumed, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import CARD, INDEX, WEIGHTS, epoch_file, saved_epochs
from cnn_core.models.checkpoint import load_epoch, validated_weights
from cnn_core.models.saving import load_model, read_weights
from cnn_core.runs.branch import branch_run
from cnn_core.runs.continuation import check_continuation
from cnn_core.runs.history import History
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.store import Store
from tests.helpers import drain, is_a_sentence, tiny_config, write_images

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
        assert until[-1].epoch == epoch
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


def test_a_branch_has_its_own_settings_where_the_parent_changed_them_in_training(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=3, schedule="constant", warmup=0))

    def watch(event: object) -> None:
        if isinstance(event, Epoch) and event.epoch == 1:
            store.requests.add(run, "change", learning_rate=0.0007, epochs=4)

    execute(store, run, watch=watch)
    child = branch_run(store, run, 3, {"learning_rate": 0.002, "epochs": 6})

    def planned() -> tuple[int, float]:
        history = read_history(store, child)
        assert history.started
        return history.started.epochs, store.config_in_force(child).learning_rate

    assert planned() == (6, 0.002), "while it waits"
    assert execute(store, child) == "finished" and planned() == (6, 0.002)
    assert store.config_in_force(run).learning_rate == 0.0007 and read_history(store, run).started.epochs == 4
    assert store.run(branch_run(store, child, 5, {})).config.learning_rate == 0.002


def test_a_branch_of_a_run_that_was_stopped_early_is_trained_further(store: Store, image_folder: Path):
    parent = trained(store, image_folder, epochs=9, patience=2, learning_rate=1e-9, dropout=0.0)  # hardly learns
    last = saved_epochs(store.home.run_folder(parent))[-1]
    assert last < 9 and store.run(parent).summary["epochs"] == last
    child = branch_run(store, parent, last, {"learning_rate": 2e-9})
    assert execute(store, child) == "finished" and store.run(child).summary["epochs"] == last + 2
    earlier = branch_run(store, parent, last - 1, {})
    assert execute(store, earlier) == "finished" and store.run(earlier).summary["epochs"] == last, "the patience goes on"


def test_a_branch_that_has_not_begun_has_neither_a_model_nor_results_of_its_own(store: Store, image_folder: Path):
    parent = trained(store, image_folder)
    child = branch_run(store, parent, 2, {})
    assert not store.has_model(child) and not store.run(child).summary.get("best_epoch")
    shutil.rmtree(image_folder)
    shutil.rmtree(open_source(str(image_folder), store.home).folder)
    assert execute(store, child) == "failed" and not store.has_model(child)
    summary = store.run(child).summary
    assert not summary["epochs"] and {summary[name] for name in ("best_epoch", "best_val_accuracy")} == {None}


def test_a_branch_that_ends_before_its_first_step_has_nothing_of_its_own_and_can_be_resumed(store: Store, image_folder: Path):
    head_only = {"model": "efficientnet-lite0", "weights": "pretrained", "train": "head"}
    child = branch_run(store, trained(store, image_folder, epochs=2, **head_only), 1, {})
    card = store.home.run_folder(child) / CARD

    def fail(event: Event) -> None:
        if card.is_file():
            raise StudioError("The features cannot be computed.")

    for status, ends in (("stopped", {"should_end": card.is_file}), ("failed", {"watch": fail})):
        assert execute(store, child, **ends) == status and not store.has_model(child)
        summary = store.run(child).summary
        assert not summary["epochs"] and {summary[name] for name in ("best_epoch", "best_val_accuracy", "train_seconds")} == {
            None
        }
        store.queue.resume(child)
    assert execute(store, child) == "finished" and store.has_model(child) and store.run(child).summary["epochs"] == 2


def test_a_branch_that_is_stopped_in_its_first_epoch_has_the_best_model_of_its_parent(store: Store, image_folder: Path):
    child, seen = branch_run(store, trained(store, image_folder), 2, {}), list[object]()
    assert execute(store, child, watch=seen.append, should_end=lambda: isinstance(seen[-1], Steps)) == "stopped"
    assert store.has_model(child) and store.run(child).summary["epochs"] == 2
    assert load_model(store.home.run_folder(child), torch.device("cpu"))


@pytest.fixture
def on_a_set(store: Store, tmp_path: Path) -> str:
    """Return a finished run on the imported data set "colours"."""
    drain(import_files("colours", write_images(tmp_path / "pictures"), ImportOptions(), store.home))
    return trained(store, Path("colours"), epochs=2)


def test_a_run_whose_data_set_is_in_the_bin_is_not_branched_and_its_branches_keep_the_name(store: Store, on_a_set: str):
    remove_set("colours", store.home)
    with pytest.raises(RemovedSetError) as refusal:
        branch_run(store, on_a_set, 2, {"epochs": 3})
    assert str(refusal.value) == IN_BIN.format(data="colours", name="colours") and len(store.runs()) == 1
    config = store.run(on_a_set).config
    assert {change_config(config, {"epochs": 9}).data, make_config(**config.model_dump()).data} == {"colours"}
    restore_set("colours", store.home)
    child = branch_run(store, on_a_set, 2, {"epochs": 3})
    remove_set("colours", store.home)  # before it begins
    assert execute(store, child) == "failed" and store.run(child).config.data == "colours"
    with pytest.raises(DataError):
        check_continuation(store, store.run(child))
    restore_set("colours", store.home)
    check_continuation(store, store.run(child))
    store.queue.resume(child)
    assert execute(store, child) == "finished" and store.run(child).summary["epochs"] == 3


def test_a_run_whose_images_were_corrected_is_not_branched_until_that_is_undone(store: Store, on_a_set: str):
    index = Index(store.home.set_folder("colours") / INDEX)
    index.corrections.apply([int(index.used_rows("train")[0][0])], "is_excluded", 1)
    for begin in (lambda: branch_run(store, on_a_set, 2, {"epochs": 3}), lambda: check_continuation(store, store.run(on_a_set))):
        with pytest.raises(ImagesChangedError) as refusal:
            begin()
        assert str(refusal.value) == str(ImagesChangedError(on_a_set, "colours")) and is_a_sentence(refusal.value)
    assert len(store.runs()) == 1
    index.corrections.undo()
    child = branch_run(store, on_a_set, 2, {"epochs": 3})
    index.corrections.apply([int(index.used_rows("train")[0][0])], "is_excluded", 1)
    with pytest.raises(ImagesChangedError):  # its own state says nothing yet: it is that of the parent
        check_continuation(store, store.run(child))


def test_a_run_on_a_folder_whose_files_changed_is_not_branched_until_they_are_as_before(store: Store, image_folder: Path):
    parent = trained(store, image_folder, epochs=2)
    path = image_folder / "red" / "001.png"
    content = path.read_bytes()
    path.write_bytes((image_folder / "blue" / "001.png").read_bytes())
    with pytest.raises(ImagesChangedError):
        branch_run(store, parent, 2, {"epochs": 3})
    path.write_bytes(content)  # only the times of change are others
    assert branch_run(store, parent, 2, {"epochs": 3})
    path.write_bytes((image_folder / "blue" / "001.png").read_bytes())
    drain(open_source(str(image_folder), store.home).load("train"))  # another run imports them
    with pytest.raises(ImagesChangedError):
        check_continuation(store, store.run(parent))
    path.write_bytes(content)  # not what is imported now, so perhaps what the run was trained on
    check_continuation(store, store.run(parent))


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
