"""A model taken along and brought back answers as it did; whatever was tampered with is refused in words, and leaves no run."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from cnn_core.__main__ import main
from cnn_core.data.decoder import read_image
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.errors import StudioError
from cnn_core.export.bring_back import bring_back, choose_files
from cnn_core.export.card import make_card
from cnn_core.export.weights import write_safetensors
from cnn_core.home import WEIGHTS, Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, calibration_of, save_calibration
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import COLOURS, is_a_sentence, picture

MARKUP = '<img src=x onerror="alert(1)">'


def taken_along(trained: Trained) -> tuple[bytes, bytes]:
    """The run's weights and card, as files."""
    card = make_card(trained.store, trained.run)
    state = torch.load(trained.folder / WEIGHTS, weights_only=True)
    return write_safetensors(state, card), card.to_json().encode()


@pytest.fixture(scope="module")
def files(colours_run: Trained) -> tuple[bytes, bytes]:
    return taken_along(colours_run)


def classifier(store: Store, run: str) -> Classifier:
    return Classifier(store.home.run_folder(run))


def test_a_model_that_comes_back_answers_exactly_as_before(colours_copy: Trained, tmp_path: Path):
    save_calibration(
        colours_copy.folder, Calibration(temperature=1.7, threshold=0.6, images=12, error_before=0.1, error_after=0.05)
    )
    other = Store(Home(tmp_path / "another studio"))
    run = finish(bring_back(other, *taken_along(colours_copy)))
    before, after = Classifier(colours_copy.folder), classifier(other, run)
    for seed, colour in enumerate(("red", "green", "blue")):
        image = picture(COLOURS[colour], (20, 24), np.random.default_rng(seed))
        there, here = before.classify(image), after.classify(image)
        assert here.ranked == there.ranked and here.is_sure == there.is_sure and (here.pixels == there.pixels).all()
    kept = calibration_of(other.home.run_folder(run))
    assert (kept.temperature, kept.threshold, kept.images) == (1.7, 0.6, 12)


def test_what_comes_back_is_a_finished_run_that_says_whence_it_came(store: Store, files, colours_run: Trained):
    run = store.run(finish(bring_back(store, files[0], None)))  # the card inside
    assert run.status == "finished" and run.tags == ("brought back",) and colours_run.id in run.notes
    assert run.summary["test_accuracy"] == colours_run.run.summary["test_accuracy"]
    assert run.config.model == colours_run.run.config.model
    assert not Path(run.config.data).is_absolute()  # the pictures' folder is nobody else's business


def test_a_set_that_is_here_too_is_the_runs_own_again(digits_run: Trained, store: Store):
    weights, card = taken_along(digits_run)
    run = store.run(finish(bring_back(store, weights, card)))
    was = digits_run.run.config
    assert (run.config.data, run.config.validation_share, run.config.seed) == ("digits", was.validation_share, was.seed)
    finish(open_source("digits", store.home).obtain())  # it has a fingerprint now
    assert store.run(finish(bring_back(store, weights, card))).config.data == "digits"


@pytest.mark.parametrize("lost", [{"seed": None}, {"validation_share": None}, {"fingerprint": "another version"}])
def test_a_set_of_which_nobody_knows_what_was_learned_from_is_not_the_runs_own(digits_run: Trained, store: Store, lost):
    finish(open_source("digits", store.home).obtain())
    weights, card = taken_along(digits_run)
    told = json.dumps({**json.loads(card), **lost}).encode()
    assert store.run(finish(bring_back(store, weights, told))).config.data == "brought back"


