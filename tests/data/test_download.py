"""Downloads: progress, interrupted and continued ones, damaged files and servers that fail."""

import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from cnn_core.data.catalog_source import CatalogSource
from cnn_core.data.download import SAVED, STAGE, fetch
from cnn_core.data.set_bin import remove_set
from cnn_core.data.source import finish
from cnn_core.home import Home
from tests.data.download_server import (
    NAME,
    PER_FILE,
    Made,
    Server,
    downloading,
    left_behind,
    refused,
    source_at,
    stop_in_mid_download,
)
from tests.helpers import drain


def test_the_download_shows_progress_that_grows_to_the_whole(source: CatalogSource, made: Made):
    seen, _ = drain(source.load("train"))
    done = [event.done for event in downloading(seen)]
    assert done == sorted(done) and len(set(done)) >= 3
    assert {event.total for event in downloading(seen)} == {len(made.content) // 10**6} == {done[-1]}


def test_a_second_load_downloads_nothing(server: Server, source: CatalogSource, made: Made, home: Home):
    assert not source.is_imported and source.missing_archives == (NAME,)
    first = finish(source.load("train"))
    assert source.is_imported and source.missing_archives == () and server.ranges == [""]
    again = source_at(home, made, server.url)
    seen, images = drain(again.load("train"))
    assert np.array_equal(first.images, images.images)
    finish(again.load("test"))
    assert server.ranges == [""] and not downloading(seen)


def test_a_set_that_was_removed_is_restored_from_the_archive(server: Server, source: CatalogSource, home: Home):
    first = finish(source.load("train"))
    fingerprint = source.info.fingerprint
    remove_set("cifar10", home)
    assert not source.is_imported
    assert np.array_equal(finish(source.load("train")).images, first.images)
    assert source.info.fingerprint == fingerprint and server.ranges == [""]


def test_a_damaged_download_is_refused_and_removed_so_that_the_next_start_gets_a_good_one(
    server: Server, source: CatalogSource, made: Made, downloads: Path
):
    damaged = bytearray(made.content)
    damaged[len(damaged) // 2] ^= 255
    server.content = bytes(damaged)
    assert source.entry.title in refused(source)
    assert left_behind(downloads) == []
    server.content = made.content
    assert len(finish(source.load("train"))) == 5 * PER_FILE and server.ranges == ["", ""]


def test_a_connection_that_breaks_off_is_refused_and_the_next_start_asks_for_the_rest_only(
    server: Server, source: CatalogSource, made: Made, downloads: Path
):
    server.sent = len(made.content) // 2
    assert SAVED in refused(source)
    assert left_behind(downloads) == [f"{NAME}.part"]
    came = (downloads / f"{NAME}.part").stat().st_size
    assert 0 < came <= server.sent
    server.sent = len(made.content)
    seen, images = drain(source.load("train"))
    assert len(images) == 5 * PER_FILE and server.ranges == ["", f"bytes={came}-"]
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
    assert len(server.ranges) == 2 and server.ranges[1].startswith("bytes=")
    assert (downloads / NAME).read_bytes() == made.content


def test_a_download_that_had_all_of_it_when_it_was_stopped_asks_for_no_more_than_that(
    server: Server, source: CatalogSource, made: Made, downloads: Path
):
    downloads.mkdir(parents=True)
    (downloads / f"{NAME}.part").write_bytes(made.content)
    assert len(finish(source.load("train"))) == 5 * PER_FILE
    assert server.ranges == [f"bytes={len(made.content)}-"] and left_behind(downloads) == [NAME]


def test_a_beginning_of_something_else_is_removed_when_the_whole_has_another_checksum(
    server: Server, source: CatalogSource, downloads: Path
):
    downloads.mkdir(parents=True)
    (downloads / f"{NAME}.part").write_bytes(b"something else" * 1000)
    assert source.entry.title in refused(source)
    assert left_behind(downloads) == []
    assert len(finish(source.load("train"))) == 5 * PER_FILE and server.ranges[1:] == [""]


def test_stopping_in_mid_download_keeps_what_came_and_makes_no_archive(source: CatalogSource, downloads: Path):
    stop_in_mid_download(source)
    assert left_behind(downloads) == [f"{NAME}.part"] and not source.is_imported and source.missing_archives == (NAME,)


def test_without_a_server_it_is_refused_with_a_message(server: Server, source: CatalogSource, downloads: Path):
    server.close()
    message = refused(source)
    assert source.entry.title in message and NAME in message and "digits" in message and SAVED not in message
    assert left_behind(downloads) == []


def test_a_server_that_has_no_such_file_is_refused_with_a_message(server: Server, source: CatalogSource, downloads: Path):
    server.status = 404
    assert NAME in refused(source)
    assert left_behind(downloads) == []


@pytest.mark.parametrize(
    "answer", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n"]
)
def test_an_answer_that_makes_no_sense_is_refused_with_a_message(made: Made, home: Home, downloads: Path, answer: bytes):
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
    assert NAME in message and SAVED not in message
    assert left_behind(downloads) == []


def test_the_next_address_is_tried_when_one_does_not_answer(server: Server, made: Made, home: Home):
    gone = Server(made.content)
    gone.close()
    assert len(finish(source_at(home, made, gone.url, server.url).load("train"))) == 5 * PER_FILE
    assert server.ranges == [""]


def test_a_file_is_fetched_once(server: Server, source: CatalogSource, made: Made, tmp_path: Path):
    (archive,) = source.entry.archives
    assert [progress.stage for progress in drain(fetch(archive, tmp_path / "here", "A set"))[0]][-1] == STAGE.format(
        title="A set"
    )
    assert (tmp_path / "here" / NAME).read_bytes() == made.content
    assert drain(fetch(archive, tmp_path / "here", "A set")) == ([], None) and len(server.ranges) == 1
