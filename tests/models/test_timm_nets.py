"""Networks of timm: they compute what timm's own compute, take weights of timm and torchvision, and refuse those of other networks in words."""

import sys
from pathlib import Path

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from cnn_core.errors import SettingError
from cnn_core.models.cost import count_multiply_adds
from cnn_core.models.pretrained_input import expected_input, expected_statistics
from cnn_core.models.pretrained_table import INSTALLED_NETWORK, NAME, NETWORKS, PretrainedNetwork
from cnn_core.models.registry import build_model, build_on_meta
from cnn_core.models.saving import build_from_state
from cnn_core.models.starting_weights import OTHER_NETWORK
from cnn_core.models.targets import NO_TIMM
from cnn_core.models.timm_nets import CLOSEST, UNFIT_SIDE, create_backbone, full_name
from tests.helpers import is_a_sentence
from tests.models.test_saving import MODEL_CARD
from tests.models.timm_weights import SMALL, published, write_weights

VISION_TRANSFORMER = "test_vit.r160_in1k"


def build(name: str, weights: Path | str, channels: int = 3, side: int = 160) -> nn.Module:
    return build_model("timm", channels=channels, image_size=side, classes=4, timm_name=name, weights=str(weights)).eval()


def refusal(*arguments: object, **chosen: object) -> SettingError:
    with pytest.raises(SettingError) as refused:
        build(*arguments, **chosen)
    assert is_a_sentence(refused.value)
    return refused.value


@pytest.mark.parametrize("name", [SMALL, "test_resnet.r160_in1k", "test_convnext.r160_in1k", VISION_TRANSFORMER])
def test_with_its_weights_a_network_computes_the_features_that_timm_s_computes(tmp_path: Path, name: str):
    theirs, images = published(name), torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    ours = build(name, write_weights(tmp_path / "weights.safetensors", name))
    with torch.inference_mode():
        expected = theirs.forward_head(theirs.forward_features(images), pre_logits=True)
        assert torch.equal(ours.backbone(images), expected)
        assert ours(images).shape == (2, 4) and ours.get_submodule("classifier")(expected).equal(ours(images))


def test_grey_images_and_other_sides_take_the_same_weights(tmp_path: Path):
    file = write_weights(tmp_path / "weights.safetensors", VISION_TRANSFORMER)
    grey, colour = (build(VISION_TRANSFORMER, file, channels, side=96) for channels in (1, 3))
    images = torch.randn(2, 1, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(grey.backbone(images), colour.backbone(images.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("resnet18.tv_in1k", models.resnet18),
        ("efficientnet_b0.ra_in1k", models.efficientnet_b0),
        ("convnext_tiny.fb_in1k", models.convnext_tiny),
    ],
)
def test_torchvision_s_names_are_understood(tmp_path: Path, name: str, make):
    theirs, found = make().eval(), []
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    last = [layer for layer in theirs.modules() if isinstance(layer, nn.Linear)][-1]
    last.register_forward_pre_hook(lambda layer, inputs: found.append(inputs[0]))
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        theirs(images)
        features = build(name, tmp_path / "weights.pth", side=64).backbone(images)
    torch.testing.assert_close(features, found[0], atol=1e-4, rtol=1e-4)


def test_weights_of_another_network_are_refused_with_what_does_not_fit(tmp_path: Path):
    theirs = published("test_resnet.r160_in1k").state_dict()
    file = write_weights(tmp_path / "weights.safetensors", "test_resnet.r160_in1k")
    own = {name: value for name, value in published().state_dict().items() if not name.startswith("classifier.")}
    both = own.keys() & theirs.keys()
    counts = {"missing": len(own) - len(both), "unexpected": len(theirs) - len(both)}
    counts["misshapen"] = sum(own[name].shape != theirs[name].shape for name in both)
    refused = refusal(SMALL, file)
    assert (
        refused.args[0] == OTHER_NETWORK.format(weights=file, name=SMALL, count=len(own), **counts) and refused.field == "weights"
    )


def test_weights_of_a_wider_network_of_the_same_kind_are_refused(tmp_path: Path):
    state = published().state_dict()
    state["conv_stem.weight"] = state["conv_stem.weight"][:-1]
    torch.save(state, tmp_path / "weights.pth")
    own = len(state) - 2
    counts = {"missing": 0, "unexpected": 0, "misshapen": 1}
    assert refusal(SMALL, tmp_path / "weights.pth").args[0] == OTHER_NETWORK.format(
        weights=tmp_path / "weights.pth", name=SMALL, count=own, **counts
    )


@pytest.mark.parametrize(("name", "close"), [("resnet5O", "resnet50"), ("efficientnet_bo.ra_in1k", "efficientnet_b0.ra_in1k")])
def test_a_name_that_timm_does_not_have_is_refused_with_the_closest_ones(name: str, close: str):
    refused = refusal(name.lower(), "scratch")
    assert close in refused.args[0].replace(".", ". ") or close in refused.args[0]
    assert refused.field == "timm_name" and refused.args[0].count(" or ") <= CLOSEST - 1
    assert is_a_sentence(refusal("qqqqqq", "scratch"))


def test_images_that_do_not_fit_are_refused_with_the_size_that_does():
    refused = refusal("vit_base_patch32_224.augreg_in1k", "scratch", side=16)
    assert refused.field == "timm_name" and refused.args[0].endswith(UNFIT_SIDE.rpartition(")")[2].format(expected=224))


def test_without_timm_the_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "cnn_core.models.timm_nets")
    monkeypatch.setitem(sys.modules, "timm", None)
    refused = refusal(SMALL, "scratch")
    assert refused.args[0] == NO_TIMM
    build_model("simple", channels=3, image_size=32, classes=2)
    card = MODEL_CARD.model_copy(update={"model": "timm", "options": {"timm_name": SMALL}, "image_size": 32})
    with pytest.raises(SettingError) as refused_model:
        build_from_state(Path("0001-x"), card, {}, torch.device("cpu"))
    assert refused_model.value.args[0] == NO_TIMM