def test_the_command_line_brings_a_model_back(files, home, tmp_path: Path, capsys):
    (tmp_path / "m.safetensors").write_bytes(files[0])
    (tmp_path / "m.json").write_bytes(files[1])
    assert main(["import-model", str(tmp_path / "m.safetensors"), str(tmp_path / "m.json"), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert Store(home).has_model(run)
    assert main(["import-model", str(tmp_path / "none.safetensors")]) == 2
    (tmp_path / "m.pth").write_bytes(b"anything")
    assert main(["import-model", str(tmp_path / "m.pth")]) == 2
    assert "pickle" in capsys.readouterr().err


def with_state(change):
    """Weights with `change` made to their tensors."""

    def tampered(weights: bytes, card: bytes) -> tuple[bytes, bytes]:
        state = load(weights)
        change(state)
        return save(state), card

    return tampered


def with_card(**changes):
    return lambda weights, card: (weights, json.dumps({**json.loads(card), **changes}).encode())


def first(state: dict[str, torch.Tensor]) -> str:
    return next(name for name, value in state.items() if value.dim() > 1)


def set_to(value: float):
    def change(state: dict[str, torch.Tensor]) -> None:
        state[first(state)].view(-1)[3] = value

    return change


def reshape(state: dict[str, torch.Tensor]) -> None:
    state[first(state)] = state[first(state)][:-1].clone()


def halve(state: dict[str, torch.Tensor]) -> None:
    state[first(state)] = state[first(state)].half()


def pickled(weights: bytes, card: bytes) -> tuple[bytes, bytes]:
    out = io.BytesIO()
    torch.save(load(weights), out)
    return out.getvalue(), card


def with_header(change):
    """Weights whose header was written anew."""

    def tampered(weights: bytes, card: bytes) -> tuple[bytes, bytes]:
        size = struct.unpack("<Q", weights[:8])[0]
        header = change(json.loads(weights[8 : 8 + size]))
        content = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(content)) + content + weights[8 + size :], card

    return tampered


def overlap(header: dict) -> dict:
    name = next(name for name in header if name != "__metadata__")
    return {**header, name: {**header[name], "data_offsets": [0, 10**12]}}


TAMPERED = {
    "digits of another size": (with_card(ink="mnist"), "another size"),
    "a temperature of next to nothing": (with_card(temperature=1e-40), "temperature"),
    "a class name that would write on a terminal": (with_card(classes=["\x1b]0;x\x07", "b", "c"]), "cannot be written"),
    "a card of half a character": (
        lambda weights, card: (with_header(lambda h: {**h, "__metadata__": {"card": "\ud800"}})(weights, card)[0], None),
        "not a card",
    ),
    "a tensor called half a character": (with_header(lambda h: {**h, "\ud800": h[next(iter(h))]}), "safetensors"),
    "a wrong shape": (with_state(reshape), "should be"),
    "another type": (with_state(halve), "should be"),
    "a missing tensor": (with_state(lambda state: state.pop(first(state))), "missing"),
    "an extra tensor": (with_state(lambda state: state.update({MARKUP: torch.zeros(2)})), "does not have"),
    "a number that is none": (with_state(set_to(float("nan"))), "not finite"),
    "an endless number": (with_state(set_to(float("-inf"))), "not finite"),
    "a network that overflows": (with_state(lambda state: [v.fill_(3e38) for v in state.values()]), "no answer"),
    "a pickle by another name": (pickled, "pickle"),
    "an old pickle by another name": (lambda weights, card: (b"\x80\x02}q\x00.", card), "pickle"),
    "nothing": (lambda weights, card: (b"", card), "safetensors"),
    "half a file": (lambda weights, card: (weights[: len(weights) // 2], card), "safetensors"),
    "a header beyond the file": (lambda weights, card: (b"\xff" * 8 + weights[8:], card), "safetensors"),
    "a header that is no JSON": (with_header(lambda header: b"{" * 5000), "safetensors"),
    "a header that is a list": (with_header(lambda header: [header]), "safetensors"),
    "a header without shapes": (with_header(lambda header: dict.fromkeys(header, 3)), "safetensors"),
    "tensors beyond the file": (with_header(overlap), "safetensors"),
    "a huge number of classes": (with_card(classes=[str(number) for number in range(20_000)]), "classes"),
    "another number of classes": (with_card(classes=["a", "b"]), "should be"),
    "two classes of one name": (with_card(classes=["a", "b", "a"]), "same name"),
    "a huge picture": (with_card(image_size=10**6), "image_size"),
    "an unknown network": (with_card(model="../../x"), "model"),
    "a network that nobody has": (with_card(model="gpt"), "must be one of"),
    "more depth than the pictures have": (with_card(options={"depth": 6}), "depth"),
    "a temperature of nothing": (with_card(temperature=0), "temperature"),
    "something else on the card": (with_card(colour="red"), "colour"),
    "a card that is no JSON": (lambda weights, card: (weights, b"{"), "card"),
    "a card of nests": (lambda weights, card: (weights, b"[" * 100_000), "card"),
    "weights without a card": (lambda weights, card: (save(load(weights)), None), "no card"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_tampered_with_is_refused_and_leaves_no_run(files, store: Store, how):
    tamper, said = TAMPERED[how]
    with pytest.raises(StudioError) as refusal:
        finish(bring_back(store, *tamper(*files)))
    assert said in str(refusal.value) and is_a_sentence(refusal.value)
    assert store.runs() == []
    assert not list((store.home.root / "runs").glob("*"))


def test_weights_beyond_the_limit_are_not_read(files, store: Store, monkeypatch):
    monkeypatch.setattr("cnn_core.export.bring_back.MOST_BYTES", len(files[0]) - 1)
    with pytest.raises(StudioError, match="larger than"):
        finish(bring_back(store, *files))


def test_class_names_with_markup_come_back_as_they_are(files, store: Store):
    weights, card = with_card(classes=[MARKUP, "b", "c"], run=MARKUP, data="/etc")(*files)
    run = finish(bring_back(store, weights, card))
    image = read_picture_of("red")
    assert MARKUP in [name for name, _ in classifier(store, run).classify(image).ranked]
    assert store.run(run).config.data == "brought back"  # no folder that a stranger names


def read_picture_of(colour: str):
    out = io.BytesIO()
    picture(COLOURS[colour], (16, 16), np.random.default_rng(0)).save(out, "PNG")
    return read_image(out.getvalue(), "it").image


CHOSEN = {
    "a pickle": ({"best_model.pth": b"x"}, "run code"),
    "a pickle beside good files": ({"a.safetensors": b"x", "b.bin": b"y"}, "run code"),
    "no weights": ({"card.json": b"{}"}, "0 files of weights"),
    "two files of weights": ({"a.safetensors": b"x", "b.safetensors": b"x"}, "2 files of weights"),
    "something else": ({"a.safetensors": b"x", "cat.png": b"x"}, "neither weights nor a card"),
}


@pytest.mark.parametrize("what", CHOSEN)
def test_files_that_are_not_weights_and_a_card_are_refused(what):
    chosen, said = CHOSEN[what]
    with pytest.raises(StudioError) as refusal:
        choose_files(chosen)
    assert said in str(refusal.value) and is_a_sentence(refusal.value)
