"""Stratified splits, over many random label lists: disjoint, complete, in every class, and the same for the same seed."""

import numpy as np
import pytest

from cnn_core.data.splits import stratified_split


def random_labels(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 60, rng.integers(2, 12))
    return rng.permutation(np.repeat(np.arange(len(counts)), counts))


CASES = [(seed, share) for seed in range(12) for share in (0.02, 0.1, 0.2, 0.5)]


@pytest.mark.parametrize(("seed", "share"), CASES)
def test_both_parts_together_are_everything_once(seed: int, share: float):
    labels = random_labels(seed)
    rest, split = stratified_split(labels, share, seed)
    assert sorted([*rest, *split]) == list(range(len(labels)))
    assert rest.tolist() == sorted(rest) and split.tolist() == sorted(split)


@pytest.mark.parametrize(("seed", "share"), CASES)
def test_every_class_is_split_with_at_least_one_image_on_either_side(seed: int, share: float):
    labels = random_labels(seed)
    rest, split = stratified_split(labels, share, seed)
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        given = int((labels[split] == label).sum())
        assert 1 <= given < count
        assert abs(given - share * count) <= 0.5 or given == 1
        assert int((labels[rest] == label).sum()) == count - given


def test_the_same_seed_splits_alike_and_another_one_differently():
    labels = random_labels(3)
    first, again, other = (stratified_split(labels, 0.3, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_class_with_a_single_image_gives_none():
    rest, split = stratified_split(np.array([0, 1, 1, 1]), 0.5, 0)
    assert 0 in rest and 0 not in split and len(split) == 2


def test_no_image_of_a_class_is_preferred():
    labels = np.zeros(20, int)
    chosen = np.bincount(np.concatenate([stratified_split(labels, 0.25, seed)[1] for seed in range(400)]), minlength=20)
    assert chosen.sum() == 2000 and chosen.min() > 60 and chosen.max() < 140
