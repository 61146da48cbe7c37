"""Which epochs of a run are kept on the disk: the best, the last, and others at even distances."""

import itertools
from pathlib import Path

import pytest
import torch

from cnn_core.errors import RunError
from cnn_core.events import Epoch, Event
from cnn_core.home import Home, saved_epochs
from cnn_core.models.checkpoint import load_epoch, save_epoch
from tests.helpers import tiny_config
from tests.training.tracked_runs import same_weights, train


def never(event: Event) -> bool:
    return False


def test_states_of_epochs_take_no_more_room_than_allowed_and_the_last_ones_stay(tmp_path: Path):
    state = {"weights": torch.zeros(1000)}
    for epoch in range(1, 31):
        save_epoch(tmp_path, epoch, state, best=max(1, epoch - 1), most=1000, max_bytes=50_000)
        assert {epoch, max(1, epoch - 1)} <= set(saved_epochs(tmp_path))
        assert sum(path.stat().st_size for path in (tmp_path / "epochs").iterdir()) <= 50_000
    assert len(saved_epochs(tmp_path)) >= 5 and saved_epochs(tmp_path)[0] == 1


@pytest.mark.parametrize("most", [2, 3, 5, 9])
@pytest.mark.parametrize("last", [4, 12, 24, 100])
def test_the_best_the_last_and_other_epochs_at_even_distances_stay(tmp_path: Path, most: int, last: int):
    best = [epoch for epoch in range(1, last + 1) if epoch % 3 == 1 and epoch <= 0.7 * last]
    for epoch in range(1, last + 1):
        now = max(number for number in best if number <= epoch)
        save_epoch(tmp_path, epoch, {}, best=now, most=most)
        left = saved_epochs(tmp_path)
        assert {now, epoch} <= set(left) and len(left) == min(most, epoch)
    largest = max(later - earlier for earlier, later in itertools.pairwise([0, *left]))
    assert most < 5 or largest <= max(2, 2.5 * last / (most - 1))


def test_fewer_saved_epochs_do_not_change_the_model(home: Home, image_folder: Path, tmp_path: Path):
    config = tiny_config(image_folder, epochs=6, dropout=0.3)
    train(config.model_copy(update={"saved_epochs": 1000}), tmp_path / "all", home, until=never)
    train(config.model_copy(update={"saved_epochs": 3}), tmp_path / "some", home, until=never)
    events = train(config, tmp_path / "usual", home, until=never)
    best = max(event.epoch for event in events if isinstance(event, Epoch) and event.is_best)
    assert len(saved_epochs(tmp_path / "all")) == 6 and len(saved_epochs(tmp_path / "usual")) == config.saved_epochs
    assert len(saved_epochs(tmp_path / "some")) == 3 and {best, 6} <= set(saved_epochs(tmp_path / "some"))
    assert same_weights(tmp_path / "all", tmp_path / "some") and same_weights(tmp_path / "all", tmp_path / "usual")


def test_an_epoch_that_was_not_saved_or_is_damaged_is_refused_with_a_message(tmp_path: Path):
    save_epoch(tmp_path, 1, {"weights": torch.zeros(10)}, best=1, most=2)
    assert torch.equal(load_epoch(tmp_path, 1)["weights"], torch.zeros(10))
    (tmp_path / "epochs" / "0001.bin").write_bytes((tmp_path / "epochs" / "0001.bin").read_bytes()[:-1])
    for epoch in (1, 2):
        with pytest.raises(RunError, match=rf"\b{epoch}\b"):
            load_epoch(tmp_path, epoch)
