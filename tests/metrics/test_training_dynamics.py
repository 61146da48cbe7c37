"""Learning histories read from their files, against the same counted image by image in plain Python."""

from pathlib import Path

import numpy as np
import pytest

from cnn_core.errors import RunError
from cnn_core.home import TRAINING_DYNAMICS
from cnn_core.metrics.training_dynamics import (
    DATA_CHANGED,
    EPOCH_LEFT_OUT,
    EPOCHS_LEFT_OUT,
    NEVER,
    NO_DYNAMICS,
    NOT_TRACKED,
    drop_dynamics_after,
    learned_first,
    learned_last,
    most_often_forgotten,
    read_dynamics,
    save_dynamics,
)
from tests.helpers import is_a_sentence

EPOCHS, COUNT = 7, 61  # not a multiple of 8
DATA = "f00d"


@pytest.fixture
def table(tmp_path: Path) -> np.ndarray:
    """Which of 61 training images were right in 7 epochs, (7, 61) bool, as they are kept in `tmp_path`; the last image never was."""
    table = np.random.default_rng(0).random((EPOCHS, COUNT)) < 0.6
    table[:, -1], table[:, 0] = False, True
    write(tmp_path, table)
    return table


def write(folder: Path, table: np.ndarray, fingerprint: str = DATA) -> None:
    for epoch, row in enumerate(table, start=1):
        save_dynamics(folder, epoch, {"train": row, "val": row[:9]}, fingerprint)


def by_hand(column: np.ndarray, epochs: list[int]) -> tuple[int, int]:
    """The epoch in which an image was first right, and how often it was forgotten."""
    first, times = NEVER, 0
    for place, epoch in enumerate(epochs):
        if column[place] and first == NEVER:
            first = epoch
        if place and column[place - 1] and not column[place]:
            times += 1
    return first, times


def test_every_image_is_counted_as_by_hand(table: np.ndarray, tmp_path: Path):
    history = read_dynamics(tmp_path, "train", COUNT, DATA, EPOCHS)
    expected = [by_hand(column, list(range(1, EPOCHS + 1))) for column in table.T]
    assert list(zip(history.first_correct_epoch.tolist(), history.forgetting_events.tolist(), strict=True)) == expected
    assert history.is_never_learned.tolist() == (~table.any(0)).tolist() and history.is_never_learned[-1]
    assert history.is_correct_at_end.tolist() == table[-1].tolist()
    assert history.is_unforgettable.tolist() == [first != NEVER and not times for first, times in expected]
    assert history.learned_by.tolist() == [int(table[: epoch + 1].any(0).sum()) for epoch in range(EPOCHS)]
    assert history.correct_per_epoch.tolist() == table.sum(1).tolist()
    assert history.epochs == tuple(range(1, EPOCHS + 1)) and not history.notes
    for index in (0, 7, 8, COUNT - 1):
        assert history.image_history(index).tolist() == table[:, index].tolist()


def test_each_part_has_its_own_images(table: np.ndarray, tmp_path: Path):
    history = read_dynamics(tmp_path, "val", 9, DATA)
    assert history.count == 9 and history.correct_per_epoch.tolist() == table[:, :9].sum(1).tolist()


def test_lists_begin_with_the_image_to_look_at_first(table: np.ndarray, tmp_path: Path):
    history = read_dynamics(tmp_path, "train", COUNT, DATA)
    often = history.forgetting_events[most_often_forgotten(history)]
    assert (np.diff(often) <= 0).all() and often.min() >= 1 and len(often) == (history.forgetting_events > 0).sum()
    first = learned_first(history)
    assert (
        first[0] == 0
        and (np.diff(history.first_correct_epoch[first]) >= 0).all()
        and len(first) == history.is_unforgettable.sum()
    )
    last = learned_last(history)
    assert (np.diff(history.first_correct_epoch[last]) <= 0).all() and len(last) == COUNT - history.is_never_learned.sum()


@pytest.mark.parametrize("damage", ["missing", "cut off", "no such file at all", "of another length"])
def test_a_damaged_epoch_is_left_out_and_reported(table: np.ndarray, tmp_path: Path, damage: str):
    path = tmp_path / TRAINING_DYNAMICS / "0003.npz"
    match damage:
        case "missing":
            path.unlink()
        case "cut off":
            path.write_bytes(path.read_bytes()[:-40])
        case "no such file at all":
            path.write_bytes(b"nothing of the kind")
        case "of another length":
            np.savez(path, train=np.zeros(2, np.uint8), train_count=COUNT, fingerprint=DATA)
    history = read_dynamics(tmp_path, "train", COUNT, DATA, EPOCHS)
    rest = [1, 2, 4, 5, 6, 7]
    assert history.epochs == tuple(rest) and len(history.notes) == 1
    assert history.notes[0] == EPOCH_LEFT_OUT.format(epoch=3) and is_a_sentence(history.notes[0])
    expected = [by_hand(column, rest) for column in np.delete(table, 2, 0).T]
    assert list(zip(history.first_correct_epoch.tolist(), history.forgetting_events.tolist(), strict=True)) == expected


def test_epochs_that_are_missing_at_the_end_are_reported(table: np.ndarray, tmp_path: Path):
    (note,) = read_dynamics(tmp_path, "train", COUNT, DATA, EPOCHS + 2).notes
    assert note == EPOCHS_LEFT_OUT.format(epochs="8, 9") and is_a_sentence(note)


def test_other_files_in_the_folder_are_no_epochs(table: np.ndarray, tmp_path: Path):
    for name in ("0009.npz.tmp", ".0009.npz.77", "9x.npz", "notes.npz"):
        (tmp_path / TRAINING_DYNAMICS / name).write_bytes(b"")
    assert read_dynamics(tmp_path, "train", COUNT, DATA).epochs == tuple(range(1, EPOCHS + 1))


@pytest.mark.parametrize(
    ("split", "count", "data", "message"),
    [
        ("train", COUNT + 1, DATA, DATA_CHANGED),
        ("train", COUNT, DATA + "-1", DATA_CHANGED),
        ("test", COUNT, DATA, NOT_TRACKED),
    ],
)
def test_a_history_of_other_images_is_refused(table: np.ndarray, tmp_path: Path, split: str, count: int, data: str, message: str):
    with pytest.raises(RunError, match=message.format(run=tmp_path.name)) as refusal:
        read_dynamics(tmp_path, split, count, data)
    assert is_a_sentence(refusal.value)


def test_a_run_without_any_gives_a_message(tmp_path: Path):
    with pytest.raises(RunError, match=NO_DYNAMICS.format(run=tmp_path.name)) as refusal:
        read_dynamics(tmp_path, "train", COUNT, DATA)
    assert is_a_sentence(refusal.value)


def test_epochs_after_a_place_are_forgotten(table: np.ndarray, tmp_path: Path):
    drop_dynamics_after(tmp_path, 4)
    assert read_dynamics(tmp_path, "train", COUNT, DATA).epochs == (1, 2, 3, 4)
    drop_dynamics_after(tmp_path / "nowhere", 0)
