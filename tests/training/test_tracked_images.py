"""Probes: what is told of them is what the epoch's own weights say, and a training that is asked about them learns the very same."""

import contextlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_core.config.schema import TrainConfig
from cnn_core.data.decoder import read_image
from cnn_core.data.open import open_source
from cnn_core.errors import ImageError, RunError
from cnn_core.events import Epoch, Event, Finished, Note, Probed, Resumed, Started, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import PROBES, WEIGHTS, Home
from cnn_core.inference.preprocessing import received
from cnn_core.locks import try_lock
from cnn_core.models.checkpoint import load_epoch
from cnn_core.models.saving import ModelCard
from cnn_core.runs.branch import branch
from cnn_core.runs.event_log import StoredEvent
from cnn_core.runs.history import History
from cnn_core.runs.store import Store
from cnn_core.training import meter
from cnn_core.training.recipe import train_run
from cnn_core.training.tracked_images import LOCK, MOST, TrackedImage, pin, read_tracked_images, unpin, unpin_all
from cnn_core.training.tracked_predictions import ask_kept_epochs
from tests.helpers import drain, is_a_sentence, tiny_config

EPOCHS, STEPS_PER_EPOCH = 3, 3
Until = Callable[[Event], bool]
Ask = Callable[[Event], object]


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "REPORT_SECONDS", -1.0)


def some_probes(count: int, *, side: int = 16, channels: int = 3, seed: int = 0) -> list[TrackedImage]:
    rng = np.random.default_rng(seed)
    return [
        TrackedImage(rng.integers(0, 256, (side, side, channels), dtype=np.uint8), f"image {number}", number % 3, "set")
        for number in range(count)
    ]


def is_last_answer(event: Event) -> bool:
    return isinstance(event, Probed) and event.epoch == EPOCHS


