"""A small CIFAR-10 archive, and a server that sends it as the tests want."""

import hashlib
import io
import pickle
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from cnn_core.data.catalog import CATALOG
from cnn_core.data.catalog_source import CatalogSource
from cnn_core.data.download import STAGE, Archive
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.events import Progress
from cnn_core.home import Home
from tests.helpers import is_a_sentence

NAME = "cifar-10-python.tar.gz"


PER_FILE = 200  # images in each of the archive's six files: 3.7 MB, which is several pieces


def batch_file(seed: int) -> tuple[bytes, np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    data, labels = rng.integers(0, 256, (PER_FILE, 3072)).astype(np.uint8), rng.integers(0, 10, PER_FILE).tolist()
    return pickle.dumps({"data": data, "labels": labels, "batch_label": f"batch {seed}"}), data, labels


class Made:
    """A small archive in the CIFAR-10 python format, and what is in it."""

    def __init__(self) -> None:
        names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
        made = {name: batch_file(seed) for seed, name in enumerate(names)}
        self.files = {name: content for name, (content, _, _) in made.items()}
        self.files["batches.meta"] = pickle.dumps({"label_names": list(CATALOG["cifar10"].info.classes)})
        self.pixels = {name: data for name, (_, data, _) in made.items()}
        self.labels = {name: labels for name, (_, _, labels) in made.items()}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in self.files.items():
                entry = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        self.content = buffer.getvalue()

    def md5(self, name: str) -> str:
        return hashlib.md5(self.files[name]).hexdigest()


class Server:
    """Serves `content` on this machine, or the rest of it where a Range is asked for. `asked` has the Range of every request ("" for
    all), `sent` is how much of an answer comes before the line is cut."""

    def __init__(self, content: bytes) -> None:
        self.content, self.status, self.sent, self.ignores_ranges = content, 200, len(content), False
        self.ranges: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                server.ranges.append(wanted)
                begin = 0 if server.ignores_ranges else int(wanted.removeprefix("bytes=").rstrip("-") or 0)
                status = server.status if not begin else 206 if begin < len(server.content) else 416
                body = server.content[begin:]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: server.sent])

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/{NAME}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def source_at(home: Home, made: Made, *urls: str) -> CatalogSource:
    """CIFAR-10 as the catalogue has it, but for where its archive is and what checksum it has."""
    archive = Archive(NAME, urls, hashlib.md5(made.content).hexdigest(), 3.7)
    return CatalogSource(replace(CATALOG["cifar10"], archives=(archive,)), home)


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def refused(source: CatalogSource) -> str:
    with pytest.raises(DataError) as refusal:
        finish(source.load("train"))
    assert is_a_sentence(refusal.value)
    assert not source.is_imported and source.info == source.entry.info
    return str(refusal.value)


def downloading(events: list[Progress]) -> list[Progress]:
    return [event for event in events if event.stage.startswith(STAGE.partition("{")[0])]


def stop_in_mid_download(source: CatalogSource) -> None:
    loading = source.load("train")
    while not next(loading).stage.startswith(STAGE.partition("{")[0]):
        pass
    loading.close()
