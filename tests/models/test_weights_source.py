"""Kept weights: from the folder, a file, the cache or the hub; recorded with their SHA-256; refused in words where something is wrong."""

import hashlib
import os
from pathlib import Path

import pytest
import torch

from cnn_core.errors import SettingError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.models import weights_fetch
from cnn_core.models.embedded import SHA256, read_embedded_weights
from cnn_core.models.pretrained_table import INSTALLED_NETWORK
from cnn_core.models.registry import build_model
from cnn_core.models.weights_fetch import BUSY, DAMAGED, NO_SPACE, NOT_FETCHED, fetch_weights
from cnn_core.models.weights_source import (
    CHANGED,
    FROM_CACHE,
    NOT_HERE,
    add_weights,
    describe_absence,
    file_sha256,
    find_kept,
    find_place,
    published_file,
    read_record,
    require_weights,
)
from tests.helpers import drain, is_a_sentence
from tests.models.timm_weights import REVISION, SMALL, Hub, fill_cache, published, write_weights


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server that answers as the Hugging Face hub does, with the weights of SMALL."""
    import huggingface_hub.constants as constants

    served = Hub(write_weights(tmp_path / "published.safetensors").read_bytes())
    address = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, served.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
    yield served
    served.close()


def refusal(error: pytest.ExceptionInfo[SettingError], message: str) -> str:
    """The refusal's text, a sentence that begins as `message` does."""
    text = str(error.value)
    assert text.startswith(message.partition("{")[0]) and is_a_sentence(text)
    return text


def places(home: Home) -> tuple[str, ...]:
    """What a message without a network has to name: the file's address, the folder and the file's name in it."""
    return (f"timm/{SMALL}/resolve/main/model.safetensors", str(home.weights), f"{SMALL}.safetensors")


def test_missing_weights_are_refused_with_the_file_to_fetch_and_where_to_put_it(home: Home):
    with pytest.raises(SettingError) as refused:
        require_weights(SMALL, home)
    text = refusal(refused, NOT_HERE)
    assert refused.value.field == "" and all(place in text for place in places(home)) and not home.weights.exists()
    assert find_place(SMALL, home) == "" and text == describe_absence(SMALL, home)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_that_a_person_puts_into_the_folder_is_used_and_recorded(home: Home, suffix: str):
    file = write_weights(home.weights / f"{SMALL}.safetensors")
    if suffix == ".pth":
        torch.save(published().state_dict(), file.with_suffix(".pth"))
        file.unlink()
    file = file.with_suffix(suffix)
    assert find_place(SMALL, home) == "here" and require_weights(SMALL.partition(".")[0], home) == file
    record = read_record(file)
    assert record and record.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert require_weights(SMALL, home) == file


def test_a_kept_file_that_changes_later_is_noticed(home: Home, tmp_path: Path):
    file = add_weights(SMALL, write_weights(tmp_path / "mine.safetensors"), home)
    assert require_weights(SMALL, home) == file
    write_weights(file, seed=2)
    with pytest.raises(SettingError) as refused:
        require_weights(SMALL, home)
    assert str(file) in refusal(refused, CHANGED)
    assert add_weights(SMALL, tmp_path / "mine.safetensors", home) == require_weights(SMALL, home)


def test_weights_in_the_cache_are_kept_when_they_are_used_and_need_no_network(home: Home, cache: Path):
    cached = fill_cache(cache)
    assert find_place(SMALL, home) == "cache"
    file = require_weights(SMALL, home)
    assert file.parent == home.weights and file.read_bytes() == cached.read_bytes()
    assert (record := read_record(file)) and record.source == FROM_CACHE and find_place(SMALL, home) == "here"


def test_a_fetch_takes_what_the_cache_has(home: Home, cache: Path, hub: Hub):
    cached = fill_cache(cache)
    _, file = drain(fetch_weights(SMALL, home))
    assert file.read_bytes() == cached.read_bytes() and hub.paths == []


