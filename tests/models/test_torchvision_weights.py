"""Published weights of torchvision's networks: fetched on request as those of timm are, checked by the digits in the file's name, never at Start."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision import models

from cnn_core.config.defaults import make_config
from cnn_core.errors import SettingError
from cnn_core.events import Progress
from cnn_core.home import Home
from cnn_core.models.pretrained_table import INSTALLED_NETWORK, PRETRAINED, TORCHVISION_NETWORKS
from cnn_core.models.registry import FAMILIES, build_model
from cnn_core.models.weights_fetch import DAMAGED, NOT_FETCHED, fetch_weights
from cnn_core.models.weights_source import (
    FROM_TORCH_CACHE,
    NOT_HERE,
    UNUSABLE_CACHE,
    find_kept,
    find_place,
    full_name,
    read_record,
    require_weights,
    torch_cache,
)
from cnn_core.runs.store import Store
from cnn_core.runs.submit import submit
from cnn_core.training.pretrained import with_weights_file
from tests.helpers import drain, is_a_sentence
from tests.models.timm_weights import Hub

NAME = "mobilenet"
PRETRAINED_RUN = make_config(model=NAME, weights="pretrained", data="digits")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def content() -> bytes:
    """A file as torchvision publishes them."""
    torch.manual_seed(1)
    file = io.BytesIO()
    torch.save(models.mobilenet_v3_small().state_dict(), file)
    return file.getvalue()


@pytest.fixture
def site(content: bytes, monkeypatch: pytest.MonkeyPatch):
    """A server that has the file, under a name with the digits of its SHA-256."""
    served = Hub(content)
    address = f"{served.url}/models/mobilenet_v3_small-{served.tag[:8]}.pth"
    monkeypatch.setitem(PRETRAINED, NAME, replace(PRETRAINED[NAME], url=address))
    yield served
    served.close()


@pytest.mark.parametrize("name", TORCHVISION_NETWORKS)
def test_start_downloads_nothing_and_names_the_file_and_where_to_put_it(home: Home, name: str, monkeypatch: pytest.MonkeyPatch):
    downloads: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda *arguments, **_: downloads.append(arguments))
    store = Store(home)
    with pytest.raises(SettingError) as refused:
        submit(PRETRAINED_RUN.model_copy(update={"model": name}), store)
    text = str(refused.value)
    assert text.startswith(NOT_HERE.partition("{")[0]) and is_a_sentence(text)
    assert all(place in text for place in (TORCHVISION_NETWORKS[name].url, str(home.weights), f"{name}.pth"))
    assert not downloads and not store.runs() and find_place(name, home) == ""


def test_a_fetch_shows_progress_and_a_run_starts_from_the_file(home: Home, site: Hub, content: bytes):
    events, file = drain(fetch_weights(NAME, home))
    assert len(events) > 3 and all(isinstance(event, Progress) for event in events)
    record = read_record(file)
    assert record and record.sha256 == site.tag and record.source == PRETRAINED[NAME].url and file.name == f"{NAME}.pth"
    config = with_weights_file(PRETRAINED_RUN, home)
    assert config.weights == str(file) and submit(PRETRAINED_RUN, Store(home)), "the settings of the run stay portable"
    theirs = torch.load(io.BytesIO(content), weights_only=True)
    own = build_model(NAME, channels=3, image_size=64, classes=5, weights=config.weights).state_dict()
    assert all(torch.equal(own[name], value) for name, value in theirs.items() if not name.startswith("classifier.3."))
    assert drain(fetch_weights(NAME, home))[1].read_bytes() == content


@pytest.mark.parametrize("change", [lambda content: content[:-1] + b"?", lambda content: content[: len(content) // 2]])
def test_a_file_without_the_digits_of_its_name_is_removed(home: Home, site: Hub, change):
    site.content = change(site.content)
    site.sent = len(site.content)
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(NAME, home))
    assert str(refused.value) == DAMAGED.format(name=NAME) and is_a_sentence(str(refused.value))
    assert [path.name for path in home.weights.iterdir() if path.suffix != ".lock"] == []


def test_without_a_network_a_fetch_names_the_file_and_what_came_is_kept_for_the_next(home: Home, site: Hub):
    site.sent = len(site.content) // 2
    with pytest.raises(SettingError) as refused:
        drain(fetch_weights(NAME, home))
    text = str(refused.value)
    assert text.startswith(NOT_FETCHED.partition("{")[0]) and is_a_sentence(text)
    assert (
        all(place in text for place in (PRETRAINED[NAME].url, str(home.weights), f"{NAME}.pth")) and find_kept(NAME, home) is None
    )
    site.sent = len(site.content)
    drain(fetch_weights(NAME, home))
    assert int(site.ranges[-1].removeprefix("bytes=").rstrip("-")) > 0 and require_weights(NAME, home)


def test_what_an_earlier_version_downloaded_is_used_from_torch_s_cache(home: Home, site: Hub, cache: Path, content: bytes):
    assert torch_cache() == Path(torch.hub.get_dir()) / "checkpoints" == cache
    cache.mkdir(parents=True)
    cached = cache / PRETRAINED[NAME].url.rpartition("/")[2]
    cached.write_bytes(content)
    assert find_place(NAME, home) == "cache"
    file = require_weights(NAME, home)
    assert file.read_bytes() == content and site.paths == []
    record = read_record(file)
    assert record and record.source == FROM_TORCH_CACHE and record.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("change", [lambda content: content[:-1] + b"?", lambda content: content[:1000], lambda content: b""])
def test_a_damaged_file_in_the_cache_is_refused_and_named(home: Home, site: Hub, cache: Path, content: bytes, change):
    cache.mkdir(parents=True)
    cached = cache / PRETRAINED[NAME].url.rpartition("/")[2]
    cached.write_bytes(change(content))
    for use in (lambda: require_weights(NAME, home), lambda: drain(fetch_weights(NAME, home))):
        with pytest.raises(SettingError) as refused:
            use()
        assert str(refused.value) == UNUSABLE_CACHE.format(file=cached, name=NAME) and is_a_sentence(str(refused.value))
    assert not home.weights.exists()


def test_every_family_with_pretrained_weights_is_in_the_table_and_can_be_named_by_its_family():
    assert [network.family for network in PRETRAINED.values() if network.family != "timm"] == [
        name for name, family in FAMILIES.items() if family.published
    ]
    assert full_name(INSTALLED_NETWORK.family) == INSTALLED_NETWORK.name
    assert all(full_name(name) == name for name in PRETRAINED)
