"""Files and names of pretrained weights that cannot be used: every kind is refused in a sentence, nothing is kept, and what was kept stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from cnn_core.errors import SettingError
from cnn_core.home import Home
from cnn_core.models.registry import build_model
from cnn_core.models.starting_weights import OTHER_NETWORK, UNREADABLE
from cnn_core.models.timm_nets import CLOSEST, UNKNOWN_NAME
from cnn_core.models.weights_fetch import fetch_weights
from cnn_core.models.weights_source import NO_FILE, OTHER_CLASSES, add_weights, find_kept, full_name, read_record, require_weights
from tests.helpers import drain, is_a_sentence
from tests.models.timm_weights import SMALL, published

OF_TORCHVISION = "mobilenet"
NAMES = (SMALL, OF_TORCHVISION)  # a network of timm and one of torchvision
OTHERS = {SMALL: "test_resnet.r160_in1k", OF_TORCHVISION: "test_efficientnet.r160_in1k"}
State = dict[str, torch.Tensor]


class Command:
    """Writes a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (str(self.victim), "w")


def state_of(name: str, classes: int = 1000) -> State:
    """The weights of a new network, with its last layer, by the names of its library."""
    if name == OF_TORCHVISION:
        return build_model(name, channels=3, image_size=96, classes=classes).state_dict()
    return published(name, classes=classes).state_dict()


def save(state: Any, path: Path) -> Path:
    """Write a file of the type that its suffix names."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def half(file: Path) -> Path:
    """Remove the second half of a file."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return file


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


BAD: dict[str, tuple[str, Callable[[str, Path], Path]]] = {
    "another network, safetensors": (OTHER_NETWORK, lambda name, at: save(state_of(OTHERS[name]), at / "x.safetensors")),
    "another network, pth": (OTHER_NETWORK, lambda name, at: save(state_of(OTHERS[name]), at / "x.pth")),
    "no tensors": (OTHER_NETWORK, lambda name, at: save({}, at / "x.pth")),
    "one layer is missing": (OTHER_NETWORK, lambda name, at: save(dict(list(state_of(name).items())[1:]), at / "x.pth")),
    "half a safetensors file": (UNREADABLE, lambda name, at: half(save(state_of(name), at / "x.safetensors"))),
    "half a pth file": (UNREADABLE, lambda name, at: half(save(state_of(name), at / "x.pth"))),
    "an empty safetensors file": (UNREADABLE, lambda name, at: written(at / "x.safetensors", b"")),
    "an empty pth file": (UNREADABLE, lambda name, at: written(at / "x.pth", b"")),
    "a text": (UNREADABLE, lambda name, at: written(at / "x.pth", b"<html>404</html>")),
    "a pickle with code": (UNREADABLE, lambda name, at: save({"conv_stem.weight": Command(at / "victim")}, at / "x.pth")),
    "a pth file called safetensors": (
        UNREADABLE,
        lambda name, at: save(state_of(name), at / "y.pth").rename(at / "x.safetensors"),
    ),
    "a folder": (NO_FILE, lambda name, at: folder(at / "x.pth")),
    "no file": (NO_FILE, lambda name, at: at / "none.pth"),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_with_its_name_and_nothing_is_kept(home: Home, tmp_path: Path, kind: str, name: str):
    message, make = BAD[kind]
    file = make(name, tmp_path)
    with pytest.raises(SettingError) as refused:
        add_weights(name, file, home)
    text = str(refused.value)
    assert text.startswith(message.partition("{")[0]) and str(file) in text and is_a_sentence(text)
    assert refused.value.field == "weights" and not home.weights.exists() and not (tmp_path / "victim").exists()


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_were_kept_stay_where_another_file_is_refused(home: Home, tmp_path: Path, name: str):
    kept = add_weights(name, save(state_of(name), tmp_path / "good.safetensors"), home)
    with pytest.raises(SettingError):
        add_weights(name, half(save(state_of(name), tmp_path / "bad.pth")), home)
    assert require_weights(name, home) == kept and kept.read_bytes() == (tmp_path / "good.safetensors").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_half_a_file_in_the_folder_is_refused_when_it_is_used(home: Home, name: str):
    home.weights.mkdir(parents=True)
    file = half(save(state_of(name), home.weights / f"{full_name(name)}.pth"))
    with pytest.raises(SettingError) as refused:
        require_weights(name, home)
    assert str(refused.value) == UNREADABLE.format(path=file) and read_record(file) is None and file.exists()


@pytest.mark.parametrize(("classes", "said"), [(37, 37), (1000, 0)])
@pytest.mark.parametrize("name", NAMES)
def test_a_last_layer_for_other_classes_is_left_out_and_told(home: Home, tmp_path: Path, name: str, classes: int, said: int):
    state = state_of(name, classes)
    file = add_weights(name, save(state, tmp_path / "x.pth"), home)
    record = read_record(file)
    assert record and record.other_classes == said
    assert record.note == (OTHER_CLASSES.format(count=classes) if said else "") and (not said or is_a_sentence(record.note))
    chosen = {"model": "mobilenet"} if name == OF_TORCHVISION else {"model": "timm", "timm_name": name}
    own = build_model(chosen.pop("model"), channels=3, image_size=96, classes=5, weights=str(file), **chosen).state_dict()
    found = {key.removeprefix("backbone."): value for key, value in own.items()}
    assert all(
        torch.equal(found[key], value)
        for key, value in state.items()
        if not key.startswith(("classifier.3.", "classifier.w", "classifier.b"))
    )
    assert list(own.values())[-1].shape == (5,)


WRONG_NAMES = {
    "a typing error": SMALL.replace("efficient", "eficient"),
    "a wrong tag": SMALL.replace("in1k", "in2k"),
    "a capital letter": SMALL.replace("t", "T", 1),
    "a path": "../weights",
    "an absolute path": "/etc/passwd",
    "a path in Windows": "..\\weights",
    "a repository": "hf-hub:timm/resnet50.a1_in1k",
    "an address": "https://example.org/model.safetensors",
    "nothing": "",
    "only a tag": ".a1_in1k",
    "a zero": "resnet50\0",
    "far too long": "resnet" * 50,
}


@pytest.mark.parametrize("kind", WRONG_NAMES)
def test_a_name_that_timm_does_not_have_is_refused_with_at_most_three_suggestions(home: Home, tmp_path: Path, kind: str):
    name, file = WRONG_NAMES[kind], save(state_of(SMALL), tmp_path / "x.pth")
    for use in (
        lambda: add_weights(name, file, home),
        lambda: drain(fetch_weights(name, home)),
        lambda: require_weights(name, home),
    ):
        with pytest.raises(SettingError) as refused:
            use()
        text = str(refused.value)
        assert text.startswith(UNKNOWN_NAME.partition(" ")[0]) and is_a_sentence(text) and refused.value.field == "timm_name"
        assert name in text and text.count(" or ") < CLOSEST
    assert not home.weights.exists() and find_kept("resnet50.a1_in1k", home) is None
    if kind in ("a typing error", "a wrong tag", "a capital letter"):
        assert SMALL in text, "the closest name is suggested"
