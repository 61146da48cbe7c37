"""Networks from torchvision: fit for small and grey images; weights from files are taken where they fit and else refused in words.

Nothing is downloaded here: where an exported script gets ImageNet weights from is replaced.
"""

from pathlib import Path
from urllib.error import URLError

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from cnn_core.errors import SettingError
from cnn_core.models.cost import count_multiply_adds
from cnn_core.models.pretrained_input import expected_side
from cnn_core.models.pretrained_table import TORCHVISION_NETWORKS
from cnn_core.models.registry import FAMILIES, NO_FILE, build_model, count_parameters
from cnn_core.models.starting_weights import NO_SAFETENSORS, NONE_FIT, UNREADABLE, copy_fitting, read_weights
from cnn_core.models.torchvision_nets import NOT_DOWNLOADED, WEIGHTS_TAG, fit_names, load_torchvision_weights
from cnn_core.models.weights_source import check_file, full_name
from tests.helpers import is_a_sentence

ORIGINALS = {"mobilenet": models.mobilenet_v3_small, "efficientnet": models.efficientnet_b0, "convnext": models.convnext_tiny}
LAST_MAP = {64: 4, 96: 3}


@pytest.mark.parametrize("family", ORIGINALS)
def test_it_has_the_parameters_that_torchvision_s_has(family: str):
    with torch.device("meta"):
        theirs = ORIGINALS[family](num_classes=1000)
    counted = count_parameters(family, channels=3, image_size=224, classes=1000)
    assert counted == sum(parameter.numel() for parameter in theirs.parameters())


def test_with_torchvision_s_weights_it_computes_what_torchvision_computes_on_large_images():
    theirs, images = models.mobilenet_v3_small(num_classes=5).eval(), torch.randn(2, 3, 96, 96)
    ours = build_model("mobilenet", channels=3, image_size=96, classes=5).eval()
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("family", ORIGINALS)
@pytest.mark.parametrize("side", LAST_MAP)
def test_images_up_to_64_pixels_are_divided_by_16_and_larger_ones_by_32(family: str, side: int):
    with torch.device("meta"):
        model = build_model(family, channels=3, image_size=side, classes=5)
        last = model.features(torch.empty(2, 3, side, side)).shape[-1]
    assert last == LAST_MAP[side]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file with the weights of a MobileNet for colour images in 5 classes."""
    torch.manual_seed(1)
    torch.save(build_model("mobilenet", channels=3, image_size=96, classes=5).state_dict(), tmp_path / "pets.pth")
    return tmp_path / "pets.pth"


def build(path: Path | str, family: str = "mobilenet", channels: int = 3, classes: int = 5) -> nn.Module:
    return build_model(family, channels=channels, image_size=32, classes=classes, weights=str(path))


def test_all_but_the_last_layer_is_taken_from_a_file(weights: Path):
    saved, model = torch.load(weights, weights_only=True), build(weights)
    state = model.state_dict()
    assert {name for name in state if not torch.equal(state[name], saved[name])} == {
        "classifier.3.weight"
    }  # its bias starts at 0


def test_a_stem_for_colours_becomes_one_for_grey_that_sees_grey_alike(weights: Path):
    saved, model = torch.load(weights, weights_only=True), build(weights, channels=1, classes=7)
    stem, grey = model.features[0][0], torch.randn(2, 1, 32, 32)
    in_colour = nn.functional.conv2d(grey.expand(-1, 3, -1, -1), saved["features.0.0.weight"], padding=1)
    torch.testing.assert_close(stem(grey), in_colour, atol=1e-5, rtol=1e-5)


def test_weights_are_found_inside_a_checkpoint_and_in_half_precision(weights: Path):
    saved = torch.load(weights, weights_only=True)
    half = {name: value.half() if value.is_floating_point() else value for name, value in saved.items()}
    torch.save({"state_dict": half, "epoch": 7}, weights)
    stem = build(weights).features[0][0].weight
    torch.testing.assert_close(stem, saved["features.0.0.weight"], atol=1e-3, rtol=1e-3)


def test_weights_are_read_from_safetensors(weights: Path):
    safetensors = pytest.importorskip("safetensors.torch")
    saved = torch.load(weights, weights_only=True)
    safetensors.save_file(saved, weights.with_suffix(".safetensors"))
    assert torch.equal(build(weights.with_suffix(".safetensors")).features[0][0].weight, saved["features.0.0.weight"])
    damaged = weights.with_name("damaged.safetensors")
    damaged.write_bytes(weights.with_suffix(".safetensors").read_bytes()[:5000])
    assert_refused(damaged, UNREADABLE)


def assert_refused(path: Path | str, *messages: str, **chosen) -> None:
    """Whether the weights are refused with one of `messages`."""
    with pytest.raises(SettingError) as refusal:
        build(path, **chosen)
    assert str(refusal.value) in [message.format(path=path, weights=path) for message in messages]
    assert is_a_sentence(refusal.value) and refusal.value.field == "weights"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    assert_refused(tmp_path / "none.pth", NO_FILE)
    assert_refused(tmp_path, NO_FILE)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}q\x00."], ids=["empty", "text", "pickle of nothing"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_files_that_hold_no_weights_are_refused(tmp_path: Path, content: bytes, suffix: str):
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(content)
    assert_refused(path, UNREADABLE, NONE_FIT, NO_SAFETENSORS)


@pytest.mark.parametrize("state", [[1, 2], torch.ones(3), {"weights": torch.ones(3)}, {"state_dict": 5}, {"a": 1}])
def test_files_whose_weights_fit_nothing_are_refused(tmp_path: Path, state: object):
    torch.save(state, tmp_path / "odd.pth")
    assert_refused(tmp_path / "odd.pth", UNREADABLE, NONE_FIT)


def test_weights_of_another_family_are_refused(weights: Path):
    assert_refused(weights, NONE_FIT, family="convnext")
    assert_refused(weights, NONE_FIT, family="efficientnet")


class Command:
    """Writes a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (str(self.victim), "w")


