"""Arrays of the catalogue's data sets. In: a folder with the downloaded archives. Out: (images, labels) by split.

torchvision reads its own formats from a temporary folder. The archives' checksums were verified after the download, so that CIFAR's
pickles are safe to open.
"""

import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.data.source import Split
from cnn_core.errors import DataError

ArraysBySplit = dict[Split, tuple[np.ndarray, np.ndarray]]
TRAIN_TEST: tuple[Split, ...] = ("train", "test")
MNIST_PREFIXES: dict[Split, str] = {"train": "train", "test": "t10k"}
STL10_FILES: dict[Split, tuple[str, str]] = {"train": ("train_X.bin", "train_y.bin"), "test": ("test_X.bin", "test_y.bin")}


def read_cifar10(folder: Path) -> ArraysBySplit:
    """Read CIFAR-10, images (N, 32, 32, 3)."""
    from torchvision.datasets import CIFAR10

    return _read_cifar(folder, CIFAR10)


def read_cifar100(folder: Path) -> ArraysBySplit:
    """Read CIFAR-100, images (N, 32, 32, 3)."""
    from torchvision.datasets import CIFAR100

    return _read_cifar(folder, CIFAR100)


def read_mnist(folder: Path) -> ArraysBySplit:
    """Read the four IDX files of MNIST or Fashion-MNIST, images (N, 28, 28, 1)."""
    from torchvision.datasets.mnist import read_image_file, read_label_file
    from torchvision.datasets.utils import extract_archive

    arrays: ArraysBySplit = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for split, prefix in MNIST_PREFIXES.items():
            files = []
            for kind, read in (("images-idx3-ubyte", read_image_file), ("labels-idx1-ubyte", read_label_file)):
                extract_archive(str(folder / f"{prefix}-{kind}.gz"), scratch)
                files.append(read(str(Path(scratch) / f"{prefix}-{kind}")).numpy())
            arrays[split] = (files[0][..., None], files[1])
    return arrays


read_fashion_mnist = read_mnist


def read_svhn(folder: Path) -> ArraysBySplit:
    """Read SVHN, images (N, 32, 32, 3)."""
    from torchvision.datasets import SVHN

    arrays: ArraysBySplit = {}
    for split in TRAIN_TEST:
        data = SVHN(str(folder), split=split)
        arrays[split] = (data.data.transpose(0, 2, 3, 1), data.labels)
    return arrays


def read_stl10(folder: Path) -> ArraysBySplit:
    """Read the labelled images (N, 96, 96, 3); the 100,000 without a label are not read."""
    arrays: ArraysBySplit = {}
    contents: dict[str, np.ndarray] = {}
    with tarfile.open(folder / "stl10_binary.tar.gz") as archive:
        names = {name for files in STL10_FILES.values() for name in files}
        for member in archive:
            if (name := Path(member.name).name) in names and (file := archive.extractfile(member)):
                contents[name] = np.frombuffer(file.read(), np.uint8)
            if len(contents) == len(names):
                break
    for split, (images, labels) in STL10_FILES.items():
        pixels = contents[images].reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)  # stored column by column
        arrays[split] = (pixels, contents[labels].astype(np.int64) - 1)
    return arrays


def _read_cifar(folder: Path, kind: Any) -> ArraysBySplit:
    from torchvision.datasets.utils import extract_archive

    arrays: ArraysBySplit = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        extract_archive(str(folder / kind.filename), scratch)
        for split in TRAIN_TEST:
            try:
                data = kind(scratch, train=split == "train")
            except RuntimeError:
                raise DataError(
                    f"{kind.filename} does not contain the data set. Remove it from {folder} and start again."
                ) from None
            arrays[split] = (np.asarray(data.data, np.uint8), np.asarray(data.targets, np.int64))
    return arrays
