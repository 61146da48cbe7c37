"""One file of kept features: a NumPy array of records, an image's digest and its features each, and a checksum behind it.

In: a path, a key, and the records. Out: the file, written atomically, and a memory map of its records. The checksum covers the key, so a file that
is incomplete, changed, or of another network is not read.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cnn_core.files import replacing

DIGEST_BYTES, CHECKSUM_BYTES = 16, 32
DIGEST, FEATURES = "digest", "features"  # the fields of a record


def record_type(shape: tuple[int, ...]) -> np.dtype[np.void]:
    """Return the type of a record: the digest of an image's file, and its features in `shape`, float32."""
    return np.dtype([(DIGEST, np.uint8, (DIGEST_BYTES,)), (FEATURES, "<f4", shape)])


def write_features(path: Path, key: str, parts: Iterable[np.ndarray]) -> None:
    """Write records (n,) of one type, in several parts. Raises OSError, and then leaves the file that was there before."""
    parts = list(parts)
    checksum = hashlib.sha256(key.encode())
    with replacing(path) as file:
        header = np.lib.format.header_data_from_array_1_0(parts[0]) | {"shape": (sum(len(part) for part in parts),)}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            data = _bytes_of(part)
            checksum.update(data)
            file.write(data)
        file.write(checksum.digest())


def read_features(path: Path, key: str) -> np.ndarray | None:
    """Return the records of a file as a read-only memory map; None where it is missing, incomplete, changed, or was written for another key."""
    try:
        records: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        if records.ndim != 1 or not records.dtype.names or records.dtype != record_type(records.dtype[FEATURES].shape):
            return None
        with path.open("rb") as file:
            file.seek(-CHECKSUM_BYTES, 2)
            start, stored = file.tell(), file.read()
        expected = hashlib.sha256(key.encode())
        expected.update(_bytes_of(records))
        is_whole = start == path.stat().st_size - CHECKSUM_BYTES and stored == expected.digest()
    except Exception:  # missing or damaged in any way: the features can be computed again
        return None
    return records if is_whole else None


def _bytes_of(records: np.ndarray) -> memoryview:
    return np.ascontiguousarray(records).view(np.uint8).data
