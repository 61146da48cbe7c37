"""CIFAR-10 from a real archive in its format, served by a real server on this machine: download, stop, damage, no network."""

import hashlib
import io
import pickle
import socket
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from cnn_core.data.cifar10 import CLASSES, UNPACKED, Cifar10Source
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.events import Progress
from tests.helpers import drain, is_a_sentence

PER_FILE = 200  # images in each of the archive's six files: 3.7 MB, which is several pieces


def batch_file(seed: int) -> tuple[bytes, np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    data, labels = rng.integers(0, 256, (PER_FILE, 3072)).astype(np.uint8), rng.integers(0, 10, PER_FILE).tolist()
    return pickle.dumps({"data": data, "labels": labels, "batch_label": f"batch {seed}"}), data, labels


class Archive:
    """A small archive in the CIFAR-10 python format, and what is in it."""

    def __init__(self) -> None:
        names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
        made = {name: batch_file(seed) for seed, name in enumerate(names)}
        self.files = {name: content for name, (content, _, _) in made.items()}
        self.files["batches.meta"] = pickle.dumps({"label_names": list(CLASSES)})
        self.pixels = {name: data for name, (_, data, _) in made.items()}
        self.labels = {name: labels for name, (_, _, labels) in made.items()}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in self.files.items():
                entry = tarfile.TarInfo(f"{UNPACKED}/{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        self.content = buffer.getvalue()

    def md5(self, name: str) -> str:
        return hashlib.md5(self.files[name]).hexdigest()


class Server:
    """Serves `content` on this machine; `requests` counts, `promised` is the length it announces."""

    def __init__(self, content: bytes) -> None:
        self.content, self.promised, self.status, self.requests = content, len(content), 200, 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                self.send_response(server.status)
                self.send_header("Content-Length", str(server.promised))
                self.end_headers()
                self.wfile.write(server.content)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/cifar-10-python.tar.gz"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive()


@pytest.fixture
def server(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the small archive, and torchvision told of its address and checksums instead of the real ones."""
    server = Server(archive.content)
    monkeypatch.setattr(CIFAR10, "url", server.url)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.content).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{n}", archive.md5(f"data_batch_{n}")] for n in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", archive.md5("test_batch")]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": archive.md5("batches.meta")}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    yield server
    server.close()


@pytest.fixture
def source(tmp_path: Path) -> Cifar10Source:
    return Cifar10Source(tmp_path / "data" / "cifar10")


def left_behind(source: Cifar10Source) -> list[str]:
    return sorted(path.name for path in source.folder.iterdir()) if source.folder.exists() else []


def refused(source: Cifar10Source) -> str:
    with pytest.raises(DataError) as refusal:
        finish(source.load("train"))
    assert is_a_sentence(refusal.value)
    return str(refusal.value)


def downloads(events: list[Progress]) -> list[Progress]:
    return [event for event in events if event.stage.startswith("Downloading")]


def test_the_images_are_those_of_the_archive(server: Server, source: Cifar10Source, archive: Archive):
    train, test = finish(source.load("train")), finish(source.load("test"))
    names = [f"data_batch_{number}" for number in range(1, 6)]
    for images, files in ((train, names), (test, ["test_batch"])):
        planes = np.concatenate([archive.pixels[name] for name in files]).reshape(-1, 3, 32, 32)
        assert images.images.dtype == np.uint8 and images.labels.dtype == np.int64 and images.notes == ()
        assert np.array_equal(images.images, planes.transpose(0, 2, 3, 1))
        assert images.labels.tolist() == [label for name in files for label in archive.labels[name]]


def test_the_facts_are_those_of_the_real_set():
    info = Cifar10Source.info
    assert (info.train_count, info.test_count, info.image_size, info.channels) == (50_000, 10_000, 32, 3)
    assert len(info.classes) == 10 and info.classes[0] == "airplane" and info.classes[9] == "truck" and not info.ink
    assert CIFAR10.tgz_md5 in info.fingerprint


def test_the_download_shows_progress_that_grows_to_the_whole(server: Server, source: Cifar10Source, archive: Archive):
    seen, _ = drain(source.load("train"))
    done = [event.done for event in downloads(seen)]
    assert done == sorted(done) and len(set(done)) >= 3
    assert {event.total for event in downloads(seen)} == {len(archive.content) // 10**6} == {done[-1]}


def test_a_second_load_downloads_nothing(server: Server, source: Cifar10Source):
    assert not source.is_downloaded
    first = finish(source.load("train"))
    assert source.is_downloaded and server.requests == 1
    seen, again = drain(Cifar10Source(source.folder).load("train"))
    assert np.array_equal(first.images, again.images)
    finish(source.load("test"))
    assert server.requests == 1 and not downloads(seen)


def test_a_damaged_archive_is_refused_and_removed_so_that_the_next_start_gets_a_good_one(
    server: Server, source: Cifar10Source, archive: Archive
):
    damaged = bytearray(archive.content)
    damaged[len(damaged) // 2] ^= 255
    server.content = bytes(damaged)
    assert "checksum" in refused(source)
    assert left_behind(source) == []
    server.content = archive.content
    assert len(finish(source.load("train"))) == 5 * PER_FILE


def test_a_connection_that_breaks_off_is_refused_and_leaves_nothing(server: Server, source: Cifar10Source, archive: Archive):
    server.content = archive.content[: len(archive.content) // 2]
    refused(source)
    assert left_behind(source) == []


def test_damaged_unpacked_files_are_refused_and_restored_from_the_archive(server: Server, source: Cifar10Source):
    whole = finish(source.load("train"))
    with (source.folder / UNPACKED / "data_batch_2").open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    assert "damaged" in refused(source)
    assert np.array_equal(finish(source.load("train")).images, whole.images)
    assert server.requests == 1


def test_without_a_server_it_is_refused_in_words(server: Server, source: Cifar10Source):
    server.close()
    assert "could not be downloaded" in refused(source)
    assert left_behind(source) == []


def test_a_server_that_has_no_such_file_is_refused_in_words(server: Server, source: Cifar10Source):
    server.status = 404
    assert "could not be downloaded" in refused(source)
    assert left_behind(source) == []


@pytest.mark.parametrize(
    "answer", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n"]
)
def test_an_answer_that_makes_no_sense_is_refused_in_words(source: Cifar10Source, monkeypatch: pytest.MonkeyPatch, answer: bytes):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{listener.getsockname()[1]}/cifar.tar.gz")

        def reply() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        answering = threading.Thread(target=reply)
        answering.start()
        try:
            assert "could not be downloaded" in refused(source)
        finally:
            answering.join()
    assert left_behind(source) == []


def test_stopping_in_mid_download_leaves_no_archive_and_no_piece_of_one(server: Server, source: Cifar10Source):
    loading = source.load("train")
    while not next(loading).stage.startswith("Downloading"):
        pass
    assert left_behind(source) == ["cifar-10-python.tar.part"]
    loading.close()
    assert left_behind(source) == [] and not source.is_downloaded
