"""Learning curves: three ways to train on few images of each class, in the ordinary queue; their accuracies and what a question is judged by."""

from itertools import product
from statistics import mean

import numpy as np
import pytest

from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.errors import DataError, StudioError
from cnn_core.events import Epoch, Finished
from cnn_core.execution.in_process import execute
from cnn_core.lessons.attempts import list_attempts, read_runs, stop_attempt
from cnn_core.lessons.effect import UNKNOWN
from cnn_core.lessons.learning_curves import (
    NAME,
    SIZES,
    WAYS,
    asked_size,
    judge,
    measure_curves,
    sizes_for,
    sizes_of,
    start_learning_curves,
    way_and_size,
)
from cnn_core.runs.history_cache import read_history
from cnn_core.runs.store import Store
from cnn_core.runs.summary import summarise_history
from cnn_core.training.recipe import split_validation
from tests.helpers import is_a_sentence, write_images


@pytest.fixture
def photographs(tmp_path):
    """A folder with three colours: eight training images of each class with a validation fraction of a tenth, two of them for the test."""
    return str(write_images(tmp_path / "photographs", count=10))


def finish_with(store, run, *accuracies):
    """The run has ended with these validation accuracies."""
    epochs = [
        Epoch(number, number, 0.2, 0.9, 0.3, value, value == max(accuracies[:number]), 1.0, 1.0)
        for number, value in enumerate(accuracies, start=1)
    ]
    store.log.append(run.id, [*epochs, Finished(0.9, 0.3)])
    store.set_status(run.id, "finished", summary=summarise_history(read_history(store, run.id)))


def test_three_ways_are_trained_on_the_same_few_images_and_compared(home, photographs):
    store = Store(home)
    attempt = start_learning_curves(store, photographs, "frozen", draws=1)
    assert start_learning_curves(store, photographs, "scratch").number == attempt.number  # one at a time
    info = open_source(photographs, home).info
    assert sizes_for(info, 0.1) == (5,) == sizes_of(read_runs(store, attempt).runs) and asked_size((5,)) == 5
    frozen, scratch, tuned = read_runs(store, attempt).runs
    assert execute(store, frozen.id) == execute(store, scratch.id) == "finished"
    finish_with(store, tuned, 0.2, 0.3)  # its training takes longest; test_stages trains one
    current = read_runs(store, attempt)
    assert [way_and_size(run) for run in current.runs] == [(way, 5) for way in ("frozen", "scratch", "fine-tuned")]
    assert not current.is_active and {run.status for run in current.runs} == {"finished"}
    images = finish(open_source(photographs, home).load("train"))
    trained = [split_validation(images, run.config)[0] for run in current.runs]
    assert all(np.array_equal(part.images, trained[0].images) and len(part) == 15 for part in trained)
    curves = measure_curves(current.runs)
    assert {way: by_size[5] for way, by_size in curves.items()} == {
        way_and_size(run)[0]: [max(epoch.val_accuracy for epoch in read_history(store, run.id).epochs)] for run in current.runs
    }
    outcome = judge(current, 5)
    assert outcome and outcome.effect.mean_difference >= 0 and not outcome.is_clear  # one draw may be due to chance


@pytest.mark.parametrize("advantage", [0.2, 0.0])
def test_a_way_is_the_best_only_where_its_paired_difference_is_significant(home, tmp_path, advantage):
    store = Store(home)
    data = str(write_images(tmp_path / "photographs", count=14))
    attempt = start_learning_curves(store, data, UNKNOWN, draws=3)
    noise = iter(np.random.default_rng(0).normal(0, 0.01, 99).tolist())
    values = {}
    for run in read_runs(store, attempt).runs:
        way, size = way_and_size(run)
        values.setdefault((way, size), []).append(0.5 + next(noise) + advantage * (way == "frozen"))
        finish_with(store, run, 0.1, values[way, size][-1], 0.2)
    current = read_runs(store, attempt)
    assert {
        (way, size): accuracies for way, sizes in measure_curves(current.runs).items() for size, accuracies in sizes.items()
    } == values
    assert sizes_of(current.runs) == (5, 10) and asked_size((5, 10, 20)) == 10
    outcome = judge(current)
    assert outcome.is_clear == bool(advantage)
    assert mean(values[outcome.best, 10]) == max(mean(values[way, 10]) for way in WAYS)
    assert outcome.best == "frozen" or not advantage


def test_what_cannot_be_compared_is_refused_and_nothing_is_in_the_queue(home, tmp_path, photographs):
    store = Store(home)
    few = str(write_images(tmp_path / "few", count=4))
    for data, prediction, draws, kind in (
        (few, "frozen", 1, DataError),
        (photographs, "a miracle", 1, StudioError),
        (photographs, "frozen", 0, StudioError),
    ):
        with pytest.raises(kind) as refusal:
            start_learning_curves(store, data, prediction, draws=draws)
        assert is_a_sentence(refusal.value)
    assert not store.runs() and not list_attempts(store)


def test_stopping_ends_all_runs_that_wait(home, photographs):
    store = Store(home)
    attempt = start_learning_curves(store, photographs, "frozen", draws=2)
    assert attempt.exercise == NAME and len(store.queue.waiting()) == 6
    stop_attempt(store, attempt)
    assert not read_runs(store, attempt).is_active and judge(read_runs(store, attempt)) is None


def test_labels_name_every_way_size_and_draw(home, photographs):
    letters = [way.letter for way in WAYS.values()]
    assert len(set(letters)) == len(letters)
    for (name, way), size in product(WAYS.items(), SIZES):
        config = way.config(photographs, size, 2)
        assert (config.images_per_class, config.seed) == (size, 2), name
