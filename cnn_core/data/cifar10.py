"""CIFAR-10 (A. Krizhevsky, 2009): 60,000 colour photographs of 32×32 in ten classes, fetched and checked by torchvision's facts.

The archive is downloaded here, in pieces, so that progress can be shown and the download can be stopped; torchvision then
unpacks it and verifies every file against its checksums.
"""

import shutil
import tempfile
import urllib.request
from collections.abc import Generator
from http.client import HTTPException
from pathlib import Path

import numpy as np

from cnn_core.data.source import DataInfo, ImageSet, Loading, Part
from cnn_core.errors import DataError
from cnn_core.events import Progress

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
UNPACKED = "cifar-10-batches-py"
CHUNK = 2**20
TIMEOUT = 20  # seconds without an answer


class Cifar10Source:
    """CIFAR-10 in `folder`, downloaded at the first `load`. Raises DataError when there is no network or a checksum differs."""

    info = DataInfo(
        name="cifar10",
        classes=CLASSES,
        image_size=32,
        channels=3,
        train_count=50_000,
        test_count=10_000,
        fingerprint="cifar10-c58f30108f718f92721af3b95e74349a",
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_downloaded(self) -> bool:
        return (self.folder / UNPACKED).is_dir()

    def load(self, part: Part) -> Loading:
        yield Progress("Opening CIFAR-10", 0, 1)
        from torchvision.datasets import CIFAR10

        if not self.is_downloaded:
            archive = self.folder / CIFAR10.filename
            if not archive.is_file():
                yield from self._download(CIFAR10.url, archive)
            yield Progress("Unpacking CIFAR-10", 0, 1)
            self._unpack(archive, CIFAR10.tgz_md5)
        try:
            data = CIFAR10(str(self.folder), train=part == "train", download=False)
        except RuntimeError:
            shutil.rmtree(self.folder / UNPACKED, ignore_errors=True)
            raise DataError(
                "The unpacked CIFAR-10 files are damaged: a checksum differs. They were removed; start again to restore them."
            ) from None
        return ImageSet(np.asarray(data.data, np.uint8), np.asarray(data.targets, np.int64))

    def _download(self, url: str, archive: Path) -> Generator[Progress, None, None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(".part")
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, partial.open("wb") as file:
                total = int(answer.headers.get("Content-Length") or 0)
                while piece := answer.read(CHUNK):
                    file.write(piece)
                    yield Progress("Downloading CIFAR-10 (MB)", file.tell() // 10**6, max(total // 10**6, 1))
            partial.rename(archive)
        except (OSError, HTTPException) as error:
            raise DataError(
                f"CIFAR-10 could not be downloaded ({getattr(error, 'reason', error)}). Check the network connection and start again, "
                "or choose digits, which needs no network, or a folder of images."
            ) from None
        finally:
            partial.unlink(missing_ok=True)

    def _unpack(self, archive: Path, md5: str) -> None:
        from torchvision.datasets.utils import check_integrity, extract_archive

        if not check_integrity(str(archive), md5):
            archive.unlink()
            raise DataError(
                "The CIFAR-10 archive is damaged or incomplete: its checksum differs. It was removed; start again to download it afresh."
            )
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            extract_archive(str(archive), scratch)
            (Path(scratch) / UNPACKED).rename(self.folder / UNPACKED)
