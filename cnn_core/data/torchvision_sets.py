"""Arrays of the catalogue's sets, from their archives. In: a folder with the checked archives. Out: (images, labels) by part.

torchvision reads its own formats; what is unpacked for it goes into a scratch folder and is removed. The archives' checksums were verified
when they came, which is what makes CIFAR's pickles safe to open.
"""

import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.data.source import Split
from cnn_core.errors import DataError

Parts = dict[Split, tuple[np.ndarray, np.ndarray]]
STL10_FILES = {"train": ("train_X.bin", "train_y.bin"), "test": ("test_X.bin", "test_y.bin")}


def read_cifar10(folder: Path) -> Parts:
    from torchvision.datasets import CIFAR10

    return _read_cifar(folder, CIFAR10)


def read_cifar100(folder: Path) -> Parts:
    from torchvision.datasets import CIFAR100

    return _read_cifar(folder, CIFAR100)


def read_mnist(folder: Path) -> Parts:
    """MNIST and Fashion-MNIST: the four IDX files, images (N, 28, 28)."""
    from torchvision.datasets.mnist import read_image_file, read_label_file
    from torchvision.datasets.utils import extract_archive

    parts: Parts = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for split, prefix in (("train", "train"), ("test", "t10k")):
            arrays = []
            for kind, read in (("images-idx3-ubyte", read_image_file), ("labels-idx1-ubyte", read_label_file)):
                extract_archive(str(folder / f"{prefix}-{kind}.gz"), scratch)
                arrays.append(read(str(Path(scratch) / f"{prefix}-{kind}")).numpy())
            parts[split] = (arrays[0][..., None], arrays[1])
    return parts


read_fashion_mnist = read_mnist


def read_svhn(folder: Path) -> Parts:
    from torchvision.datasets import SVHN

    parts: Parts = {}
    for split in ("train", "test"):
        data = SVHN(str(folder), split=split)
        parts[split] = (data.data.transpose(0, 2, 3, 1), data.labels)
    return parts


def read_stl10(folder: Path) -> Parts:
    """The labelled part, images (N, 96, 96, 3); the 100,000 without a label stay packed."""
    parts: Parts = {}
    wanted: dict[str, np.ndarray] = {}
    with tarfile.open(folder / "stl10_binary.tar.gz") as archive:
        names = {name for files in STL10_FILES.values() for name in files}
        for member in archive:
            if (name := Path(member.name).name) in names:
                wanted[name] = np.frombuffer(archive.extractfile(member).read(), np.uint8)
            if len(wanted) == len(names):
                break
    for split, (images, labels) in STL10_FILES.items():
        pixels = wanted[images].reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)  # stored column by column
        parts[split] = (pixels, wanted[labels].astype(np.int64) - 1)
    return parts


def _read_cifar(folder: Path, kind: Any) -> Parts:
    from torchvision.datasets.utils import extract_archive

    parts: Parts = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        extract_archive(str(folder / kind.filename), scratch)
        for split in ("train", "test"):
            try:
                data = kind(scratch, train=split == "train")
            except RuntimeError:
                raise DataError(
                    f"{kind.filename} does not hold what it should. Remove it from {folder} and start again."
                ) from None
            parts[split] = (np.asarray(data.data, np.uint8), np.asarray(data.targets, np.int64))
    return parts
