"""The state of batches: saved within an epoch and continued at the same image."""

import copy
import io
from typing import Any

import pytest
import torch

from tests.data.batch_helpers import are_equal, busy, numbered, order, passes, plain


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """The state as a checkpoint gives it back to somebody who trusts no pickles."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("given", range(1, 13))
def test_a_state_taken_while_a_batch_is_worked_on_continues_with_the_next_one(given: int, resident: bool):
    uninterrupted = list(passes(busy(resident=resident), 4))
    batches, state = busy(resident=resident), {}
    for number, _ in enumerate(passes(batches, 2), start=1):
        if number == given:
            state = through_a_file(batches.state_dict())
    resumed = busy(seed=77, resident=resident)
    resumed.load_state_dict(state)
    rest = list(resumed)
    assert len(rest) == (6 - given % 6 if given % 6 else 6)  # after a pass's last batch: a new one
    assert are_equal(rest, uninterrupted[given : given + len(rest)])
    assert are_equal(list(resumed), uninterrupted[given + len(rest) :][:6])


def test_a_state_of_batches_that_gave_nothing_yet_begins_with_the_first_pass():
    resumed = busy(seed=77)
    resumed.load_state_dict(through_a_file(busy().state_dict()))
    assert are_equal(list(passes(resumed, 2)), list(passes(busy(), 2)))


def test_a_state_does_not_change_when_its_batches_continue_nor_by_being_loaded():
    batches = busy()
    iterator = iter(batches)
    next(iterator)
    state = batches.state_dict()
    before = copy.deepcopy(state)
    list(iterator), list(batches)
    other = busy()
    other.load_state_dict(state)
    list(passes(other, 2))
    assert state.keys() == before.keys() and state["given"] == before["given"] == 1 and state["passes"] == before["passes"] == 1
    assert torch.equal(state["order"], before["order"]) and torch.equal(state["generator"], before["generator"])


def test_the_rest_of_an_unshuffled_pass_is_the_rest_of_the_set():
    batches = plain(numbered(20), 6)
    for _, labels in batches:
        if 6 in labels:
            state = batches.state_dict()
    resumed = plain(numbered(20), 6)
    resumed.load_state_dict(state)
    assert order(resumed) == list(range(12, 20)) and order(resumed) == list(range(20))


def test_a_pass_left_in_its_midst_is_not_gone_on_with_unless_its_state_was_loaded():
    batches = plain(numbered(50), 7, shuffle=True)
    for number, _ in enumerate(batches):
        if number == 2:
            break
    assert sorted(order(batches)) == list(range(50))


def test_a_state_loaded_is_gone_on_with_once():
    batches = plain(numbered(50), 7, shuffle=True)
    next(iter(batches))
    batches.load_state_dict(batches.state_dict())
    assert len(order(batches)) == 43
    assert sorted(order(batches)) == list(range(50))
