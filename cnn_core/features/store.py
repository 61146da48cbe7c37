"""The kept features of one data set: files in its folder, one for each network and way of computing.

In: an imported data set. Out: the features of images by their rows. Features belong to the content of an image's file, not to its class, split or row:
where images are relabelled or excluded or the data set is split again, those that are there are used again. They move to the bin with their data
set, and are deleted with it.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnn_core.data.imported import ImportedSource, OnDemandSource
from cnn_core.data.source import DataSource
from cnn_core.errors import DataError
from cnn_core.features.feature_file import DIGEST, DIGEST_BYTES, FEATURES, read_features, record_type, write_features
from cnn_core.files import Deletion, delete_files
from cnn_core.home import FEATURES_FOLDER
from cnn_core.locks import try_lock

MOST_FILES = 8  # networks and ways of computing of which features are kept
SUFFIX = ".npy"
SCRATCH_SECONDS = 3600  # no file is being written for longer


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """The kept features of the data set in `folder`.

    `digests`: of each image's file by row (see `Index.digests`). `preparation`: how a file became the pixels of its image.
    """

    folder: Path
    digests: dict[int, bytes | None]
    preparation: str

    def path(self, key: str) -> Path:
        """Return the file of the features computed in the way that `key` identifies."""
        return self.folder / FEATURES_FOLDER / f"{key}{SUFFIX}"

    @property
    def is_used(self) -> bool:
        """Whether any features are kept."""
        return (self.folder / FEATURES_FOLDER).is_dir()

    def has(self, key: str) -> bool:
        """Whether there is such a file; it may be damaged."""
        return self.path(key).is_file()

    def read(self, key: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the features (k, ...) float32 that are kept of the images in `rows` (n,) int64, and their places among `rows`, (k,) int64."""
        records = read_features(self.path(key), key)
        if records is None:
            return np.empty((0, 0), np.float32), np.empty(0, np.int64)
        position = {digest.tobytes(): number for number, digest in enumerate(np.array(records[DIGEST]))}
        found = np.array([position.get(self.digests.get(row) or b"", -1) for row in rows.tolist()], np.int64)
        places = np.flatnonzero(found >= 0)
        return np.array(records[FEATURES][found[places]]), places

    def add(self, key: str, rows: np.ndarray, features: np.ndarray) -> None:
        """Keep the features (n, ...) float32 of the images in `rows` (n,) int64 too. Raises OSError where they cannot be written.

        Features of images that are no longer in the data set are dropped.
        """
        digests = [self.digests.get(row) or b"" for row in rows.tolist()]
        chosen = [number for number, digest in enumerate(digests) if len(digest) == DIGEST_BYTES]
        new = np.empty(len(chosen), record_type(features.shape[1:]))
        new[DIGEST] = np.frombuffer(b"".join(digests[number] for number in chosen), np.uint8).reshape(-1, DIGEST_BYTES)
        new[FEATURES] = features[chosen]
        new = new[np.unique(new[DIGEST], axis=0, return_index=True)[1]]
        path = self.path(key)
        path.parent.mkdir(exist_ok=True)  # not its parents: the data set may have been removed
        kept = read_features(path, key)
        if kept is None or kept.dtype != new.dtype:
            write_features(path, key, [new])
        else:
            outdated = {digest.tobytes() for digest in new[DIGEST]}
            current = {digest for digest in self.digests.values() if digest} - outdated
            write_features(path, key, [kept[[digest.tobytes() in current for digest in np.array(kept[DIGEST])]], new])
        self._drop_oldest(path)

    @contextlib.contextmanager
    def try_lock(self, key: str) -> Iterator[bool]:
        """Hold the right to compute such features for the block; the value is False where another process or thread holds it.

        Where no lock can be written, nothing can be kept either, and the value is True.
        """
        path = self.path(key).with_suffix(".lock")
        with contextlib.ExitStack() as stack:
            try:
                path.parent.mkdir(exist_ok=True)
                is_acquired = stack.enter_context(try_lock(path))
            except OSError:
                is_acquired = True
            yield is_acquired

    def changed_at(self, key: str) -> int:
        """Return when features were last added, in nanoseconds; 0 where there are none."""
        try:
            return self.path(key).stat().st_mtime_ns
        except OSError:
            return 0

    def _drop_oldest(self, newest: Path) -> None:
        """Delete all but MOST_FILES files, the oldest first, and what processes that were killed left half written."""
        with contextlib.suppress(OSError):
            others = [path for path in newest.parent.glob(f"[!.]*{SUFFIX}") if path != newest]
            oldest = sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)[MOST_FILES - 1 :]
            half = [path for path in newest.parent.glob(f".*{SUFFIX}.*") if path.stat().st_mtime < time.time() - SCRATCH_SECONDS]
            for path in (*oldest, *half):
                path.unlink(missing_ok=True)


def open_feature_store(source: DataSource) -> FeatureStore | None:
    """Return the store of a data set that is imported; None for any other, and where its index cannot be read."""
    if isinstance(source, OnDemandSource):
        if not source.folder.is_dir():
            return None
        folder = source.folder
    elif isinstance(source, ImportedSource):
        folder = source.folder
    else:
        return None
    try:
        imported = ImportedSource(folder)
        facts = imported.facts
        if facts["fingerprint"] != source.info.fingerprint.partition("-")[0]:
            return None  # imported or split again since its images were loaded
        info, stored = source.info, (facts["image_size"], facts["options"]["fit"], facts.get("kept_side", 0))
        resizing = (info.interpolation, info.crop_share)
        own = () if resizing == ("bicubic", 1.0) else resizing  # features of earlier versions stay valid
        preparation = repr((info.image_size, info.channels, info.fit, stored, *own))
        return FeatureStore(folder, imported.index.digests(), preparation)
    except (DataError, KeyError):
        return None


def feature_files(folder: Path) -> list[Path]:
    """Return the files with the features of the data set in `folder`."""
    return sorted((folder / FEATURES_FOLDER).glob(f"[!.]*{SUFFIX}"))


def drop_features(folder: Path) -> Deletion:
    """Delete the kept features of the data set in `folder`, which can be computed again."""
    return delete_files(feature_files(folder))
