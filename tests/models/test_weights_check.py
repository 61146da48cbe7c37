"""A person's own file of starting weights is checked when Start is pressed: a wrong one is refused, and a last layer that is not used is told."""

from pathlib import Path

import pytest
import torch
from torchvision import models

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.errors import SettingError
from cnn_core.events import Note
from cnn_core.models.registry import NO_FILE, build_model
from cnn_core.models.starting_weights import NONE_FIT, OTHER_NETWORK, UNREADABLE
from cnn_core.models.weights_check import check_weights
from cnn_core.models.weights_source import OTHER_CLASSES
from cnn_core.runs.store import Store
from cnn_core.runs.submit import submit
from tests.helpers import is_a_sentence
from tests.models.timm_weights import SMALL, published, write_weights

SHAPE = {"channels": 1, "image_size": 32, "classes": 10}
FAMILIES = ("mobilenet", "efficientnet-lite0", "timm")  # of torchvision, with installed weights, of timm


def save(path: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save(state, path)
    return path


def state_of(family: str, classes: int) -> dict[str, torch.Tensor]:
    if family == "timm":
        return published(classes=classes).state_dict()
    return build_model(family, channels=3, image_size=32, classes=classes).state_dict()


def config_of(family: str, weights: Path) -> TrainConfig:
    return make_config(model=family, weights=str(weights), data="digits", timm_name=SMALL, size=32)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_wrong_file_is_refused_before_a_run_is_made(store: Store, tmp_path: Path, family: str):
    half = save(tmp_path / "half.pth", state_of(family, 5))
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    other = write_weights(tmp_path / "other.safetensors", "test_resnet.r160_in1k")
    unfit = OTHER_NETWORK if family == "timm" else NONE_FIT
    for file, message in ((tmp_path / "none.pth", NO_FILE), (tmp_path, NO_FILE), (half, UNREADABLE), (other, unfit)):
        with pytest.raises(SettingError) as refused:
            submit(config_of(family, file), store)
        text = str(refused.value)
        assert text.startswith(message.partition("{")[0]) and str(file) in text and is_a_sentence(text)
        assert refused.value.field == "weights"
    assert not store.runs()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("classes", "said"), [(37, OTHER_CLASSES.format(count=37)), (1000, "")])
def test_only_a_last_layer_for_other_classes_than_imagenet_s_is_told(tmp_path: Path, family: str, classes: int, said: str):
    config = config_of(family, save(tmp_path / "x.pth", state_of(family, classes)))
    assert check_weights(family, SHAPE, config.model_options) == said


def test_it_is_told_in_the_run_s_log(store: Store, tmp_path: Path):
    run = submit(config_of("mobilenet", save(tmp_path / "x.pth", state_of("mobilenet", 37))), store)
    assert OTHER_CLASSES.format(count=37) in [stored.event.text for stored in store.log.read(run, kinds=[Note])]


def test_a_file_without_a_last_layer_needs_no_word(tmp_path: Path):
    state = {
        name: value for name, value in models.mobilenet_v3_small().state_dict().items() if not name.startswith("classifier.3")
    }
    config = config_of("mobilenet", save(tmp_path / "x.pth", state))
    assert check_weights("mobilenet", SHAPE, config.model_options) == ""
