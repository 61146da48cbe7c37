"""Learning curves: three ways to train on few images of each class, in the ordinary queue; their accuracies and what a question is judged by."""

import shutil
from itertools import product
from statistics import mean

import numpy as np
import pytest

from cnn_core.data.open import open_source
from cnn_core.data.source import DataInfo, finish
from cnn_core.data.splits import count_drawn
from cnn_core.errors import DataError, StudioError
from cnn_core.events import Epoch, Finished
from cnn_core.execution.in_process import execute
from cnn_core.lessons.attempts import list_attempts, read_runs, resume_attempt, stop_attempt
from cnn_core.lessons.effect import UNKNOWN
from cnn_core.lessons.learning_curves import (
    NAME,
    SIZES,
    TUNED_IMAGES,
    WAYS,
    asked_size,
    choose_validation_share,
    expected_seconds,
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


def test_resuming_continues_what_was_stopped_and_nothing_that_has_ended(home, photographs):
    store = Store(home)
    attempt = start_learning_curves(store, photographs, "frozen", draws=1)
    finished, *others = read_runs(store, attempt).runs
    finish_with(store, finished, 0.5)
    stop_attempt(store, attempt)
    store.set_status(others[0].id, "failed", error="The disk is full.")
    resume_attempt(store, attempt)
    current = read_runs(store, attempt)
    assert [run.status for run in current.runs] == ["finished", "queued", "queued"] and not current.runs[1].error
    stop_attempt(store, attempt)
    shutil.rmtree(photographs)
    with pytest.raises(DataError):
        resume_attempt(store, attempt)
    assert not read_runs(store, attempt).is_active


def make_info(*counts, val=0):
    names = tuple(f"class {number}" for number in range(len(counts)))
    return DataInfo("set", names, 64, 3, sum(counts), 20, "fingerprint", val_count=val, class_counts=counts)


@pytest.mark.parametrize(
    ("info", "share"),
    [
        (make_info(123, 122), 0.5),  # 61 are left, enough for 50
        (make_info(60, 60), 0.1),  # 54 are left; with a fifth it would be 48
        (make_info(123, 12), 0.1),  # 11 are left of the small class; with a fifth it would be 10
        (make_info(200, 200, val=50), 0.1),
    ],
)
def test_more_images_than_usual_are_used_for_validation_where_no_run_loses_one(info, share):
    assert choose_validation_share(info, 0.1) == share
    for size in sizes_for(info, 0.1):
        left = [count - (0 if info.val_count else count_drawn(count, share)) for count in info.class_counts]
        usual = [count - (0 if info.val_count else count_drawn(count, 0.1)) for count in info.class_counts]
        assert [min(size, count) for count in left] == [min(size, count) for count in usual]


def test_the_time_of_fine_tuning_is_bounded_and_that_of_all_runs_is_told_before():
    few, many = make_info(100, 100), make_info(*[100] * 200)
    config = WAYS["fine-tuned"].config("set", 50, 0, few)
    assert config.epochs == WAYS["fine-tuned"].settings["epochs"]
    bounded = WAYS["fine-tuned"].config("set", 50, 0, many)
    assert bounded.epochs == bounded.head_epochs + 1 and (bounded.epochs - bounded.head_epochs) * 50 * 200 <= 2 * TUNED_IMAGES
    assert WAYS["frozen"].config("set", 50, 0, many).epochs == WAYS["frozen"].config("set", 50, 0, few).epochs
    seconds = [expected_seconds("set", info, draws) for info, draws in ((few, 1), (few, 2), (many, 2))]
    assert len(WAYS) * len(SIZES) * 3 < seconds[0] < seconds[1] < seconds[2]


def test_labels_name_every_way_size_and_draw(home, photographs):
    letters = [way.letter for way in WAYS.values()]
    assert len(set(letters)) == len(letters)
    for (name, way), size in product(WAYS.items(), SIZES):
        config = way.config(photographs, size, 2)
        assert (config.images_per_class, config.seed) == (size, 2), name
