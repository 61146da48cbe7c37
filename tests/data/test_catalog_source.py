"""A set of the catalogue, CIFAR-10, from a real archive in its format, served by a real server on this machine: download, stop, go on,
damage, no network, a file that the person has."""

import hashlib
import io
import pickle
import socket
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from cnn_core.data.catalog import CATALOG
from cnn_core.data.catalog_source import CatalogSource
from cnn_core.data.download import Archive, fetch
from cnn_core.data.library import remove_set
from cnn_core.data.source import finish
from cnn_core.errors import DataError
from cnn_core.events import Progress
from cnn_core.home import IMAGES, Home
from tests.helpers import drain, is_a_sentence

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
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                server.asked.append(wanted)
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


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


@pytest.fixture
def server(made: Made, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the small archive, and torchvision told of the checksums of the files in it instead of the real ones."""
    server = Server(made.content)
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{n}", made.md5(f"data_batch_{n}")] for n in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", made.md5("test_batch")]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": made.md5("batches.meta")}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    yield server
    server.close()


def source_at(home: Home, made: Made, *urls: str) -> CatalogSource:
    """CIFAR-10 as the catalogue has it, but for where its archive is and what checksum it has."""
    archive = Archive(NAME, urls, hashlib.md5(made.content).hexdigest(), 3.7)
    return CatalogSource(replace(CATALOG["cifar10"], archives=(archive,)), home)


@pytest.fixture
def source(server: Server, made: Made, home: Home) -> CatalogSource:
    return source_at(home, made, server.url)


@pytest.fixture
def downloads(home: Home) -> Path:
    return home.data / "cifar10"


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def refused(source: CatalogSource) -> str:
    with pytest.raises(DataError) as refusal:
        finish(source.load("train"))
    assert is_a_sentence(refusal.value)
    assert not source.is_imported and source.info == source.entry.info
    return str(refusal.value)


def downloading(events: list[Progress]) -> list[Progress]:
    return [event for event in events if event.stage.startswith("Downloading")]


def stop_in_mid_download(source: CatalogSource) -> None:
    loading = source.load("train")
    while not next(loading).stage.startswith("Downloading"):
        pass
    loading.close()


def test_the_images_are_those_of_the_archive(source: CatalogSource, made: Made):
    train, test = finish(source.load("train")), finish(source.load("test"))
    names = [f"data_batch_{number}" for number in range(1, 6)]
    for images, files in ((train, names), (test, ["test_batch"])):
        planes = np.concatenate([made.pixels[name] for name in files]).reshape(-1, 3, 32, 32)
        assert images.images.dtype == np.uint8 and images.labels.dtype == np.int64 and images.notes == ()
        assert np.array_equal(images.images, planes.transpose(0, 2, 3, 1))
        assert images.labels.tolist() == [label for name in files for label in made.labels[name]]
    assert len(finish(source.load("val"))) == 0


def test_the_facts_are_those_of_the_real_set(home: Home):
    entry = CATALOG["cifar10"]
    info = CatalogSource(entry, home).info
    assert (info.train_count, info.test_count, info.image_size, info.channels) == (50_000, 10_000, 32, 3)
    assert len(info.classes) == 10 and info.classes[0] == "airplane" and info.classes[9] == "truck" and not info.ink
    (archive,) = entry.archives
    assert (archive.name, archive.md5) == (CIFAR10.filename, CIFAR10.tgz_md5) and CIFAR10.url in archive.urls


def test_once_imported_the_facts_are_those_of_what_is_there(source: CatalogSource):
    before = source.info
    finish(source.load("train"))
    assert source.info == replace(before, train_count=5 * PER_FILE, test_count=PER_FILE, fingerprint=source.info.fingerprint)
    assert source.info.fingerprint


def test_the_download_shows_progress_that_grows_to_the_whole(source: CatalogSource, made: Made):
    seen, _ = drain(source.load("train"))
    done = [event.done for event in downloading(seen)]
    assert done == sorted(done) and len(set(done)) >= 3
    assert {event.total for event in downloading(seen)} == {len(made.content) // 10**6} == {done[-1]}


def test_a_second_load_downloads_nothing(server: Server, source: CatalogSource, made: Made, home: Home):
    assert not source.is_imported and source.missing_archives == (NAME,)
    first = finish(source.load("train"))
    assert source.is_imported and source.missing_archives == () and server.asked == [""]
    again = source_at(home, made, server.url)
    seen, images = drain(again.load("train"))
    assert np.array_equal(first.images, images.images)
    finish(again.load("test"))
    assert server.asked == [""] and not downloading(seen)


def test_a_set_that_was_removed_is_restored_from_the_archive(server: Server, source: CatalogSource, home: Home):
    first = finish(source.load("train"))
    fingerprint = source.info.fingerprint
    remove_set("cifar10", home)
    assert not source.is_imported
    assert np.array_equal(finish(source.load("train")).images, first.images)
    assert source.info.fingerprint == fingerprint and server.asked == [""]


def test_a_damaged_download_is_refused_and_removed_so_that_the_next_start_gets_a_good_one(
    server: Server, source: CatalogSource, made: Made, downloads: Path
):
    damaged = bytearray(made.content)
    damaged[len(damaged) // 2] ^= 255
    server.content = bytes(damaged)
    assert "checksum" in refused(source)
    assert left_behind(downloads) == []
    server.content = made.content
    assert len(finish(source.load("train"))) == 5 * PER_FILE and server.asked == ["", ""]


def test_a_connection_that_breaks_off_is_refused_and_the_next_start_asks_for_the_rest_only(
    server: Server, source: CatalogSource, made: Made, downloads: Path
):
    server.sent = len(made.content) // 2
    assert "MB came and are kept" in refused(source)
    assert left_behind(downloads) == [f"{NAME}.part"]
    came = (downloads / f"{NAME}.part").stat().st_size
    assert 0 < came <= server.sent
    server.sent = len(made.content)
    seen, images = drain(source.load("train"))
    assert len(images) == 5 * PER_FILE and server.asked == ["", f"bytes={came}-"]
    assert downloading(seen)[0].done > came // 10**6
    assert {event.total for event in downloading(seen)} == {len(made.content) // 10**6}
    assert left_behind(downloads) == [NAME]
    assert (downloads / NAME).read_bytes() == made.content


def test_a_server_that_does_not_know_of_ranges_sends_everything_again(
    server: Server, source: CatalogSource, made: Made, downloads: Path
):
    stop_in_mid_download(source)
    server.ignores_ranges = True
    assert len(finish(source.load("train"))) == 5 * PER_FILE
    assert len(server.asked) == 2 and server.asked[1].startswith("bytes=")
    assert (downloads / NAME).read_bytes() == made.content


def test_a_download_that_had_all_of_it_when_it_was_stopped_asks_for_no_more_than_that(
    server: Server, source: CatalogSource, made: Made, downloads: Path
):
    downloads.mkdir(parents=True)
    (downloads / f"{NAME}.part").write_bytes(made.content)
    assert len(finish(source.load("train"))) == 5 * PER_FILE
    assert server.asked == [f"bytes={len(made.content)}-"] and left_behind(downloads) == [NAME]


def test_a_beginning_of_something_else_is_removed_when_the_whole_has_another_checksum(
    server: Server, source: CatalogSource, downloads: Path
):
    downloads.mkdir(parents=True)
    (downloads / f"{NAME}.part").write_bytes(b"something else" * 1000)
    assert "checksum" in refused(source)
    assert left_behind(downloads) == []
    assert len(finish(source.load("train"))) == 5 * PER_FILE and server.asked[1:] == [""]


def test_stopping_in_mid_download_keeps_what_came_and_makes_no_archive(source: CatalogSource, downloads: Path):
    stop_in_mid_download(source)
    assert left_behind(downloads) == [f"{NAME}.part"] and not source.is_imported and source.missing_archives == (NAME,)


def test_without_a_server_it_is_refused_in_words(server: Server, source: CatalogSource, downloads: Path):
    server.close()
    message = refused(source)
    assert "could not be downloaded" in message and NAME in message and "digits" in message
    assert left_behind(downloads) == []


def test_a_server_that_has_no_such_file_is_refused_in_words(server: Server, source: CatalogSource, downloads: Path):
    server.status = 404
    assert "could not be downloaded" in refused(source)
    assert left_behind(downloads) == []


@pytest.mark.parametrize(
    "answer", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n"]
)
def test_an_answer_that_makes_no_sense_is_refused_in_words(made: Made, home: Home, downloads: Path, answer: bytes):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reply() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        answering = threading.Thread(target=reply)
        answering.start()
        try:
            message = refused(source_at(home, made, f"http://127.0.0.1:{listener.getsockname()[1]}/cifar.tar.gz"))
        finally:
            answering.join()
    assert "could not be downloaded" in message and "are kept" not in message
    assert left_behind(downloads) == []


def test_the_next_address_is_tried_when_one_does_not_answer(server: Server, made: Made, home: Home):
    gone = Server(made.content)
    gone.close()
    assert len(finish(source_at(home, made, gone.url, server.url).load("train"))) == 5 * PER_FILE
    assert server.asked == [""]


def test_a_file_is_fetched_once(server: Server, source: CatalogSource, made: Made, tmp_path: Path):
    (archive,) = source.entry.archives
    assert [progress.stage for progress in drain(fetch(archive, tmp_path / "here", "A set"))[0]][-1] == "Downloading A set (MB)"
    assert (tmp_path / "here" / NAME).read_bytes() == made.content
    assert drain(fetch(archive, tmp_path / "here", "A set")) == ([], None) and len(server.asked) == 1


def test_a_file_that_the_person_has_is_taken_by_its_checksum_whatever_its_name(
    server: Server, source: CatalogSource, made: Made, tmp_path: Path
):
    mine = tmp_path / "Download (3).bin"
    mine.write_bytes(made.content)
    source.add_archive(mine)
    assert source.missing_archives == ()
    assert len(finish(source.load("train"))) == 5 * PER_FILE
    assert server.asked == [] and mine.read_bytes() == made.content


def test_a_file_that_is_another_one_or_is_not_there_is_refused_in_words(
    source: CatalogSource, made: Made, downloads: Path, tmp_path: Path
):
    (tmp_path / "other.tar.gz").write_bytes(made.content[:-1])
    for file, words in (("other.tar.gz", NAME), ("gone.tar.gz", "cannot be read"), ("", "cannot be read")):
        with pytest.raises(DataError, match=words) as refusal:
            source.add_archive(tmp_path / file)
        assert is_a_sentence(refusal.value)
    assert left_behind(downloads) == [] and source.missing_archives == (NAME,)


def test_an_archive_that_holds_other_files_is_refused_in_words(
    source: CatalogSource, downloads: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", "0" * 32]])
    assert "does not hold what it should" in refused(source)
    assert left_behind(downloads) == [NAME]


def test_an_imported_set_whose_images_are_damaged_is_refused_in_words(source: CatalogSource):
    finish(source.load("train"))
    with (source.folder / IMAGES).open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="damaged") as refusal:
        finish(source.load("train"))
    assert is_a_sentence(refusal.value)
