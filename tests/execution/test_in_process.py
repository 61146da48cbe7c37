"""One run from start to end: how each ending is recorded, what it saves, and that only one process trains it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cnn_core.config.suggestions import divergence_remedy
from cnn_core.data.imported import NO_IMAGES_LEFT
from cnn_core.data.index.index import Index
from cnn_core.data.path_source import PathSource
from cnn_core.data.source import finish
from cnn_core.errors import RunError
from cnn_core.events import Changed, Epoch, Event, Note, Paused, Progress, Saved, Started, Steps
from cnn_core.execution.in_process import OUT_OF_MEMORY, execute
from cnn_core.home import CARD, CURVES_IMAGE, INDEX, WEIGHTS
from cnn_core.models.saving import load_model
from cnn_core.runs.history import History
from cnn_core.runs.lock import IS_TRAINED, hold, is_held
from cnn_core.runs.store import Store
from cnn_core.runs.summary import summarise_history
from cnn_core.training.session import BEST_SO_FAR, NO_BEST_MODEL
from tests.conftest import Trained
from tests.helpers import is_a_sentence, tiny_config


def stop_at(store: Store, run: str, kind: type) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if isinstance(event, kind):
            store.requests.stop(run)

    return watch


def test_a_finished_run_says_so_with_its_figures_and_is_held_no_more(colours_run: Trained):
    row = colours_run.run
    assert row.status == "finished" and row.error == "" and not row.is_active
    history = History()
    history.add(colours_run.store.log.read(colours_run.id))
    assert row.summary.items() >= summarise_history(history).items()
    assert row.summary["epochs"] == 8 and row.summary["test_accuracy"] > 0.8
    assert row.summary["seconds"] >= row.summary["train_seconds"] > 0
    assert not is_held(colours_run.folder)


def test_a_stop_within_the_first_epoch_keeps_what_was_learned(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=50))
    assert execute(store, run, watch=stop_at(store, run, Steps)) == "stopped"
    assert store.run(run).status == "stopped" and store.run(run).summary["epochs"] == 0
    model, card = load_model(store.home.run_folder(run), torch.device("cpu"))
    torch.manual_seed(0)
    untrained = card.build()
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), untrained.parameters(), strict=True))
    assert not any(isinstance(stored.event, Epoch) for stored in store.log.read(run))


def test_a_stop_in_a_later_epoch_keeps_the_best_model_so_far(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=50))
    seen: list[Epoch] = []

    def watch(event: Event) -> None:
        seen.extend([event] if isinstance(event, Epoch) else [])

    assert execute(store, run, watch=watch, should_end=lambda: len(seen) == 2) == "stopped"
    row = store.run(run)
    assert row.status == "stopped" and row.summary["epochs"] == 2 and store.has_model(run)
    assert row.summary["best_val_accuracy"] == [epoch for epoch in seen if epoch.is_best][-1].val_accuracy
    assert row.summary["test_accuracy"] is None


@pytest.mark.parametrize("kind", [Progress, Started])
def test_a_stop_before_the_first_step_ends_the_run_without_a_model(store: Store, image_folder: Path, kind: type):
    run = store.create(tiny_config(image_folder))
    assert execute(store, run, watch=stop_at(store, run, kind)) == "stopped"
    assert store.run(run).status == "stopped" and not store.has_model(run)
    assert isinstance(store.log.read(run)[-1].event, kind)


def test_a_run_stopped_while_it_waited_is_not_trained(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    store.requests.stop(run)
    assert execute(store, run) == "stopped"
    assert store.log.read(run) == [] and not store.has_model(run)


def test_every_event_is_stored_before_it_is_shown(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=3))
    shown: list[Event] = []

    def watch(event: Event) -> None:
        shown.append(event)
        assert [stored.event for stored in store.log.read(run)] == shown
        assert store.run(run).status == "running" and is_held(store.home.run_folder(run))

    execute(store, run, watch=watch, should_end=lambda: sum(isinstance(event, Epoch) for event in shown) == 3)
    assert sum(isinstance(event, Epoch) for event in shown) == 3


def test_data_that_is_gone_fails_the_run_with_a_message(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    image_folder.rename(image_folder.with_name("moved"))
    assert execute(store, run) == "failed"
    row = store.run(run)
    assert row.status == "failed" and is_a_sentence(row.error) and str(image_folder) in row.error
    assert not (store.home.run_folder(run) / "error.txt").exists()


def test_a_training_that_diverges_fails_the_run_with_a_message(store: Store, image_folder: Path):
    config = tiny_config(image_folder, epochs=40, optimizer="sgd", learning_rate=10, schedule="constant")
    run = store.create(config)
    assert execute(store, run) == "failed"
    row = store.run(run)
    assert row.status == "failed" and row.error.endswith(divergence_remedy(config)) and is_a_sentence(row.error)
    figures = [stored.event for stored in store.log.read(run) if isinstance(stored.event, Epoch)]
    assert all(epoch.val_loss == epoch.val_loss for epoch in figures)  # not a number is what does not equal itself


def test_an_error_in_the_program_fails_the_run_and_keeps_its_traceback(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    folder = store.home.run_folder(run)
    (folder / CARD / "in the way").mkdir(parents=True)  # no file can be written where a folder lies
    assert execute(store, run) == "failed"
    row = store.run(run)
    assert row.status == "failed" and str(folder / "error.txt") in row.error and is_a_sentence(row.error)
    assert "Traceback" in (folder / "error.txt").read_text()


def test_memory_that_runs_out_outside_the_training_steps_is_reported_with_a_message_and_the_next_run_works(
    store: Store, image_folder: Path
):
    def take_too_much(event):
        if isinstance(event, Epoch):
            torch.empty(10**15)

    first, second = store.create(tiny_config(image_folder)), store.create(tiny_config(image_folder))
    assert execute(store, first, watch=take_too_much) == "failed"
    row = store.run(first)
    assert row.error == OUT_OF_MEMORY and is_a_sentence(row.error)
    assert not (store.home.run_folder(first) / "error.txt").exists()
    assert execute(store, second) == "finished"


@pytest.mark.parametrize(("freed", "status"), [(2, "finished"), (99, "failed")])
def test_a_model_that_cannot_be_written_at_first_is_written_once_it_can(
    store: Store, image_folder: Path, freed: int, status: str
):
    run = store.create(tiny_config(image_folder, epochs=3))
    folder = store.home.run_folder(run)
    (folder / WEIGHTS / "in the way").mkdir(parents=True)  # no file can be put where a folder lies

    def watch(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == freed:
            shutil.rmtree(folder / WEIGHTS)

    assert execute(store, run, watch=watch) == status
    notes = [stored.event.text for stored in store.log.read(run) if isinstance(stored.event, Note)]
    assert notes and all(note.startswith(BEST_SO_FAR) and is_a_sentence(note) for note in notes)
    assert store.has_model(run) == (status == "finished") and store.run(run).summary["epochs"] == 3
    if status == "failed":
        assert is_a_sentence(store.run(run).error) and store.run(run).error.startswith(NO_BEST_MODEL.partition("{")[0])


def test_a_second_trainer_of_the_same_run_is_refused(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    with hold(store.home.run_folder(run)), pytest.raises(RunError, match=IS_TRAINED.format(run=run)) as refusal:
        execute(store, run)
    assert is_a_sentence(refusal.value)
    assert store.run(run).status == "queued" and store.log.read(run) == []


def test_a_finished_run_is_never_trained_again(colours_copy: Trained):
    before = (colours_copy.folder / WEIGHTS).read_bytes()
    count = len(colours_copy.store.log.read(colours_copy.id))
    assert execute(colours_copy.store, colours_copy.id) == "finished"
    assert (colours_copy.folder / WEIGHTS).read_bytes() == before
    assert len(colours_copy.store.log.read(colours_copy.id)) == count


def test_a_run_that_is_not_there_is_refused(store: Store):
    with pytest.raises(RunError):
        execute(store, "../x")


def test_a_stopped_run_leaves_no_images_of_an_unfinished_run(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=50))
    execute(store, run, watch=stop_at(store, run, Epoch))
    assert not (store.home.run_folder(run) / CURVES_IMAGE).exists()


def test_a_run_that_failed_continues_once_its_images_are_back(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    execute(store, run, watch=stop_at(store, run, Epoch))
    store.queue.resume(run)
    shutil.rmtree(PathSource(image_folder, store.home).folder)
    image_folder.rename(image_folder.with_name("moved"))
    assert execute(store, run) == "failed" and is_a_sentence(store.run(run).error)
    image_folder.with_name("moved").rename(image_folder)
    store.queue.resume(run)
    assert store.run(run).error == "" and execute(store, run) == "finished" and store.run(run).summary["epochs"] == 2


def test_a_run_whose_folder_is_gone_continues_with_what_was_imported_of_it(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder))
    execute(store, run, watch=stop_at(store, run, Epoch))
    store.queue.resume(run)
    shutil.rmtree(image_folder)
    assert execute(store, run) == "finished" and store.run(run).summary["epochs"] == 2


def test_a_set_whose_test_images_were_all_excluded_is_refused_before_anything_is_trained(store: Store, image_folder: Path):
    source = PathSource(image_folder, store.home)
    finish(source.ensure_imported())
    index = Index(source.folder / INDEX)
    index.corrections.apply(index.used_rows("test")[0].tolist(), "is_excluded", 1)
    run = store.create(tiny_config(image_folder))
    assert execute(store, run) == "failed"
    assert is_a_sentence(store.run(run).error) and NO_IMAGES_LEFT.format(split="test") in store.run(run).error
    assert not any(isinstance(stored.event, Steps) for stored in store.log.read(run))
    index.corrections.undo()
    store.queue.resume(run)
    assert execute(store, run) == "finished"


def test_a_change_requested_of_a_running_run_is_made_recorded_and_drawn_into_its_history(store: Store, image_folder: Path):
    run, changed_after = store.create(tiny_config(image_folder, epochs=200)), []

    def watch(event: Event) -> None:
        if isinstance(event, Epoch) and not changed_after:
            changed_after.append(event.epoch)
            store.requests.add(run, "change", epochs=event.epoch + 3, learning_rate=0.0001)

    assert execute(store, run, watch=watch) == "finished"
    events = [stored.event for stored in store.log.read(run)]
    (changed,) = [event for event in events if isinstance(event, Changed)]
    assert changed.settings == {"epochs": changed_after[0] + 3, "learning_rate": 0.0001}
    assert store.run(run).summary["epochs"] == changed_after[0] + 3
    history = History()
    history.add(store.log.read(run))
    assert history.snapshot()["epochs_total"] == changed_after[0] + 3


def test_a_paused_run_says_so_waits_and_continues_or_is_stopped(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=2))
    seen: list[str] = []

    def watch(event: Event) -> None:
        seen.append(store.run(run).status)
        if isinstance(event, Epoch) and event.epoch == 1:
            store.requests.add(run, "pause")
        if isinstance(event, Paused):
            store.requests.add(run, "continue")

    assert execute(store, run, watch=watch) == "finished" and set(seen) == {"running", "paused"}
    run = store.create(tiny_config(image_folder, epochs=2))

    def stop(event: Event) -> None:
        if isinstance(event, Epoch):
            store.requests.add(run, "pause")
        if isinstance(event, Paused):
            store.requests.stop(run)

    assert execute(store, run, watch=stop) == "stopped" and store.run(run).summary["epochs"] == 1
    store.queue.resume(run)
    assert execute(store, run) == "finished" and store.run(run).summary["epochs"] == 2


def test_a_save_requested_of_a_running_run_is_made_and_recorded(store: Store, image_folder: Path):
    run = store.create(tiny_config(image_folder, epochs=3))

    def watch(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 1:
            store.requests.add(run, "save")

    assert execute(store, run, watch=watch) == "finished"
    assert sum(isinstance(stored.event, Saved) for stored in store.log.read(run)) == 1