def test_a_fetch_shows_progress_and_keeps_the_file_with_its_hash_and_its_revision(home: Home, hub: Hub):
    events, file = drain(fetch_weights(SMALL, home))
    assert all(isinstance(event, Progress) for event in events) and any(SMALL in event.stage for event in events)
    record = read_record(file)
    assert file == require_weights(SMALL, home) and file.read_bytes() == hub.content
    assert record and record.sha256 == hub.tag and REVISION in record.source and published_file(SMALL).url in record.source  # type: ignore[union-attr]
    assert REVISION in hub.paths[-1] and sorted(path.suffix for path in home.weights.iterdir() if path.suffix != ".lock") == [
        ".json",
        ".safetensors",
    ]


def test_a_cancelled_fetch_leaves_nothing_that_could_be_used_and_continues_where_it_stopped(home: Home, hub: Hub, monkeypatch):
    monkeypatch.setattr("cnn_core.data.download.CHUNK", 2**18)
    steps = fetch_weights(SMALL, home)
    while SMALL not in next(steps).stage:
        pass
    steps.close()
    assert find_kept(SMALL, home) is None and find_place(SMALL, home) == ""
    _, file = drain(fetch_weights(SMALL, home))
    assert file.read_bytes() == hub.content and hub.ranges[-1].startswith("bytes=") and hub.ranges[-1] != "bytes=0-"


def test_without_a_network_a_fetch_names_the_file_and_where_to_put_it(home: Home, hub: Hub):
    hub.close()
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(SMALL, home))
    text = refusal(refused, NOT_FETCHED)
    assert all(place in text for place in places(home)) and find_kept(SMALL, home) is None


def test_a_line_that_is_cut_and_an_answer_that_refuses_are_told_and_nothing_is_used(home: Home, hub: Hub):
    hub.sent = len(hub.content) // 2
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(SMALL, home))
    refusal(refused, NOT_FETCHED)
    hub.status = 404
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(SMALL, home))
    assert "404" in refusal(refused, NOT_FETCHED) and find_kept(SMALL, home) is None


@pytest.mark.parametrize("change", [lambda content: content[:-1] + b"?", lambda content: content[: len(content) // 2]])
def test_a_damaged_download_is_removed(home: Home, hub: Hub, change):
    hub.content = change(hub.content)
    hub.sent = len(hub.content)
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(SMALL, home))
    refusal(refused, DAMAGED)
    assert [path.name for path in home.weights.iterdir() if path.suffix != ".lock"] == []


def test_a_full_disk_while_fetching_is_told_and_freed(home: Home, hub: Hub):
    home.weights.mkdir(parents=True)
    (home.weights / f"{SMALL}.safetensors.part.safetensors").symlink_to("/dev/full")  # writing to it fails as on a full disk
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(SMALL, home))
    refusal(refused, NO_SPACE)
    assert [path.name for path in home.weights.iterdir() if path.suffix != ".lock"] == []
    assert drain(fetch_weights(SMALL, home))[1] == require_weights(SMALL, home)


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(home: Home, hub: Hub, monkeypatch: pytest.MonkeyPatch):
    free = os.statvfs(home.root.parent).f_bavail * os.statvfs(home.root.parent).f_frsize
    honest = weights_fetch._ask_hub
    monkeypatch.setattr(weights_fetch, "_ask_hub", lambda file: honest(file)._replace(bytes=2 * free))
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(SMALL, home))
    refusal(refused, NO_SPACE)
    assert hub.ranges == []


def test_two_fetches_of_one_file_do_not_mix(home: Home, hub: Hub):
    first = fetch_weights(SMALL, home)
    while SMALL not in next(first).stage:
        pass
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(SMALL, home))
    refusal(refused, BUSY)
    assert drain(first)[1].read_bytes() == hub.content


def test_the_installed_weights_serve_the_network_of_timm_too(home: Home):
    name = INSTALLED_NETWORK.name
    assert find_place(name, home) == "installed"
    file = require_weights(name, home)
    assert file_sha256(file) == SHA256 and find_place(name, home) == "here"
    model = build_model("timm", channels=3, image_size=64, classes=2, timm_name=name, weights=str(file)).state_dict()
    installed = read_embedded_weights(build_model("efficientnet-lite0", channels=3, image_size=64, classes=2).state_dict())
    assert all(
        torch.equal(model[f"backbone.{key}"], value) for key, value in installed.items() if not key.startswith("classifier.")
    )
