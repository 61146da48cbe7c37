"""The export card: it contains what the run's own files contain, survives a round trip, and a stranger's card is checked against bounds."""

import json

import pytest
import torch
from safetensors import safe_open

from cnn_core.errors import RunError
from cnn_core.export.card import NetworkOptions, make_card, read_export_card
from cnn_core.export.weights import card_inside, read_safetensors, read_saved_weights, write_safetensors
from cnn_core.home import WEIGHTS
from cnn_core.inference.confidence import Calibration, save_calibration
from cnn_core.models.saving import ModelCard, build_from_state, read_card
from tests.conftest import Trained
from tests.helpers import is_a_sentence

CPU = torch.device("cpu")


def test_the_card_contains_what_the_run_s_own_files_contain(colours_copy: Trained):
    save_calibration(
        colours_copy.folder, Calibration(temperature=1.5, threshold=0.4, images=6, error_before=0.2, error_after=0.1)
    )
    card = make_card(colours_copy.store, colours_copy.run)
    assert card.model_card() == read_card(colours_copy.folder)
    assert (card.calibration().temperature, card.threshold, card.calibration_images) == (1.5, 0.4, 6)
    assert card.metrics.test_accuracy == colours_copy.run.summary["test_accuracy"] and card.epochs == 8
    assert card.versions["torch"] == torch.__version__.partition("+")[0] or card.versions["torch"] == torch.__version__


def test_the_card_names_no_file_of_this_machine(colours_run: Trained):
    text = make_card(colours_run.store, colours_run.run).to_json()
    assert str(colours_run.home.root) not in text and json.loads(text)["data"] == "pictures"


def test_a_card_survives_a_round_trip_through_json(colours_run: Trained):
    card = make_card(colours_run.store, colours_run.run)
    assert read_export_card(card.to_json().encode()) == card
    assert (
        read_export_card(card.to_json().encode()).model_card().build().state_dict().keys()
        == card.model_card().build().state_dict().keys()
    )


WRONG = {
    "another format": {"format": "other"},
    "a version to come": {"version": 2},
    "a field nobody knows": {"run_me": "os.system"},
    "a path as the family": {"model": "../../etc/passwd"},
    "an option nobody knows": {"options": {"weights": "/etc/passwd"}},
    "a width beyond all memory": {"options": {"width": 1e9}},
    "an image beyond all memory": {"image_size": 10**9},
    "classes of the same name": {"classes": ["a", "a"]},
    "no classes": {"classes": []},
    "too many classes": {"classes": [str(number) for number in range(10_001)]},
    "an endless class name": {"classes": ["a", "b" * 10_000]},
    "fewer means than channels": {"mean": [0.5]},
    "a standard deviation of zero": {"std": [0.0, 0.1, 0.1]},
    "a temperature of zero": {"temperature": 0.0},
    "a number as text": {"image_size": "16"},
    "no number at all": {"temperature": float("nan")},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_stranger_s_card_is_refused_with_a_message(colours_run: Trained, what: str):
    good = json.loads(make_card(colours_run.store, colours_run.run).to_json())
    with pytest.raises(RunError) as refused:
        read_export_card(json.dumps(good | WRONG[what]).encode())
    assert is_a_sentence(refused.value) and len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b"[" * 100_000, b'{"format": "cnn-studio-model"}', b" " * 5_000_000]
)
def test_what_is_not_a_card_is_refused_with_a_message(content: bytes):
    with pytest.raises(RunError) as refused:
        read_export_card(content)
    assert is_a_sentence(refused.value)


@pytest.mark.parametrize("options", [{}, {"width": 0.5, "activation": "silu", "dropout": 0.5}])
def test_options_that_were_not_chosen_stay_the_family_s_defaults_after_a_round_trip(colours_run: Trained, options: dict):
    card = make_card(colours_run.store, colours_run.run).model_copy(
        update={"model": "speed", "options": NetworkOptions(**options)}
    )
    original = ModelCard(**{**read_card(colours_run.folder).model_dump(), "model": "speed", "options": options})
    returned = read_export_card(card.to_json().encode()).model_card()
    assert returned == original and str(returned.build()) == str(original.build())


def test_safetensors_contain_every_bit_of_the_weights_and_the_card_in_their_header(colours_run: Trained, tmp_path):
    card = make_card(colours_run.store, colours_run.run)
    path = tmp_path / "model.safetensors"
    path.write_bytes(write_safetensors(read_saved_weights(colours_run.folder, card)))
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["card"]) == json.loads(card.to_json())
    state, original = read_safetensors(path.read_bytes()), torch.load(colours_run.folder / WEIGHTS, weights_only=True)
    assert state.keys() == original.keys() and all(torch.equal(state[name], original[name]) for name in state)
    assert card_inside(path.read_bytes()) == card
    assert build_from_state(colours_run.folder, card.model_card(), state, CPU)


NO_WEIGHTS = {
    "empty": b"",
    "a zip": b"PK\x03\x04 a zip",
    "an endless header": b"\xff" * 64,
    "a header that is no JSON": b"\x10" + b"\0" * 7 + b"[" * 16,
}


@pytest.mark.parametrize("content", NO_WEIGHTS.values(), ids=NO_WEIGHTS)
def test_what_is_not_a_safetensors_file_is_refused_with_a_message(content: bytes):
    for read in (read_safetensors, card_inside):
        with pytest.raises(RunError) as refused:
            read(content)
        assert is_a_sentence(refused.value)
