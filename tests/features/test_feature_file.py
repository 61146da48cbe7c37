"""A file of kept features is read as it was written, and not at all where it is incomplete, changed or of another network."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from cnn_core.features.feature_file import DIGEST, FEATURES, read_features, record_type, write_features

KEY = "abc"


def some_records(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    records = np.empty(count, record_type((5, 2)))
    records[DIGEST] = rng.integers(0, 256, (count, 16))
    records[FEATURES] = rng.normal(size=(count, 5, 2))
    return records


def test_records_in_several_parts_are_read_as_one_memory_map(tmp_path: Path):
    path, parts = tmp_path / "kept.npy", [some_records(3), some_records(0), some_records(4, seed=1)]
    write_features(path, KEY, parts)
    records = read_features(path, KEY)
    assert isinstance(records, np.memmap) and not records.flags.writeable
    assert np.array_equal(records, np.concatenate(parts)) and [file.name for file in tmp_path.iterdir()] == ["kept.npy"]


@pytest.mark.parametrize("at", [-1, -33, 200])
def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path: Path, at: int):
    path = tmp_path / "kept.npy"
    write_features(path, KEY, [some_records(9)])
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert read_features(path, KEY) is None


@pytest.mark.parametrize("length", [0, 7, 128, 400, -32, -1])
def test_a_file_that_ends_too_early_is_not_read(tmp_path: Path, length: int):
    path = tmp_path / "kept.npy"
    write_features(path, KEY, [some_records(9)])
    path.write_bytes(path.read_bytes()[:length])
    assert read_features(path, KEY) is None


def test_a_file_of_another_kind_or_network_is_not_read(tmp_path: Path):
    path = tmp_path / "kept.npy"
    assert read_features(path, KEY) is None
    write_features(path, "another", [some_records(2)])
    assert read_features(path, KEY) is None and read_features(path, "another") is not None
    for content in (np.zeros((4, 4)), np.array([{"a": 1}], object), np.zeros(3, [("digest", "u1")])):
        np.save(path, content)
        assert read_features(path, KEY) is None


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path: Path):
    path = tmp_path / "kept.npy"
    write_features(path, KEY, [some_records(3)])
    path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space"):
        write_features(path, KEY, [some_records(5)])
    assert np.array_equal(read_features(path, KEY), some_records(3)) and len(list(tmp_path.iterdir())) == 1