def test_no_name_can_be_a_path_or_an_address_and_all_names_of_timm_are_allowed():
    assert all(NAME.fullmatch(name) for name in (*timm.list_models(), *timm.list_pretrained()))
    assert not any(
        NAME.fullmatch(name) for name in ("../weights", "hf-hub:a/b", "local-dir:/tmp", "a/b", "http://x", "a.b.c", "")
    )


@pytest.mark.parametrize("network", [INSTALLED_NETWORK, *NETWORKS.values()], ids=lambda network: network.name)
def test_the_table_says_what_timm_says(network: PretrainedNetwork):
    name, config = network.name, timm.get_pretrained_cfg(network.name)
    expected = network.expects
    assert full_name(name.partition(".")[0]) == name and network.licence == config.license
    assert (expected.mean, expected.std, expected.interpolation) == (config.mean, config.std, config.interpolation)
    assert (expected.side, expected.crop_share) == (config.input_size[1], config.crop_pct)
    with torch.device("meta"):
        whole, images = timm.create_model(name), torch.empty(1, 3, expected.side, expected.side)
        assert network.multiply_adds == count_multiply_adds(create_backbone(name, 3, expected.side), images)
    assert network.parameters == sum(parameter.numel() for parameter in whole.parameters())
    size = sum(value.numel() * value.element_size() for value in whole.state_dict().values())
    assert network.file_bytes == pytest.approx(size, rel=0.005)  # and names and shapes
    layers = list(build_on_meta("timm", channels=3, image_size=64, classes=2, timm_name=name).modules())
    assert network.norm == any(isinstance(layer, nn.BatchNorm2d) for layer in layers)
    assert network.depthwise == any(isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1 for layer in layers)


def test_a_network_brings_its_own_statistics_and_grey_images_their_means():
    theirs = timm.get_pretrained_cfg(SMALL)
    assert expected_statistics("timm", SMALL, "/a/file", 3) == (theirs.mean, theirs.std)
    (mean,), (std,) = expected_statistics("timm", SMALL, "pretrained", 1) or ((), ())
    assert (mean, std) == (pytest.approx(sum(theirs.mean) / 3), pytest.approx(sum(theirs.std) / 3))
    assert expected_statistics("timm", SMALL, "scratch", 3) is None and expected_statistics("simple", SMALL, "scratch", 3) is None
    assert expected_input(SMALL).side == theirs.input_size[1] and expected_input(SMALL).crop_share == theirs.crop_pct


def test_a_network_with_values_outside_its_state_dict_comes_back_from_its_file(tmp_path: Path):
    card = MODEL_CARD.model_copy(
        update={"model": "timm", "options": {"timm_name": "levit_128s"}, "channels": 3, "image_size": 64}
    )
    torch.manual_seed(3)
    before, images = card.build().eval(), torch.randn(1, 3, 64, 64)
    names = {name for name, _ in before.named_buffers()}
    assert names - before.state_dict().keys(), "position indices, which are computed when it is built"
    drawn = torch.random.get_rng_state()
    after = build_from_state(tmp_path, card, before.state_dict(), torch.device("cpu"))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    with torch.inference_mode():
        torch.testing.assert_close(after(images), before(images))
