"""Batches: every image once in a pass, with its label, normalised as torchvision does it, to be taken up again at any batch."""

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import normalize

from cnn_core.data import source
from cnn_core.data.batches import Batches, Normalise
from cnn_core.data.random_draws import RandomDraws
from cnn_core.data.source import ImageSet
from cnn_core.data.statistics import channel_statistics
from cnn_core.training.augmentation import RandomCrop, RandomFlip
from tests.data.batch_helpers import CPU, are_equal, busy, numbered, order, passes, plain


@pytest.mark.parametrize(("count", "batch_size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 5, [3]), (5, 1, [1] * 5)])
def test_a_pass_has_every_image_once_and_only_its_last_batch_may_be_smaller(count: int, batch_size: int, sizes: list[int]):
    for shuffle in (False, True):
        batches = plain(numbered(count), batch_size, shuffle=shuffle)
        assert [len(labels) for _, labels in batches] == sizes and len(batches) == len(sizes)
        assert sorted(order(batches)) == list(range(count))


def test_without_shuffling_the_images_keep_their_order():
    batches = plain(numbered(20), 6)
    assert order(batches) == order(batches) == list(range(20))


def test_shuffling_draws_a_new_order_for_every_pass_and_the_same_for_the_same_seed():
    one, same, other = (plain(numbered(50), 7, shuffle=True, seed=seed) for seed in (4, 4, 5))
    passes = [order(one) for _ in range(3)]
    assert len({tuple(labels) for labels in passes}) == 3
    assert passes == [order(same) for _ in range(3)]
    assert passes[0] != order(other)


def test_normalising_equals_torchvisions():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 5, 6, 3)).astype(np.uint8)
    mean, std = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    batches = Batches(ImageSet(pixels, np.zeros(12, np.int64)), batch_size=12, device=CPU, mean=mean, std=std)
    (images, labels) = next(iter(batches))
    expected = normalize(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, list(mean), list(std))
    assert images.dtype == torch.float32 and labels.dtype == torch.int64
    torch.testing.assert_close(images, expected, rtol=0, atol=2e-6)


def test_batches_are_contiguous_in_channels_last_with_and_without_augmentation():
    images = ImageSet(np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3)).astype(np.uint8), np.arange(9))
    for augment in ((), (RandomCrop(1), RandomFlip())):
        for batch, _ in plain(images, 4, augment=augment):
            assert batch.is_contiguous(memory_format=torch.channels_last) and batch.shape[1:] == (3, 8, 8)


def test_augmented_images_are_normalised_after_their_black_frame_was_added():
    white = ImageSet(np.full((200, 8, 8, 1), 255, np.uint8), np.zeros(200, np.int64))
    batches = Batches(white, batch_size=200, device=CPU, mean=(0.5,), std=(0.25,), augmentations=(RandomCrop(2),))
    images, _ = next(iter(batches))
    assert set(images.unique().tolist()) == {-2.0, 2.0}


def test_every_pass_augments_anew_and_never_the_stored_images():
    images = ImageSet(np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8), np.arange(6))
    batches = plain(images, 6, augment=(RandomCrop(2),))
    before = images.images.copy()
    first, second = (next(iter(batches))[0] for _ in range(2))
    assert not torch.equal(first, second) and np.array_equal(images.images, before)


def test_an_augmentation_receives_the_rows_of_its_images_and_the_number_of_the_pass():
    seen: list[tuple[list[int], int]] = []

    def note(images: torch.Tensor, draws: RandomDraws) -> torch.Tensor:
        assert draws.generator.device == draws.indices.device == images.device and draws.indices.dtype == torch.int64
        assert images[:, 0, 0, 0].tolist() == draws.indices.tolist()
        seen.append((draws.indices.tolist(), draws.epoch))
        return images

    batches = plain(numbered(10), 4, shuffle=True, augment=[note])
    labels = [order(batches) for _ in range(3)]
    assert [epoch for _, epoch in seen] == [0] * 3 + [1] * 3 + [2] * 3
    assert [sum((indices for indices, epoch in seen if epoch == at), []) for at in range(3)] == labels


def test_mixing_comes_last_on_normalised_images_and_makes_the_labels_targets():
    def mix(images: torch.Tensor, labels: torch.Tensor, draws: RandomDraws) -> tuple[torch.Tensor, torch.Tensor]:
        assert labels.dtype == torch.int64 and images.abs().max() <= 2 and torch.equal(draws.indices, labels)
        return images + 100, torch.eye(8)[labels]

    white = ImageSet(np.full((8, 8, 8, 1), 255, np.uint8), np.arange(8))
    batches = Batches(white, batch_size=8, device=CPU, mean=(0.5,), std=(0.25,), augmentations=(RandomCrop(2),), mix=mix)
    ((images, targets),) = batches
    assert set(images.unique().tolist()) == {98.0, 102.0} and torch.equal(targets, torch.eye(8))
    assert torch.equal(batches.labels, torch.arange(8))