def test_code_in_a_file_of_weights_is_never_run(tmp_path: Path):
    torch.save({"features.0.0.weight": Command(tmp_path / "victim")}, tmp_path / "evil.pth")
    assert_refused(tmp_path / "evil.pth", UNREADABLE)
    assert not (tmp_path / "victim").exists()


def test_tensors_of_odd_kinds_are_passed_over(tmp_path: Path):
    model = build("scratch")
    shape = model.features[0][0].weight.shape
    before = model.features[0][0].weight.clone()
    for odd in (
        torch.ones(shape, device="meta"),
        torch.ones(shape).to_sparse(),
        torch.ones(shape, dtype=torch.complex64),
        torch.ones(shape, dtype=torch.long),
    ):
        assert copy_fitting(model, {"features.0.0.weight": odd}) == 0
    assert torch.equal(model.features[0][0].weight, before)


@pytest.mark.parametrize(("family", "channels"), [("mobilenet", 1), ("efficientnet", 3), ("convnext", 1)])
def test_pretrained_weights_in_a_script_are_torchvision_s(family: str, channels: int, monkeypatch: pytest.MonkeyPatch):
    theirs = ORIGINALS[family](num_classes=1000).state_dict()
    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", lambda self, **_: theirs)
    model = build("scratch", family, channels, classes=1000)
    state = load_torchvision_weights(model, "pretrained", FAMILIES[family].published).state_dict()
    head = [name for name in theirs if name.startswith("classifier.")][-1].rpartition(".")[0]
    taken = [name for name in theirs if not name.startswith(head) and (channels == 3 or name != "features.0.0.weight")]
    assert all(torch.equal(state[name], theirs[name]) for name in taken)
    assert state["features.0.0.weight"].shape[1] == channels
    torch.testing.assert_close(state["features.0.0.weight"].sum(1), theirs["features.0.0.weight"].sum(1))


