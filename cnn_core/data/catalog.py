"""The catalogue: data sets known by name, with classes, sizes, licence, download and default settings.

In: a name. Out: its entry. To add a data set, add an entry to `CATALOG` and a function that reads its arrays. Importing this module
imports neither torch nor scikit-learn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnn_core.data.download import Archive
from cnn_core.data.source import DataInfo

DIGITS = tuple("0123456789")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy", "bridge",
    "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach",
    "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster",
    "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree",
    "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
    "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea",
    "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower",
    "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle",
    "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
TORCHVISION = "cnn_core.data.torchvision_sets:"
SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class CatalogEntry:
    """One catalogue entry.

    `licence`: its licence and authors, to cite. `archives`: files to download before it can be read; none for an included data set.
    `reader`: "module:function" that returns its arrays by split from a folder with the archives. `defaults`: settings that differ from
    TrainConfig's defaults.
    """

    title: str
    help: str
    licence: str
    info: DataInfo
    reader: str
    archives: tuple[Archive, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)

    def read(self, folder: Path) -> Any:
        """Read images and labels by split, as `import_arrays` takes them, from the archives in `folder`. Raises DataError."""
        module, _, name = self.reader.partition(":")
        reader: Callable[[Path], Any] = getattr(import_module(module), name)
        return reader(folder)

    def samples(self) -> np.ndarray | None:
        """Return one image of each class, uint8 (classes, H, W) or (classes, H, W, 3); None where no samples are included."""
        strip = SAMPLES / f"{self.info.name}.png"
        if not strip.is_file():
            return None
        with Image.open(strip, formats=["PNG"]) as image:
            return np.stack(np.split(np.asarray(image), len(self.info.classes), axis=1))


def _entry(
    name: str, title: str, help: str, licence: str, reader: str, archives: tuple[Archive, ...] = (), **facts: Any
) -> CatalogEntry:
    defaults = facts.pop("defaults", {})
    return CatalogEntry(title, help, licence, DataInfo(name=name, fingerprint="", **facts), reader, archives, defaults)


def _idx_archives(address: str, md5s: tuple[str, ...], megabytes: tuple[float, ...]) -> tuple[Archive, ...]:
    """Return the four files of a data set in MNIST's format at `address`."""
    files = zip(MNIST_FILES, md5s, megabytes, strict=True)
    return tuple(Archive(f"{name}.gz", (f"{address}{name}.gz",), md5, size) for name, md5, size in files)


# A flipped 3 is not a 3, but a flipped sandal is a sandal.
NO_FLIP = {"flip": "off"}

CATALOG = {
    entry.info.name: entry
    for entry in (
        _entry(
            "digits",
            "Digits",
            "1,797 handwritten digits, included: no download.",
            "CC BY 4.0 · E. Alpaydin, C. Kaynak (1998), UCI Machine Learning Repository",
            "cnn_core.data.digits:read_digits",
            classes=DIGITS,
            image_size=32,
            channels=1,
            train_count=1438,
            test_count=359,
            ink="uci",
            defaults={"epochs": 25, "validation_share": 0.15} | NO_FLIP,
        ),
        _entry(
            "cifar10",
            "CIFAR-10",
            "60,000 small colour photographs in ten classes, used by many tutorials. A download of 170 MB.",
            "No licence stated, free for research · A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009)",
            TORCHVISION + "read_cifar10",
            (
                Archive(
                    "cifar-10-python.tar.gz",
                    ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
                    "c58f30108f718f92721af3b95e74349a",
                    170.5,
                ),
            ),
            classes=CIFAR10,
            image_size=32,
            channels=3,
            train_count=50_000,
            test_count=10_000,
        ),
        _entry(
            "cifar100",
            "CIFAR-100",
            "60,000 small colour photographs in a hundred classes, 500 training images each. A download of 169 MB.",
            "No licence stated, free for research · A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009)",
            TORCHVISION + "read_cifar100",
            (
                Archive(
                    "cifar-100-python.tar.gz",
                    ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
                    "eb9058c3a382ffc7106e4002c42a8d85",
                    169.0,
                ),
            ),
            classes=CIFAR100,
            image_size=32,
            channels=3,
            train_count=50_000,
            test_count=10_000,
        ),
        _entry(
            "mnist",
            "MNIST",
            "70,000 handwritten digits of 28×28 pixels, the classic first data set. A download of 12 MB.",
            "CC BY-SA 3.0 · Y. LeCun, C. Cortes, C. Burges (1998)",
            TORCHVISION + "read_mnist",
            _idx_archives(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                (
                    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                    "d53e105ee54ea40749a09fcbcd1e9432",
                    "9fb629c4189551a2d022fa330f9573f3",
                    "ec29112dd5afa0611ce80d1b7f02629c",
                ),
                (9.9, 0.03, 1.6, 0.01),
            ),
            classes=DIGITS,
            image_size=28,
            channels=1,
            train_count=60_000,
            test_count=10_000,
            ink="mnist",
            defaults=NO_FLIP,
        ),
        _entry(
            "fashion-mnist",
            "Fashion-MNIST",
            "70,000 grey images of clothes, as many and as large as MNIST's digits, but harder. A download of 31 MB.",
            "MIT · H. Xiao, K. Rasul, R. Vollgraf, Zalando Research (2017)",
            TORCHVISION + "read_fashion_mnist",
            _idx_archives(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                (
                    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                    "25c81989df183df01b3e8a0aad5dffbe",
                    "bef4ecab320f06d8554ea6380940ec79",
                    "bb300cfdad3c16e7a12a480ee83cd310",
                ),
                (26.4, 0.03, 4.4, 0.01),
            ),
            classes=FASHION,
            image_size=28,
            channels=1,
            train_count=60_000,
            test_count=10_000,
        ),
        _entry(
            "svhn",
            "SVHN",
            "99,289 house numbers from street photographs, one digit in the centre of each. A download of 246 MB.",
            "For non-commercial use only · Y. Netzer and others, Reading Digits in Natural Images (2011)",
            TORCHVISION + "read_svhn",
            (
                Archive(
                    "train_32x32.mat",
                    ("http://ufldl.stanford.edu/housenumbers/train_32x32.mat",),
                    "e26dedcc434d2e4c54c9b2d4a06d8373",
                    182.0,
                ),
                Archive(
                    "test_32x32.mat",
                    ("http://ufldl.stanford.edu/housenumbers/test_32x32.mat",),
                    "eb5a983be6a315427106f1b164d9cef3",
                    64.3,
                ),
            ),
            classes=DIGITS,
            image_size=32,
            channels=3,
            train_count=73_257,
            test_count=26_032,
            defaults=NO_FLIP,
        ),
        _entry(
            "stl10",
            "STL-10",
            "13,000 colour photographs of 96×96 pixels in ten classes, 500 training images each. A download of 2.6 GB.",
            "No licence stated, from ImageNet, free for research · A. Coates, H. Lee, A. Ng (2011)",
            TORCHVISION + "read_stl10",
            (
                Archive(
                    "stl10_binary.tar.gz",
                    ("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",),
                    "91f7769df0f17e558f3565bffb0c7dfb",
                    2640.4,
                ),
            ),
            classes=STL10,
            image_size=96,
            channels=3,
            train_count=5000,
            test_count=8000,
        ),
    )
}


def defaults_for(data: str) -> dict[str, Any]:
    """Return the settings by name that differ by default for data set `data`; empty for own images."""
    return dict(CATALOG[data].defaults) if data in CATALOG else {}
