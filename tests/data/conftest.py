"""Fixtures of the tests of the data path: images to import, imports in small chunks, a small archive and its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnn_core.data.catalog_source import CatalogSource
from cnn_core.home import Home
from tests.data.download_server import Made, Server, source_at
from tests.data.imports import CHUNK, good_files, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of 40 images, and one file that cannot be read."""
    return write_folder(tmp_path / "pictures", good_files(40) | {"cat/broken.png": b"no image"})


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnn_core.data.importer.MAX_ROWS", CHUNK)


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


@pytest.fixture
def server(made: Made, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the small archive, and torchvision told of the checksums of the files in it instead of the real ones."""
    from torchvision.datasets import CIFAR10  # loads torch

    server = Server(made.content)
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{n}", made.md5(f"data_batch_{n}")] for n in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", made.md5("test_batch")]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": made.md5("batches.meta")}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    yield server
    server.close()


@pytest.fixture
def source(server: Server, made: Made, home: Home) -> CatalogSource:
    return source_at(home, made, server.url)


@pytest.fixture
def downloads(home: Home) -> Path:
    return home.data / "cifar10"
