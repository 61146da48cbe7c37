"""Checkpoints: what is read is what was written, or nothing; the one before is used when the last one is damaged."""

import errno
import os
import threading
from pathlib import Path

import pytest
import torch

from cnn_core.home import CHECKPOINT, OLD_CHECKPOINT
from cnn_core.models.checkpoint import DAMAGED, drop_checkpoints, has_checkpoint, load_checkpoint, save_checkpoint
from tests.helpers import is_a_sentence

CPU = torch.device("cpu")


def state(number: int) -> dict:
    return {"number": number, "weights": torch.full((50,), float(number)), "best": (0.5, -1.0), "epochs": [{"epoch": number}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two checkpoints, the older with number 1, the newer with number 2."""
    for number in (0, 1, 2):
        save_checkpoint(tmp_path, state(number))
    return tmp_path


def number_in(folder: Path) -> tuple[int | None, str]:
    found, note = load_checkpoint(folder, CPU)
    return found and found["number"], note


def test_a_state_comes_back_as_it_went_in(tmp_path: Path):
    save_checkpoint(tmp_path, state(7))
    found, note = load_checkpoint(tmp_path, CPU)
    assert note == "" and torch.equal(found.pop("weights"), torch.full((50,), 7.0))
    assert found == {"number": 7, "best": (0.5, -1.0), "epochs": [{"epoch": 7}]}


def test_the_last_two_are_saved_and_the_newer_one_is_used(folder: Path):
    assert number_in(folder) == (2, "")
    assert sorted(path.name for path in folder.iterdir()) == sorted([CHECKPOINT, OLD_CHECKPOINT])
    (folder / CHECKPOINT).unlink()  # as a crash between the two leaves it
    assert number_in(folder) == (1, "")


def corrupt(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut off":
        path.write_bytes(content[:-1])
    elif how == "a bit flipped":
        place = len(content) * 2 // 3
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    else:
        path.write_bytes({"empty": b"", "short": content[:10], "something else": os.urandom(3000)}[how])


@pytest.mark.parametrize("how", ["cut off", "a bit flipped", "empty", "short", "something else"])
def test_a_damaged_calibration_is_not_used_and_reported(folder: Path, how: str):
    corrupt(folder / CHECKPOINT, how)
    found, note = number_in(folder)
    assert found == 1 and note == DAMAGED.format(name=CHECKPOINT) and is_a_sentence(note)
    corrupt(folder / OLD_CHECKPOINT, how)
    found, note = number_in(folder)
    assert found is None and note == DAMAGED.format(name=OLD_CHECKPOINT) and is_a_sentence(note)


def test_every_flipped_bit_is_noticed(tmp_path: Path):
    save_checkpoint(tmp_path, {"number": 1})
    whole = (tmp_path / CHECKPOINT).read_bytes()
    for place in range(0, len(whole), 7):
        (tmp_path / CHECKPOINT).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert number_in(tmp_path)[0] is None


def test_dropping_leaves_none_and_there_being_none_is_no_damage(folder: Path):
    (folder / f".{CHECKPOINT}.4711").write_bytes(b"what a killed process had begun to write")
    assert has_checkpoint(folder)
    for _ in range(2):
        drop_checkpoints(folder)
        assert not has_checkpoint(folder) and list(folder.iterdir()) == []
    assert number_in(folder) == (None, "")


def test_a_failed_write_leaves_the_last_checkpoint_to_be_found(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(folder, state(3))
    assert number_in(folder) == (2, "")


def test_a_disk_that_is_full_leaves_the_last_checkpoint_to_be_found_and_no_scrap(folder: Path):
    scratch = f".{CHECKPOINT}.{os.getpid()}-{threading.get_ident()}"  # where the file is written before it gets its name
    (folder / scratch).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(folder, state(3))
    assert number_in(folder) == (2, "") and [path.name for path in folder.iterdir()] == [OLD_CHECKPOINT]
    save_checkpoint(folder, state(4))
    assert number_in(folder) == (4, "")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
@pytest.mark.parametrize("failing", [1, 2])
def test_whichever_rename_fails_the_last_checkpoint_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: int, code: int
):
    rename, calls = Path.replace, []

    def replace(path: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == failing:
            raise OSError(code, os.strerror(code))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match=os.strerror(code)):
        save_checkpoint(folder, state(3))
    assert len(calls) == failing and number_in(folder) == (2, "")
