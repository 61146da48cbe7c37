"""Imports that are interrupted, killed, or run out of disk space are continued."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnn_core.data import duplicates
from cnn_core.data.imported import ImportedSource
from cnn_core.data.importer import FREE_SPACE, READING, ImportOptions, import_files
from cnn_core.data.index.index import Index
from cnn_core.data.index.schema import CHECK_DISK
from cnn_core.errors import DataError
from cnn_core.home import INDEX, Home
from tests.data.imports import CHUNK, are_same, good_files, imported_names, refused_import, run_import, skipped_files, write_zip
from tests.helpers import drain, is_a_sentence, start_process, write_images


def test_an_import_that_is_interrupted_anywhere_is_gone_on_with(folder: Path, home: Home, small_chunks: None):
    whole = run_import(home, folder, "whole")
    steps = len(drain(import_files("counted", folder, ImportOptions(), home))[0])
    assert steps > 11
    for stop in range(1, steps + 1):
        name = f"stopped-{stop}"
        importing = import_files(name, folder, ImportOptions(), home)
        for _ in range(stop):
            next(importing)
        importing.close()
        assert name not in imported_names(home)
        index = Index(home.staging_folder(name) / INDEX)
        read = index.count("is_read") if index.path.exists() else 0
        reports, _ = drain(import_files(name, folder, ImportOptions(), home))
        again = [progress.done for progress in reports if progress.stage == READING]
        assert len(again) == -(-(81 - read) // CHUNK) and (not again or again[0] == read + CHUNK or again == [81])
        assert are_same(whole, ImportedSource(home.set_folder(name))), stop
        assert not home.staging_folder(name).exists()


def test_what_was_read_is_not_opened_again(folder: Path, home: Home, small_chunks: None):
    importing = import_files("mine", folder, ImportOptions(), home)
    while next(importing).done < 30:
        pass
    importing.close()
    read = Index(home.staging_folder("mine") / INDEX).count("is_read")
    steps, _ = drain(import_files("mine", folder, ImportOptions(), home))
    assert read >= 30 and [step.done for step in steps if step.stage == READING][0] == read + CHUNK
    source = ImportedSource(home.set_folder("mine"))
    assert len(skipped_files(source)) == 1 and source.info.train_count + source.info.test_count == 80


def test_what_changed_since_it_was_read_is_read_again(folder: Path, home: Home, small_chunks: None):
    importing = import_files("mine", folder, ImportOptions(), home)
    while next(importing).done < 30:
        pass
    importing.close()
    path = folder / "cat" / "0.png"
    path.write_bytes(b"x" * path.stat().st_size)
    assert "cat/0.png" in skipped_files(run_import(home, folder))


def test_files_that_came_while_an_import_was_interrupted_are_read_too(home: Home, tmp_path: Path):
    folder = write_images(tmp_path / "mine", count=20)
    importing = import_files("mine", folder, ImportOptions(), home)
    while next(importing).stage != READING:
        pass
    importing.close()
    write_images(tmp_path / "more", ["red"], count=5, seed=3)
    for path in (tmp_path / "more" / "red").iterdir():
        path.rename(folder / "red" / f"new-{path.name}")
    info = run_import(home, folder).info
    assert info.train_count + info.test_count == 65


def test_an_import_with_other_options_begins_anew(folder: Path, home: Home, small_chunks: None):
    importing = import_files("mine", folder, ImportOptions(), home)
    while next(importing).done < 30:
        pass
    importing.close()
    assert run_import(home, folder, image_size=24).pool.shape == (81, 24, 24, 3)


def test_an_import_of_an_archive_that_changed_begins_anew(home: Home, tmp_path: Path, small_chunks: None):
    archive = write_zip(tmp_path / "set.zip", good_files(20))
    importing = import_files("mine", archive, ImportOptions(), home)
    while next(importing).done < 20:
        pass
    importing.close()
    write_zip(archive, {name.replace("cat", "fox"): content for name, content in good_files(30).items()})
    os.utime(archive, ns=(1, 1))
    source = run_import(home, archive)
    assert source.info.classes == ("dog", "fox") and not skipped_files(source) and len(source.pool) == 60


def test_an_import_whose_process_is_killed_is_gone_on_with(folder: Path, home: Home, small_chunks: None):
    whole = run_import(home, folder, "whole")
    script = """
import os, signal, sys
from pathlib import Path
from cnn_core.data import importer, parallel_decoding
from cnn_core.home import Home
importer.MAX_ROWS, parallel_decoding.MAX_IN_PROCESS = int(sys.argv[4]), int(sys.argv[3])
for progress in importer.import_files("mine", Path(sys.argv[1]), importer.ImportOptions(), Home.from_environment()):
    if progress.stage == sys.argv[2] and progress.done >= 30 * (progress.stage == importer.READING):
        os.kill(os.getpid(), signal.SIGKILL)
"""
    for stage, alone in ((READING, 1000), (READING, 10), (duplicates.STAGE, 1000)):
        process = start_process(home, "-c", script, str(folder), stage, str(alone), str(CHUNK))
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL and imported_names(home) == ["whole"]
        read = Index(home.staging_folder("mine") / INDEX).count("is_read")
        assert read >= 30
        reports, _ = drain(import_files("mine", folder, ImportOptions(), home))
        assert sum(progress.stage == READING for progress in reports) == -(-(81 - read) // CHUNK)
        assert are_same(whole, ImportedSource(home.set_folder("mine")))
        shutil.rmtree(home.set_folder("mine"))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Home]:
    """A home on a disk of its own with 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if (
        os.geteuid()
        or not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True).returncode
    ):
        pytest.skip("a disk of its own cannot be mounted here")
    yield Home(place)
    subprocess.run(["umount", place], check=True)


def test_a_disk_without_room_for_the_images_is_noticed_before_anything_is_read(tiny_disk: Home, folder: Path):
    sentence = refused_import(tiny_disk, folder)
    assert FREE_SPACE in sentence and "81 images" in sentence
    assert Index(tiny_disk.staging_folder("mine") / INDEX).count("is_read") == 0


@pytest.mark.parametrize("spare", [0, 200_000, 400_000])
def test_a_disk_that_fills_up_ends_the_import_with_a_message_and_keeps_what_was_read(
    spare: int, tiny_disk: Home, folder: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("cnn_core.data.pixel_file.SPARE_BYTES", 0)
    importing = import_files("mine", folder, ImportOptions(), tiny_disk)
    while next(importing).done < 30:
        pass
    filler = tiny_disk.root / "filler"
    free = shutil.disk_usage(tiny_disk.root).free - spare
    filler.write_bytes(bytes(max(0, free)))
    try:
        drain(importing)
    except DataError as refusal:
        assert is_a_sentence(refusal) and any(remedy in str(refusal) for remedy in (FREE_SPACE, CHECK_DISK))
        assert imported_names(tiny_disk) == []
        assert Index(tiny_disk.staging_folder("mine") / INDEX).count("is_read") >= 30
        filler.unlink()
        drain(import_files("mine", folder, ImportOptions(), tiny_disk))
    else:
        assert spare
    finally:
        importing.close()
    source = ImportedSource(tiny_disk.set_folder("mine"))
    assert source.info.train_count + source.info.test_count == 80 and len(source.index.skipped_files()) == 1
