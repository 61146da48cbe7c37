"""Freeing space: cached results go and are computed again; what cannot be computed again, or is in use, stays."""

import shutil

import numpy as np
import pytest

from cnn_core.data.open import has_images
from cnn_core.data.path_source import set_name
from cnn_core.data.source import finish
from cnn_core.files import replacing
from cnn_core.home import EVALUATIONS, WEIGHTS, Home
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.store import Store
from tests.conftest import Trained


@pytest.fixture
def organizer(digits_copy: Trained) -> RunOrganizer:
    """Return the organizer of a home with a completed run and its cached predictions."""
    finish(evaluate_run(digits_copy.run.id, digits_copy.run.config, digits_copy.home))
    return RunOrganizer(Store(digits_copy.home))


def size_of(organizer: RunOrganizer, run: str) -> int:
    return sum(path.stat().st_size for path in organizer.store.home.run_folder(run).rglob("*") if path.is_file())


def test_cached_results_are_deleted_and_computed_again(organizer: RunOrganizer, digits_copy: Trained):
    run = organizer.store.run(digits_copy.run.id)
    before = np.array(finish(evaluate_run(run.id, run.config, digits_copy.home)).logits)
    files, size = organizer.cached_results(run), size_of(organizer, run.id)
    freed = organizer.free_space(run.id)
    assert files and not any(path.exists() for path in files)
    assert size - size_of(organizer, run.id) == freed >= before.nbytes
    assert np.allclose(finish(evaluate_run(run.id, run.config, digits_copy.home)).logits, before, atol=1e-5)
    assert organizer.cached_results(run)


def test_a_file_that_is_being_written_stays(organizer: RunOrganizer, digits_copy: Trained):
    with replacing(digits_copy.folder / EVALUATIONS / "best-val-0.npy") as file:
        file.write(b"1")
        organizer.free_space(digits_copy.run.id)
    assert [path.read_bytes() for path in (digits_copy.folder / EVALUATIONS).iterdir()] == [b"1"]


@pytest.mark.parametrize("missing", ["weights", "images"])
def test_results_that_cannot_be_computed_again_stay(organizer: RunOrganizer, digits_copy: Trained, missing: str):
    run = organizer.store.run(digits_copy.run.id)
    if missing == "weights":
        (digits_copy.folder / WEIGHTS).unlink()
    else:
        with organizer.store.database.connect() as db:
            config = run.config.model_copy(update={"data": "a-set-that-was-removed"})
            db.execute("update runs set config = ? where id = ?", (config.model_dump_json(), run.id))
    before = sorted((digits_copy.folder / EVALUATIONS).iterdir())
    assert organizer.cached_results(organizer.store.run(run.id)) == []
    organizer.free_space(run.id)
    assert sorted((digits_copy.folder / EVALUATIONS).iterdir()) == before != []


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_nothing_of_a_run_that_trains_or_waits_is_listed(organizer: RunOrganizer, digits_copy: Trained, status: str):
    run = organizer.store.run(digits_copy.run.id)
    assert organizer.cached_results(run)
    object.__setattr__(run, "status", status)
    assert organizer.cached_results(run) == [] == organizer.surplus_epochs(run)


def test_images_are_there_while_they_are_imported_included_or_at_their_path(home: Home, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    assert has_images("digits", home) and not has_images("cifar10", home) and not has_images("flowers", home)
    assert has_images(str(folder), home)
    for name in ("flowers", set_name(folder)):
        home.set_folder(name).mkdir(parents=True)
    shutil.rmtree(folder)
    assert has_images("flowers", home) and has_images(str(folder), home)
    shutil.rmtree(home.set_folder(set_name(folder)))
    assert not has_images(str(folder), home)
