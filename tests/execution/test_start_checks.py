"""What cannot be trained is refused before a run exists, and what can be trained waits in the queue."""

import re
from pathlib import Path

import pytest
import torch

from cnn_core.config.defaults import make_config
from cnn_core.config.fitting import LOWERED_BATCH, TOO_FEW_IMAGES
from cnn_core.data.listing import ONE_CLASS
from cnn_core.device import NEEDS_GPU, UNAVAILABLE
from cnn_core.errors import DataError, DeviceError, SettingError
from cnn_core.events import Note, Started
from cnn_core.execution.in_process import execute
from cnn_core.runs.store import Store
from cnn_core.runs.submit import TOO_LARGE_BATCH, submit
from tests.helpers import is_a_sentence, tiny_config, write_images


def test_what_cannot_start_is_refused_before_a_run_exists(store: Store, tmp_path: Path, image_folder: Path):
    narrow = write_images(tmp_path / "narrow", ["red"])
    write_images(tmp_path / "few" / "train", count=1)
    write_images(tmp_path / "few" / "test", count=2, seed=1)
    absent = "mps" if not torch.backends.mps.is_available() else "cuda"
    for config, kind, words in (
        (tiny_config(image_folder, batch_size=25), SettingError, r"\b25\b.*\b2\d\b"),
        (tiny_config(tmp_path / "nowhere"), DataError, "nowhere"),
        (tiny_config(narrow), DataError, re.escape(ONE_CLASS.format(name="red"))),
        (tiny_config(tmp_path / "few"), DataError, re.escape(TOO_FEW_IMAGES.format(data=tmp_path / "few"))),
        (tiny_config(image_folder, device=absent), DeviceError, UNAVAILABLE.format(device=absent)),
    ):
        with pytest.raises(kind, match=words) as refusal:
            submit(config, store)
        assert is_a_sentence(refusal.value)
    assert store.runs() == [] and not (store.home.root / "runs").exists()


def test_what_can_start_waits_in_the_queue(store: Store, image_folder: Path):
    run = submit(tiny_config(image_folder, batch_size=21), store)
    assert store.queue.waiting() == [run] and store.run(run).status == "queued"


def test_what_the_machine_cannot_compute_is_refused_before_a_run_exists(
    store: Store, image_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=NEEDS_GPU) as refusal:  # "auto" is the CPU here
        submit(tiny_config(image_folder, device="auto", precision="float16"), store)
    with pytest.raises(SettingError, match="16×16"):
        submit(tiny_config(image_folder, depth=5), store)
    assert is_a_sentence(refusal.value) and store.runs() == []


def test_a_set_with_validation_images_of_its_own_leaves_all_others_for_training(store: Store, tmp_path: Path):
    data = tmp_path / "data"
    write_images(data / "train")
    write_images(data / "test", count=2, seed=1)
    with pytest.raises(SettingError, match=TOO_LARGE_BATCH.format(batch_size=28, count=27)):
        submit(tiny_config(data, batch_size=28), store)
    write_images(data / "val", count=2, seed=2)
    submit(tiny_config(data, batch_size=30), store)
    with pytest.raises(SettingError, match=TOO_LARGE_BATCH.format(batch_size=31, count=30)):
        submit(tiny_config(data, batch_size=31), store)


def test_a_default_batch_size_that_does_not_fit_is_lowered_in_the_run_and_named_in_its_log(store: Store, image_folder: Path):
    chosen = {"data": str(image_folder), "epochs": 1, "device": "cpu"}
    run = submit(make_config(**chosen), store, chosen)
    assert store.run(run).config.batch_size == 16
    assert execute(store, run) == "finished"
    events = [stored.event for stored in store.log.read(run)]
    (started,) = [event for event in events if isinstance(event, Started)]
    assert started.train_count == 21 and started.steps_per_epoch == 2
    assert [event.text for event in events if isinstance(event, Note)] == [
        LOWERED_BATCH.format(batch_size=16, default=64, count=21)
    ]


def test_the_default_batch_size_is_refused_where_a_person_chose_it(store: Store, image_folder: Path):
    chosen = {"data": str(image_folder), "batch_size": 64}
    with pytest.raises(SettingError, match=TOO_LARGE_BATCH.format(batch_size=64, count=21)):
        submit(make_config(**chosen), store, chosen)
    assert store.runs() == []