@pytest.mark.parametrize("error", [URLError("no route to host"), TimeoutError(), RuntimeError("invalid hash value")])
def test_a_script_without_a_network_refuses_pretrained_weights_with_a_remedy(error: Exception, monkeypatch: pytest.MonkeyPatch):
    def fail(self, **_: object) -> None:
        raise error

    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", fail)
    with pytest.raises(SettingError) as refusal:
        load_torchvision_weights(build("scratch"), "pretrained", FAMILIES["mobilenet"].published)
    assert str(refusal.value) == NOT_DOWNLOADED.format(reason=type(error).__name__) and is_a_sentence(refusal.value)
    assert count_parameters("mobilenet", channels=3, image_size=32, classes=5, weights="pretrained") > 1_000_000


@pytest.mark.parametrize("family", ORIGINALS)
def test_the_table_says_what_torchvision_says(family: str):
    network, weights = TORCHVISION_NETWORKS[family], models.get_model_weights(FAMILIES[family].published)[WEIGHTS_TAG]
    assert weights == type(weights).DEFAULT and network.url == weights.url, "there are no newer ones"
    assert network.parameters == weights.meta["num_params"]
    assert network.file_bytes == pytest.approx(weights.meta["_file_size"] * 2**20, rel=0.001)
    prepared, expected = weights.transforms(), network.expects
    assert ([expected.side], expected.crop_share) == (prepared.crop_size, expected.side / prepared.resize_size[0])
    assert (list(expected.mean), list(expected.std)) == (prepared.mean, prepared.std)
    assert expected.interpolation == prepared.interpolation.value and expected.side == expected_side(family, "", "pretrained")
    with torch.device("meta"):
        theirs = ORIGINALS[family]()
        last = [layer for layer in theirs.modules() if isinstance(layer, nn.Linear)][-1]
        counted = count_multiply_adds(theirs, torch.empty(1, 3, expected.side, expected.side))
    assert network.multiply_adds == counted - last.in_features * last.out_features
    assert (network.depthwise, network.norm) == (FAMILIES[family].depthwise, FAMILIES[family].norm)


def save(state: dict[str, torch.Tensor], file: Path) -> str:
    """Write a file of the type that its suffix names."""
    save_file(state, file) if file.suffix == ".safetensors" else torch.save(state, file)
    return str(file)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_names_of_timm_are_understood(tmp_path: Path, suffix: str):
    torch.manual_seed(1)
    theirs, images = timm.create_model("efficientnet_b0").eval(), torch.randn(1, 3, 96, 96)
    weights = save(theirs.state_dict(), tmp_path / f"weights{suffix}")
    ours = build_model("efficientnet", channels=3, image_size=96, classes=5, weights=weights).eval()
    with torch.inference_mode():
        expected = theirs.forward_head(theirs.forward_features(images), pre_logits=True)
        torch.testing.assert_close(ours.avgpool(ours.features(images)).flatten(1), expected, atol=1e-4, rtol=1e-4)


NAMES_IN_TIMM = {"mobilenet": "mobilenetv3_small_100", "efficientnet": "efficientnet_b0", "convnext": "convnext_tiny"}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("family", ORIGINALS)
def test_either_library_takes_the_weights_of_the_other_from_either_type_of_file(tmp_path: Path, family: str, suffix: str):
    torch.manual_seed(1)
    of_torchvision, of_timm = ORIGINALS[family]().state_dict(), timm.create_model(NAMES_IN_TIMM[family]).state_dict()
    for name, state in ((family, of_timm), (full_name(NAMES_IN_TIMM[family]), of_torchvision)):
        file = save(state, tmp_path / f"{name}{suffix}")
        assert check_file(name, Path(file)) == 0
    names = list(of_torchvision)[: len(list(of_timm)) - 2]
    fitted = fit_names(read_weights(tmp_path / f"{family}{suffix}"), FAMILIES[family].published, "x").state
    assert list(fitted) == names
    assert all(torch.equal(fitted[name].flatten(), value.flatten()) for name, value in zip(names, of_timm.values(), strict=False))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_model_of_this_program_can_be_the_start_of_another(tmp_path: Path, suffix: str):
    state = build_model("convnext", channels=3, image_size=64, classes=37).state_dict()
    assert check_file("convnext", Path(save(state, tmp_path / f"own{suffix}"))) == 37
