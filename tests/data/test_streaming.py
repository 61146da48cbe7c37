"""Streaming: what is read is what was asked for, two batches ahead, and whoever stops asking also stops the reading."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_core.data import source, streaming
from cnn_core.data.source import ImageSet
from cnn_core.data.streaming import fits_on_device, prefetch

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def pixels(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 5, 6, 3)).astype(np.uint8)


def chunks(count: int = 40, size: int = 4) -> tuple[torch.Tensor, ...]:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0)).split(size)


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fills with the name of the thread at every batch that is read."""
    names: list[str] = []
    gather = streaming._gather

    def noting(images: np.ndarray, chosen: torch.Tensor, pin: bool) -> torch.Tensor:
        names.append(threading.current_thread().name)
        return gather(images, chosen, pin)

    monkeypatch.setattr(streaming, "_gather", noting)
    return names


def are_read(reads: list[str], count: int) -> bool:
    """Whether `count` batches are read, given time, and no more."""
    until = time.monotonic() + 20
    while len(reads) < count and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.05)
    return len(reads) == count


@pytest.mark.parametrize(("count", "size"), [(40, 4), (41, 4), (3, 5), (1, 1), (8, 4)])
def test_every_batch_holds_the_rows_asked_for_in_their_order(count: int, size: int, tmp_path: Path):
    images, order = pixels(count), chunks(count, size)
    images.tofile(tmp_path / "images")
    mapped = np.memmap(tmp_path / "images", np.uint8, "r", shape=images.shape)
    for given in (images, mapped):
        parts = list(prefetch(given, order, CPU))
        assert [batch.numpy().tolist() for batch in parts] == [images[chosen.numpy()].tolist() for chosen in order]
        assert all(batch.dtype == torch.uint8 for batch in parts)


def test_nothing_asked_for_is_nothing_read():
    assert list(prefetch(pixels(), (), CPU)) == [] and not readers()


def test_reading_is_two_batches_ahead_and_on_one_other_thread(reads: list[str]):
    parts = prefetch(pixels(), chunks(), CPU)
    assert are_read(reads, 0)
    for used in range(1, 11):
        next(parts)
        assert are_read(reads, min(used + 2, 10))
    assert len(set(reads)) == 1 and reads[0].startswith("read-ahead")


@pytest.mark.parametrize("used", [1, 5, 10])
def test_a_consumer_that_stops_early_ends_the_reading(reads: list[str], used: int):
    parts = prefetch(pixels(), chunks(), CPU)
    for _ in range(used):
        next(parts)
    assert readers()
    parts.close()
    assert not readers() and len(reads) <= min(used + 2, 10)


def test_the_thread_ends_with_the_last_batch():
    assert len(list(prefetch(pixels(), chunks(), CPU))) == 10 and not readers()


def test_an_error_in_reading_is_raised_at_the_batch_it_belongs_to_and_ends_the_reading():
    order = [*chunks()[:3], torch.tensor([0.5]), *chunks()[3:]]
    parts, seen = prefetch(pixels(), order, CPU), 0
    with pytest.raises(TypeError, match="Cannot cast"):
        for _ in parts:
            seen += 1
    assert seen == 3 and not readers()


def test_a_batch_kept_is_not_overwritten_by_later_ones():
    images, order = pixels(), chunks()
    first, *_ = prefetch(images, order, CPU)
    assert np.array_equal(first.numpy(), images[order[0].numpy()])


def black(count: int) -> ImageSet:
    return ImageSet(np.zeros((count, 1, 1, 1), np.uint8), np.zeros(count, np.int64))


def test_images_stay_on_a_gpu_when_they_take_less_than_half_of_its_free_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2000, 9000))
    assert fits_on_device(black(999), GPU) and not fits_on_device(black(1000), GPU)
    assert fits_on_device(black(9999).take(np.arange(999)), GPU)  # of a pool only what is used is sent there
    assert fits_on_device(black(9999), CPU)


def test_without_a_gpu_all_is_kept_but_a_large_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    black(1000).pool.tofile(tmp_path / "images")
    mapped = np.memmap(tmp_path / "images", np.uint8, "r", shape=(1000, 1, 1, 1))
    for largest in (1000, 999):
        monkeypatch.setattr(source, "LARGEST_MAP", largest)
        assert fits_on_device(ImageSet(mapped, np.zeros(1000, np.int64)), CPU) == (largest == 1000)
        assert fits_on_device(black(1000), CPU)
