"""The installed ImageNet weights: they classify real photographs as ImageNet names them, and a missing or changed file is refused in words."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_core.errors import SettingError
from cnn_core.models import embedded
from cnn_core.models.embedded import CHANGED, FILE, NOT_INSTALLED, PACKAGE, find_embedded_weights, read_embedded_weights
from cnn_core.models.pretrained_input import expected_resizing, expected_side, expected_statistics
from cnn_core.models.registry import build_model
from tests.helpers import is_a_sentence

MODEL = "efficientnet-lite0"
PALACE, DAISY = 698, 985  # of ImageNet's 1,000 classes


def photograph(name: str) -> torch.Tensor:
    """A photograph that scikit-learn contains, as timm prepares it: the middle 224×224 pixels of 256, mean and deviation 0.5."""
    from sklearn.datasets import load_sample_image

    image = Image.fromarray(load_sample_image(name))
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return torch.from_numpy((pixels - 0.5) / 0.5).permute(2, 0, 1)[None]


@pytest.fixture
def published() -> torch.nn.Module:
    """The network with all installed weights, the last layer too."""
    model = build_model(MODEL, channels=3, image_size=224, classes=1000)
    model.load_state_dict(read_embedded_weights(model.state_dict()))
    return model.eval()


@pytest.mark.parametrize(("name", "label"), [("china.jpg", PALACE), ("flower.jpg", DAISY)])
def test_real_photographs_are_classified_as_imagenet_names_them(published: torch.nn.Module, name: str, label: int):
    with torch.inference_mode():
        assert published(photograph(name)).argmax().item() == label


@pytest.mark.parametrize("channels", [1, 3])
def test_a_new_network_has_all_weights_but_those_of_the_last_layer(published: torch.nn.Module, channels: int):
    state = published.state_dict()
    model = build_model(MODEL, channels=channels, image_size=64, classes=2, weights="pretrained")
    for name, value in model.state_dict().items():
        if name.startswith("classifier."):
            assert value.shape[0] == 2
        elif name == "conv_stem.weight" and channels == 1:
            assert torch.allclose(value, state[name].sum(1, keepdim=True))
        else:
            assert torch.equal(value, state[name]), name


def test_a_grey_image_is_seen_as_a_grey_colour_image():
    grey, colour = (build_model(MODEL, channels=channels, image_size=64, classes=2, weights="pretrained") for channels in (1, 3))
    colour.load_state_dict({name: value for name, value in grey.state_dict().items() if name != "conv_stem.weight"}, strict=False)
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(grey.eval()(images), colour.eval()(images.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4)


def test_the_package_s_code_is_not_run():
    assert find_embedded_weights() is not None and PACKAGE not in sys.modules


def test_without_the_package_the_program_says_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package")
    with pytest.raises(SettingError) as refused:
        build_model(MODEL, channels=3, image_size=32, classes=2, weights="pretrained")
    assert refused.value.args[0] == NOT_INSTALLED and is_a_sentence(refused.value) and refused.value.field == "weights"
    build_model(MODEL, channels=3, image_size=32, classes=2, weights="scratch")


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: b"not a state dict", lambda content: b""])
def test_a_changed_file_is_refused_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change):
    original = find_embedded_weights()
    assert original is not None
    other = tmp_path / "other_weights" / FILE
    other.parent.mkdir(parents=True)
    other.write_bytes(change(original.read_bytes()))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(embedded, "PACKAGE", "other_weights")
    with pytest.raises(SettingError) as refused:
        build_model(MODEL, channels=3, image_size=32, classes=2, weights="pretrained")
    assert refused.value.args[0] == CHANGED and is_a_sentence(refused.value)


def test_its_images_are_what_timm_says():
    import timm

    theirs = timm.create_model("tf_efficientnet_lite0").pretrained_cfg
    assert expected_statistics(MODEL, "", "pretrained", 3) == (theirs["mean"], theirs["std"])
    assert expected_resizing(MODEL, "", "pretrained") == (theirs["interpolation"], theirs["crop_pct"])
    assert expected_side(MODEL, "", "pretrained") == theirs["input_size"][1]