@pytest.mark.parametrize("channels", [1, 3])
def test_streamed_batches_are_resident_ones_to_the_last_bit(channels: int):
    resident, streamed = (list(passes(busy(resident=resident, channels=channels), 2)) for resident in (True, False))
    assert are_equal(resident, streamed)
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images, _ in resident + streamed)


def test_streaming_leaves_no_thread_behind_when_the_consumer_stops_early():
    for _ in busy(resident=False):
        break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def on_disk(path: Path, count: int = 12) -> np.memmap:
    """Numbered images in a file, mapped to be read only."""
    numbered(count).images.tofile(path)
    return np.memmap(path, np.uint8, "r", shape=(count, 4, 4, 3))


@pytest.mark.parametrize("resident", [True, False, None])
def test_images_in_a_read_only_file_are_used_from_there_without_a_copy_or_a_warning(tmp_path: Path, resident: bool | None):
    images = on_disk(tmp_path / "images.bin")
    was_always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # else torch would warn of read-only arrays in the first test alone
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            batches = Batches(
                ImageSet(images, np.arange(12)), batch_size=5, device=CPU, mean=(0.0,) * 3, std=(1 / 255,) * 3, resident=resident
            )
            assert order(batches) == list(range(12))
    finally:
        torch.set_warn_always(was_always)
    np.memmap(tmp_path / "images.bin", np.uint8, "r+", shape=(12, 4, 4, 3))[:] = 200
    assert {round(value) for images, _ in batches for value in images.unique().tolist()} == {200}


@pytest.mark.parametrize("resident", [True, False, None])
@pytest.mark.parametrize("shuffle", [False, True])
def test_of_a_pool_only_the_sets_own_rows_are_given(tmp_path: Path, shuffle: bool, resident: bool | None):
    rows = np.array([11, 2, 7, 3, 0, 8])
    for pool in (numbered(12).pool, on_disk(tmp_path / "images.bin")):
        some = ImageSet(pool, rows.copy(), rows=rows)
        batches = Batches(some, batch_size=4, device=CPU, mean=(0.0,) * 3, std=(1 / 255,) * 3, shuffle=shuffle, resident=resident)
        assert torch.equal(batches.labels, torch.from_numpy(rows))
        first, second = order(batches), order(batches)
        assert sorted(first) == sorted(second) == sorted(rows) and (shuffle or first == rows.tolist())


def test_the_rows_of_a_pool_make_the_same_batches_as_a_copy_of_them():
    pixels = np.random.default_rng(5).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    rows, labels = np.random.default_rng(6).permutation(40)[:23], np.arange(23)
    ones, others = (
        list(passes(busy(images=images, resident=resident), 2))
        for images, resident in ((ImageSet(pixels, labels, rows=rows), False), (ImageSet(pixels[rows], labels), True))
    )
    assert are_equal(ones, others)


@pytest.mark.parametrize("largest", [10**6, 10])
def test_a_large_map_is_streamed_and_a_small_one_kept_with_the_very_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int
):
    monkeypatch.setattr(source, "LARGEST_MAP", largest)
    pixels = np.random.default_rng(5).integers(0, 256, (23, 8, 8, 3)).astype(np.uint8)
    pixels.tofile(tmp_path / "images.bin")
    mapped = np.memmap(tmp_path / "images.bin", np.uint8, "r", shape=pixels.shape)
    batches = busy(images=ImageSet(mapped, np.arange(23)))
    seen = []
    for batch in passes(batches, 2):
        is_streamed = any(thread.name.startswith("read-ahead") for thread in threading.enumerate())
        assert is_streamed == (mapped.nbytes > largest)
        seen.append(batch)
    assert are_equal(seen, list(passes(busy(images=ImageSet(pixels, np.arange(23))), 2)))


def all_of(pixels: np.ndarray) -> ImageSet:
    return ImageSet(pixels, np.zeros(len(pixels), np.int64))


def test_normalised_training_images_have_mean_zero_and_deviation_one():
    pixels = np.random.default_rng(0).integers(20, 200, (50, 8, 8, 3)).astype(np.uint8)
    images = Normalise(*channel_statistics(all_of(pixels)), CPU)(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert images.mean((0, 2, 3)).abs().max() < 1e-5
    assert (images.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_a_channel_without_any_contrast_becomes_zero_rather_than_infinite():
    pixels = np.full((5, 4, 4, 1), 77, np.uint8)
    mean, std = channel_statistics(all_of(pixels))
    assert std == (1.0,)
    images = Normalise(mean, std, CPU)(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert images.abs().max() < 1e-6