def train(
    config: TrainConfig,
    folder: Path,
    home: Home,
    *,
    ask: Ask = lambda event: None,
    until: Until = is_last_answer,
    resume: bool = False,
) -> list[Event]:
    """The run's events up to the first one that `until` says yes to; `ask` is called with every event."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = []
    with contextlib.closing(train_run(config, folder, home, resume=resume)) as events:
        for event in events:
            seen.append(event)
            if until(event):
                break
            ask(event)
    return seen


def probed(events: list[Event]) -> list[Probed]:
    return [event for event in events if isinstance(event, Probed)]


def same_weights(one: Path, other: Path) -> bool:
    mine, theirs = (torch.load(folder / WEIGHTS, weights_only=True) for folder in (one, other))
    return all(torch.equal(value, theirs[name]) for name, value in mine.items())


def plain_probabilities(folder: Path, epoch: int, probes: list[TrackedImage]) -> np.ndarray:
    """What the network of a kept epoch says of the probes: plain torch, one image at a time, in the default memory layout."""
    card = ModelCard.model_validate_json((folder / "model.json").read_bytes())
    state = load_epoch(folder, epoch)["trainer"]
    model = card.build()
    averaged = {name[len("module.") :]: value for name, value in (state["average"] or {}).items() if name.startswith("module.")}
    model.load_state_dict(averaged or state["model"])
    model.eval()
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (card.mean, card.std))
    rows = []
    with torch.no_grad():
        for probe in probes:
            image = (torch.from_numpy(probe.pixels).permute(2, 0, 1) / 255 - mean) / std
            rows.append(torch.softmax(model(image[None])[0], 0).numpy())
    return np.array(rows)


CONFIGS: dict[str, dict[str, Any]] = {
    "dropout, batch norm": {"dropout": 0.4, "batch_norm": True},
    "averaged, mirrored": {"ema": 0.8, "mirror": True, "mixup": 0.5},
}


@pytest.mark.parametrize("chosen", CONFIGS.values(), ids=CONFIGS)
def test_what_is_told_after_an_epoch_is_what_its_saved_weights_say(home: Home, pictures: Path, tmp_path: Path, chosen: dict):
    probes, folder = some_probes(4), tmp_path / "run"
    folder.mkdir()
    pin(folder, probes)
    events = train(tiny_config(pictures, epochs=EPOCHS, precision="float32", **chosen), folder, home)
    told = probed(events)
    assert [(event.epoch, event.step) for event in told] == [(n, n * STEPS_PER_EPOCH) for n in range(1, EPOCHS + 1)]
    for event in told:
        assert events[events.index(event) - 1].epoch == event.epoch and isinstance(events[events.index(event) - 1], Epoch)
        assert event.names == tuple(probe.name for probe in probes)
        np.testing.assert_allclose(event.probabilities, plain_probabilities(folder, event.epoch, probes), atol=2e-5)
        np.testing.assert_allclose(np.sum(event.probabilities, 1), 1, atol=3e-5)
    assert told[0].probabilities != told[-1].probabilities


@pytest.mark.parametrize("chosen", CONFIGS.values(), ids=CONFIGS)
def test_a_training_with_probes_ends_with_the_very_bits_of_one_without(home: Home, pictures: Path, tmp_path: Path, chosen: dict):
    config = tiny_config(pictures, epochs=EPOCHS, **chosen)
    without = train(config, tmp_path / "without", home)
    (tmp_path / "with").mkdir()
    pin(tmp_path / "with", some_probes(MOST))
    events = train(config, tmp_path / "with", home)
    assert same_weights(tmp_path / "with", tmp_path / "without")
    losses = [[event.loss for event in some if isinstance(event, Steps)] for some in (events, without)]
    assert losses[0] == losses[1] and len(probed(events)) == EPOCHS and not probed(without)


@pytest.mark.parametrize("stop", [STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH], ids=["within an epoch", "at its end"])
def test_a_resumed_run_ends_with_the_same_bits_and_tells_the_same_of_its_probes(
    home: Home, pictures: Path, tmp_path: Path, stop: int
):
    config = tiny_config(pictures, epochs=EPOCHS, dropout=0.3)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
        pin(tmp_path / name, some_probes(2))
    whole = train(config, tmp_path / "whole", home)
    events = train(config, tmp_path / "cut", home, until=lambda event: isinstance(event, Steps) and event.step == stop)
    events += train(config, tmp_path / "cut", home, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut") and probed(events) == probed(whole)


def test_a_run_that_was_stopped_between_an_epoch_and_its_probes_lacks_nothing_afterwards(
    home: Home, pictures: Path, tmp_path: Path
):
    config = tiny_config(pictures, epochs=EPOCHS)
    pin(tmp_path, some_probes(2))
    events = train(config, tmp_path, home, until=lambda event: isinstance(event, Epoch) and event.epoch == 2)
    assert [event.epoch for event in probed(events)] == [1]
    events += train(config, tmp_path, home, resume=True)
    assert [event.epoch for event in probed(events)] == [1, 2, 3]


def test_pinning_and_removing_while_a_run_trains_holds_from_the_next_epoch_on(home: Home, pictures: Path, tmp_path: Path):
    first, second = some_probes(2)

    def ask(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 1:
            pin(tmp_path, [first])
        if isinstance(event, Steps) and event.step == STEPS_PER_EPOCH + 1:
            pin(tmp_path, [second])
        if isinstance(event, Steps) and event.step == 2 * STEPS_PER_EPOCH + 1:
            unpin(tmp_path, first.name)

    events = train(tiny_config(pictures, epochs=4), tmp_path, home, ask=ask)
    expected = [(1, (first.name,)), (2, (first.name, second.name)), (3, (second.name,))]
    assert [(event.epoch, event.names) for event in probed(events)] == expected


def test_a_damaged_file_is_told_once_and_training_goes_on(home: Home, pictures: Path, tmp_path: Path):
    (tmp_path / PROBES).write_bytes(b"PK\x03\x04 cut short")
    events = train(tiny_config(pictures, epochs=EPOCHS), tmp_path, home)
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert "probes.npz is damaged" in note and is_a_sentence(note)
    assert isinstance(events[-1], Finished) and not probed(events)


@pytest.mark.parametrize("probe", [{"side": 32}, {"channels": 1}], ids=["size", "colours"])
def test_probes_that_do_not_fit_the_network_are_told_once_and_training_goes_on(
    home: Home, pictures: Path, tmp_path: Path, probe: dict[str, int]
):
    pin(tmp_path, some_probes(1, **probe))
    events = train(tiny_config(pictures), tmp_path, home)
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert "do not fit the network, which receives 16×16 pixels of 3 classes" in note and is_a_sentence(note)
    assert isinstance(events[-1], Finished) and not probed(events)


def test_probes_are_kept_as_they_were_pinned(tmp_path: Path):
    probes = [*some_probes(3), TrackedImage(np.zeros((16, 16, 3), np.uint8), " <b>\0 \n" + "ü" * 200, -1, "drawing")]
    pin(tmp_path, probes[:2])
    pin(tmp_path, probes[2:])
    kept = read_tracked_images(tmp_path)
    assert [probe.name for probe in kept] == [probe.name for probe in probes] and len({probe.name for probe in kept}) == 4
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(kept, probes, strict=True))
    assert [(probe.truth, probe.origin) for probe in kept] == [(0, "set"), (1, "set"), (2, "set"), (-1, "drawing")]
    assert kept[0].label == "image 0" and kept[3].label.startswith("<b>") and len(kept[3].label) <= 80
    unpin(tmp_path, probes[1].name)
    unpin(tmp_path, "nobody")
    assert [probe.name for probe in read_tracked_images(tmp_path)] == [probes[0].name, probes[2].name, probes[3].name]
    unpin_all(tmp_path)
    assert read_tracked_images(tmp_path) == [] and not (tmp_path / PROBES).exists()


def test_no_more_than_sixteen_none_twice_and_none_of_another_size_are_pinned(tmp_path: Path):
    probes = some_probes(MOST + 1)
    pin(tmp_path, probes[: MOST - 1])
    before = (tmp_path / PROBES).read_bytes()
    for new, message in (
        (probes[MOST - 1 :], "at most 16 probes"),
        (probes[:1], "pinned already"),
        ([probes[MOST], probes[MOST]], "at most 16|pinned already"),
        (some_probes(1, side=32), "another size"),
    ):
        with pytest.raises(RunError, match=message) as refusal:
            pin(tmp_path, new)
        assert is_a_sentence(refusal.value) and (tmp_path / PROBES).read_bytes() == before
    pin(tmp_path, probes[MOST - 1 : MOST])
    assert len(read_tracked_images(tmp_path)) == MOST


def written(**changes: np.ndarray) -> bytes:
    """A file of one probe in which some columns are other ones."""
    columns = {
        "images": np.zeros((1, 8, 8, 3), np.uint8),
        "labels": np.array(["one"]),
        "truths": np.array([0]),
        "origins": np.array(["set"]),
    }
    out = io.BytesIO()
    np.savez_compressed(out, **columns | changes)
    return out.getvalue()


HOSTILE = {
    "empty": b"",
    "no zip": b"hello",
    "a zip cut short": b"PK\x03\x04 nonsense",
    "a zip of something else": None,
    "too many": written(
        images=np.zeros((17, 8, 8, 3), np.uint8),
        labels=np.array(["x"] * 17),
        truths=np.zeros(17, np.int64),
        origins=np.array(["set"] * 17),
    ),
    "not square": written(images=np.zeros((1, 8, 9, 3), np.uint8)),
    "four channels": written(images=np.zeros((1, 8, 8, 4), np.uint8)),
    "floats": written(images=np.zeros((1, 8, 8, 3))),
    "huge when unpacked": written(images=np.zeros((1, 6000, 6000, 3), np.uint8)),
    "one label too many": written(labels=np.array(["one", "two"])),
    "a pickle": written(labels=np.array([print], dtype=object)),
    "an unknown origin": written(origins=np.array(["moon"])),
    "truths that are no numbers": written(truths=np.array(["a"])),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_not_what_was_written_is_refused_in_words_and_can_be_removed(tmp_path: Path, kind: str):
    if HOSTILE[kind] is None:
        with zipfile.ZipFile(tmp_path / PROBES, "w") as archive:
            archive.writestr("../../escape.txt", "hello")
    else:
        (tmp_path / PROBES).write_bytes(HOSTILE[kind])
    for act in (lambda: read_tracked_images(tmp_path), lambda: pin(tmp_path, some_probes(1)), lambda: unpin(tmp_path, "nobody")):
        with pytest.raises(RunError, match="damaged") as refusal:
            act()
        assert is_a_sentence(refusal.value)
    unpin_all(tmp_path)
    pin(tmp_path, some_probes(1))
    assert len(read_tracked_images(tmp_path)) == 1


def test_the_unspoiled_file_of_these_tests_is_read(tmp_path: Path):
    (tmp_path / PROBES).write_bytes(written())
    assert read_tracked_images(tmp_path)[0].label == "one"


def test_who_pins_while_another_one_does_is_told_to_try_again(tmp_path: Path):
    with try_lock(tmp_path / LOCK), pytest.raises(RunError, match="Try again in a moment"):
        pin(tmp_path, some_probes(1))
    pin(tmp_path, some_probes(1))


def test_an_upload_becomes_what_the_network_receives_or_is_refused(home: Home, pictures: Path):
    info = open_source(str(pictures), home).info
    out = io.BytesIO()
    Image.new("CMYK", (300, 200), (0, 90, 90, 0)).save(out, "JPEG")
    pixels = received(read_image(out.getvalue(), "print.jpg").image, info)
    assert pixels.shape == (16, 16, 3) and pixels.dtype == np.uint8 and pixels[8, 8, 0] > pixels[8, 8, 1]
    for content in (b"", b"GIF89a", b"<svg onload=alert(1)>", out.getvalue()[:200]):
        with pytest.raises(ImageError) as refusal:
            read_image(content, "it")
        assert is_a_sentence(refusal.value)


def test_the_store_gives_back_what_was_told(store: Store, pictures: Path):
    run, event = store.create(tiny_config(pictures)), Probed(1, 3, ("a", "b"), ((0.25, 0.75), (1.0, 0.0)))
    store.log.append(run, [Started(1, "CPU", 1, 1, 1, 3, 2), event, Steps(2, 4, 8, (1.0,), (0.5,), 0.1, 1.0, 1.0, 1.0, 1.0)])
    assert store.log.read(run)[1] == StoredEvent(2, event)
    assert store.log.read(run, kinds=[Probed]) == [StoredEvent(2, event)] and store.log.read(run, 2, [Probed]) == []
    assert asdict(event)["probabilities"] == ((0.25, 0.75), (1.0, 0.0))


def test_a_history_takes_back_what_was_told_after_the_place_of_a_resumption_and_keeps_one_answer_an_epoch():
    told = [Probed(epoch, 3 * epoch, ("a",), ((1.0,),)) for epoch in (1, 2, 3)]
    again = Probed(2, 6, ("b",), ((0.5,),))
    history = History()
    history.add(StoredEvent(seq, event) for seq, event in enumerate([*told, Resumed(6, 2), again], start=1))
    assert history.probed == [told[0], again]


def test_a_branch_takes_its_parents_probes_and_what_was_told_of_them_along(store: Store, pictures: Path):
    parent = store.create(tiny_config(pictures, epochs=EPOCHS))
    folder = store.home.run_folder(parent)
    pin(folder, some_probes(3))
    assert execute(store, parent) == "finished"
    child = branch(store, parent, 2, {})
    assert [probe.name for probe in read_tracked_images(store.home.run_folder(child))] == [probe.name for probe in some_probes(3)]
    unpin(folder, some_probes(1)[0].name)
    assert execute(store, child) == "finished"
    told = {}
    for run in (parent, child):
        history = History()
        history.add(store.log.read(run))
        told[run] = history.probed
    assert told[child] == told[parent] and [event.epoch for event in told[child]] == [1, 2, 3]


def test_a_branch_of_a_run_with_damaged_probes_begins_without_any(store: Store, pictures: Path):
    parent = store.create(tiny_config(pictures))
    assert execute(store, parent) == "finished"
    (store.home.run_folder(parent) / PROBES).write_bytes(b"damaged")
    assert read_tracked_images(store.home.run_folder(branch(store, parent, 1, {}))) == []


@pytest.mark.parametrize("chosen", CONFIGS.values(), ids=CONFIGS)
def test_earlier_epochs_are_answered_from_the_states_that_were_kept(home: Home, pictures: Path, tmp_path: Path, chosen: dict):
    config = tiny_config(pictures, epochs=EPOCHS, precision="float32", **chosen)
    pin(tmp_path, some_probes(2))
    told = probed(train(config, tmp_path, home))
    progress, filled = drain(ask_kept_epochs(tmp_path, [1, 2, 3, 9]))
    assert [(step.done, step.total) for step in progress] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert [(event.epoch, event.step, event.names) for event in filled] == [(e.epoch, e.step, e.names) for e in told]
    for one, other in zip(filled, told, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-5)


def test_earlier_epochs_of_a_run_without_a_card_are_refused_in_words(tmp_path: Path):
    pin(tmp_path, some_probes(1))
    with pytest.raises(RunError) as refusal:
        drain(ask_kept_epochs(tmp_path, [1]))
    assert is_a_sentence(refusal.value)
