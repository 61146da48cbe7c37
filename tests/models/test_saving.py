"""Saved models: a round trip keeps every bit; damaged files give a message and run no code."""

import json
import pickle
import random
from pathlib import Path

import pytest
import torch
from torch import nn

from cnn_core.errors import NoModelError, RunError, StudioError
from cnn_core.home import CARD, WEIGHTS
from cnn_core.models.saving import DAMAGED_MODEL, ModelCard, load_model, save_card, save_weights
from tests.helpers import is_a_sentence

CPU = torch.device("cpu")
MODEL_CARD = ModelCard(
    model="simple",
    classes=("cat", "dog"),
    channels=1,
    image_size=8,
    mean=(0.5,),
    std=(0.25,),
    ink="",
    fingerprint="folder-0123456789abcdef",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a saved, untrained model."""
    folder = tmp_path / "0001-pets"
    folder.mkdir()
    save_card(folder, MODEL_CARD)
    save_weights(folder, MODEL_CARD.build())
    return folder


def test_a_saved_model_comes_back_bit_for_bit_and_ready_for_use(tmp_path: Path):
    model = MODEL_CARD.build().to(memory_format=torch.channels_last)
    save_card(tmp_path, MODEL_CARD)
    save_weights(tmp_path, model)
    loaded, card = load_model(tmp_path, CPU)
    assert card == MODEL_CARD and not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    images = torch.randn(4, 1, 8, 8)
    torch.testing.assert_close(loaded(images), model.eval()(images))


def test_the_weights_are_a_plain_state_dict_that_torch_reads_alone(folder: Path):
    state = torch.load(folder / WEIGHTS, weights_only=True)
    fresh = MODEL_CARD.build()
    fresh.load_state_dict(state)
    assert all(value.is_contiguous() and value.device.type == "cpu" for value in state.values())


def test_the_card_is_json_that_a_person_can_read(folder: Path):
    card = json.loads((folder / CARD).read_text())
    assert card["classes"] == ["cat", "dog"] and card["mean"] == [0.5] and card["model"] == "simple"


@pytest.mark.parametrize(
    ("model", "options"),
    [("simple", {"width": 0.5, "depth": 2, "activation": "gelu", "batch_norm": True, "dropout": 0.5}), ("speed", {"width": 0.5})]
    + [("resnet20", {"activation": "silu"}), ("mobilenet", {"dropout": 0.1})],
)
def test_a_card_builds_the_model_with_the_options_it_was_trained_with(tmp_path: Path, model: str, options: dict[str, object]):
    card = MODEL_CARD.model_copy(update={"model": model, "options": options, "image_size": 16})
    trained = card.build()
    save_card(tmp_path, card)
    save_weights(tmp_path, trained)
    loaded, read = load_model(tmp_path, CPU)
    images = torch.randn(4, 1, 16, 16)
    assert read == card and str(loaded) == str(trained)
    torch.testing.assert_close(loaded(images), trained.eval()(images))


def test_a_card_of_the_first_version_without_options_is_read(folder: Path):
    card = json.loads((folder / CARD).read_text())
    del card["options"]
    (folder / CARD).write_text(json.dumps(card))
    assert load_model(folder, CPU)[1] == MODEL_CARD


@pytest.mark.parametrize(("ink", "means"), [(True, "uci"), (False, "")])
def test_a_card_of_the_first_version_that_says_ink_or_not_is_read(folder: Path, ink: bool, means: str):
    card = json.loads((folder / CARD).read_text())
    del card["fit"], card["interpolation"], card["crop_share"]
    (folder / CARD).write_text(json.dumps(card | {"ink": ink}))
    read = load_model(folder, CPU)[1]
    assert (read.ink, read.fit, read.interpolation, read.crop_share) == (means, "crop", "bicubic", 1)


@pytest.mark.parametrize("wrong", [{"ink": "pencil"}, {"ink": 1}, {"fit": "tear"}, {"fit": True}, {"interpolation": "guess"}])
def test_a_card_that_says_what_no_image_can_be_preprocessed_by_is_refused(folder: Path, wrong: dict[str, object]):
    (folder / CARD).write_text(json.dumps(json.loads((folder / CARD).read_text()) | wrong))
    assert_refused(folder)


def test_loading_draws_nothing_from_torchs_one_generator(folder: Path):
    """A training in the same process draws from it too."""
    before = torch.get_rng_state()
    load_model(folder, CPU)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("missing", [WEIGHTS, CARD])
def test_a_run_without_a_model_is_refused_by_name(folder: Path, missing: str):
    (folder / missing).unlink()
    with pytest.raises(NoModelError, match=folder.name) as refusal:
        load_model(folder, CPU)
    assert is_a_sentence(refusal.value)


def assert_refused(folder: Path) -> None:
    with pytest.raises(RunError) as refusal:
        load_model(folder, CPU)
    assert str(refusal.value) == DAMAGED_MODEL.format(run=folder.name) and is_a_sentence(refusal.value)


def test_weights_of_another_architecture_are_refused(folder: Path):
    save_card(folder, MODEL_CARD.model_copy(update={"classes": ("cat", "dog", "owl")}))
    assert_refused(folder)


@pytest.mark.parametrize("state", [[1, 2], 7, {"weights": 1}, {}], ids=["list", "number", "wrong names", "empty"])
def test_weights_that_are_no_state_dict_are_refused(folder: Path, state: object):
    torch.save(state, folder / WEIGHTS)
    assert_refused(folder)


class Command:
    """Writes a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (str(self.victim), "w")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_hidden_in_the_weights_is_never_run(folder: Path):
    victim = folder / "victim"
    for write in (lambda path: torch.save(Command(victim), path), lambda path: path.write_bytes(pickle.dumps(Command(victim)))):
        write(folder / WEIGHTS)
        assert_refused(folder)
    assert not victim.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_damaged_files_are_loaded_or_refused_and_nothing_else(folder: Path, name: str):
    rng = random.Random(0)
    whole = (folder / name).read_bytes()
    refused = 0
    for turn in range(150):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 5, 200])):
            place = rng.choice([rng.randrange(len(data)), rng.randrange(min(3000, len(data)))])
            data[place] = rng.choice([rng.randrange(256), ord('"'), ord("0")])
        if turn % 3 == 0:
            del data[rng.randrange(len(data)) :]
        if turn % 5 == 0:
            data = bytearray(rng.choice([b"", b"\x80\x02"]) + rng.randbytes(rng.randrange(80)))
        (folder / name).write_bytes(data)
        try:
            model, _ = load_model(folder, CPU)
        except StudioError:
            refused += 1
        else:
            assert isinstance(model, nn.Module)
    assert refused > 75


def test_a_card_with_mirror_gives_the_mean_of_the_images_and_the_mirrored_images_logits_but_not_in_training(tmp_path: Path):
    card = MODEL_CARD.model_copy(update={"mirror": True})
    save_card(tmp_path, card)
    save_weights(tmp_path, MODEL_CARD.build())
    both, _ = load_model(tmp_path, CPU)
    plain = MODEL_CARD.build().eval()
    plain.load_state_dict(both.state_dict())
    images = torch.randn(4, 1, 8, 8)
    expected = (plain(images) + plain(images.flip(-1))) / 2
    torch.testing.assert_close(both(images), expected)
    torch.testing.assert_close(both(images.flip(-1)), expected)
    torch.testing.assert_close(both.train()(images), plain(images))
