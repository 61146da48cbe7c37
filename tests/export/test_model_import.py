"""An exported model that is imported predicts what it did; whatever was tampered with is refused with a sentence, and leaves no run."""

import io
import json
import re
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
from cnn_core.export import card as cards
from cnn_core.export import model_import as messages
from cnn_core.export import weights as weights_files
from cnn_core.export.card import make_card
from cnn_core.export.model_import import TAG, UNKNOWN_DATA, choose_files, import_model
from cnn_core.export.weights import read_saved_weights, write_safetensors
from cnn_core.home import Home
from cnn_core.inference.classifier import Classifier
from cnn_core.inference.confidence import Calibration, load_calibration, save_calibration
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import COLOURS, is_a_sentence, noisy_image

MARKUP = '<img src=x onerror="alert(1)">'


def exported(trained: Trained) -> tuple[bytes, bytes]:
    """The run's weights and card, as they are exported."""
    card = make_card(trained.store, trained.run)
    return write_safetensors(read_saved_weights(trained.folder, card)), card.to_json().encode()


@pytest.fixture(scope="module")
def files(colours_run: Trained) -> tuple[bytes, bytes]:
    return exported(colours_run)


def classifier(store: Store, run: str) -> Classifier:
    return Classifier(store.home.run_folder(run))


def test_an_imported_model_predicts_exactly_what_it_did_before(colours_copy: Trained, tmp_path: Path):
    save_calibration(
        colours_copy.folder, Calibration(temperature=1.7, threshold=0.6, images=12, error_before=0.1, error_after=0.05)
    )
    other = Store(Home(tmp_path / "another studio"))
    run = finish(import_model(other, *exported(colours_copy)))
    before, after = Classifier(colours_copy.folder), classifier(other, run)
    for seed, colour in enumerate(("red", "green", "blue")):
        image = noisy_image(COLOURS[colour], (20, 24), np.random.default_rng(seed))
        there, here = before.classify(image), after.classify(image)
        assert here.ranked == there.ranked and here.verdict == there.verdict and (here.pixels == there.pixels).all()
    calibration = load_calibration(other.home.run_folder(run))
    assert (calibration.temperature, calibration.threshold, calibration.images) == (1.7, 0.6, 12)


def test_an_imported_model_is_a_finished_run_that_says_where_it_comes_from(store: Store, files, colours_run: Trained):
    run = store.run(finish(import_model(store, files[0], None)))  # the card in its header
    assert run.status == "finished" and run.tags == (TAG,) and colours_run.id in run.notes
    assert run.is_imported and not colours_run.run.is_imported
    assert run.summary["test_accuracy"] == colours_run.run.summary["test_accuracy"]
    assert run.config.model == colours_run.run.config.model
    assert not Path(run.config.data).is_absolute()  # the images' folder is private


def test_a_data_set_that_is_here_too_is_the_run_s_own_again(digits_run: Trained, store: Store):
    weights, card = exported(digits_run)
    run = store.run(finish(import_model(store, weights, card)))
    was = digits_run.run.config
    assert (run.config.data, run.config.validation_share, run.config.seed) == ("digits", was.validation_share, was.seed)
    finish(open_source("digits", store.home).ensure_imported())  # it has a fingerprint now
    assert store.run(finish(import_model(store, weights, card))).config.data == "digits"


@pytest.mark.parametrize("lost", [{"seed": None}, {"validation_share": None}, {"fingerprint": "another version"}])
def test_a_data_set_with_an_unknown_split_or_version_is_not_the_run_s_own(digits_run: Trained, store: Store, lost):
    finish(open_source("digits", store.home).ensure_imported())
    weights, card = exported(digits_run)
    card_without = json.dumps({**json.loads(card), **lost}).encode()
    assert store.run(finish(import_model(store, weights, card_without))).config.data == UNKNOWN_DATA


def test_the_command_line_imports_a_model(files, home, tmp_path: Path, capsys):
    (tmp_path / "m.safetensors").write_bytes(files[0])
    (tmp_path / "m.json").write_bytes(files[1])
    assert main(["import-model", str(tmp_path / "m.safetensors"), str(tmp_path / "m.json"), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert Store(home).has_model(run)
    assert main(["import-model", str(tmp_path / "none.safetensors")]) == 2
    (tmp_path / "m.pth").write_bytes(b"anything")
    assert main(["import-model", str(tmp_path / "m.pth")]) == 2
    assert "m.pth" in capsys.readouterr().err


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


def has_message(error: StudioError, message: str, value: str = "") -> bool:
    """Whether an error has this message, filled in, and names the value."""
    pattern = ".*".join(map(re.escape, re.split(r"\{[^}]*\}", message))) or ".*"
    return re.fullmatch(pattern, str(error), re.DOTALL) is not None and value in str(error)


TAMPERED = {
    "digits of another size": (with_card(ink="mnist"), (cards.UNUSABLE, cards.OTHER_SIZE)),
    "a temperature of next to nothing": (with_card(temperature=1e-40), (cards.UNUSABLE, "temperature")),
    "a class name that would write on a terminal": (
        with_card(classes=["\x1b]0;x\x07", "b", "c"]),
        (cards.UNUSABLE, cards.NOT_PRINTABLE),
    ),
    "a card of half a character": (
        lambda weights, card: (with_header(lambda h: {**h, "__metadata__": {"card": "\ud800"}})(weights, card)[0], None),
        (cards.UNUSABLE,),
    ),
    "a tensor called half a character": (
        with_header(lambda h: {**h, "\ud800": h[next(iter(h))]}),
        (weights_files.NOT_SAFETENSORS,),
    ),
    "a wrong shape": (with_state(reshape), (messages.MISFIT.format(reason=messages.OTHER_TENSOR),)),
    "another type": (with_state(halve), (messages.MISFIT.format(reason=messages.OTHER_TENSOR), "F32")),
    "a missing tensor": (with_state(lambda state: state.pop(first(state))), (messages.MISFIT.format(reason=messages.MISSING),)),
    "an extra tensor": (with_state(lambda state: state.update({MARKUP: torch.zeros(2)})), (messages.MISFIT, MARKUP)),
    "a number that is not a number": (with_state(set_to(float("nan"))), (messages.NOT_FINITE,)),
    "an infinite number": (with_state(set_to(float("-inf"))), (messages.NOT_FINITE,)),
    "a network that overflows": (with_state(lambda state: [v.fill_(3e38) for v in state.values()]), (messages.NO_PREDICTION,)),
    "a pickle by another name": (pickled, (messages.PICKLE,)),
    "an old pickle by another name": (lambda weights, card: (b"\x80\x02}q\x00.", card), (messages.PICKLE,)),
    "nothing": (lambda weights, card: (b"", card), (weights_files.NOT_SAFETENSORS,)),
    "half a file": (lambda weights, card: (weights[: len(weights) // 2], card), (weights_files.NOT_SAFETENSORS,)),
    "a header beyond the file": (lambda weights, card: (b"\xff" * 8 + weights[8:], card), (weights_files.NOT_SAFETENSORS,)),
    "a header that is not JSON": (with_header(lambda header: b"{" * 5000), (weights_files.NOT_SAFETENSORS,)),
    "a header that is a list": (with_header(lambda header: [header]), (weights_files.NOT_SAFETENSORS,)),
    "a header without shapes": (with_header(lambda header: dict.fromkeys(header, 3)), (weights_files.NOT_SAFETENSORS,)),
    "tensors beyond the file": (with_header(overlap), (weights_files.NOT_SAFETENSORS,)),
    "a huge number of classes": (with_card(classes=[str(number) for number in range(20_000)]), (cards.UNUSABLE, "classes")),
    "another number of classes": (with_card(classes=["a", "b"]), (messages.MISFIT.format(reason=messages.OTHER_TENSOR),)),
    "two classes of one name": (with_card(classes=["a", "b", "a"]), (cards.UNUSABLE, cards.SAME_NAME)),
    "a huge image": (with_card(image_size=10**6), (cards.UNUSABLE, "image_size")),
    "an unknown network": (with_card(model="../../x"), (cards.UNUSABLE, "model")),
    "a network that nobody has": (with_card(model="gpt"), ("", "gpt")),
    "more depth than the images allow": (with_card(options={"depth": 6}), ("", "6 blocks")),
    "a temperature of nothing": (with_card(temperature=0), (cards.UNUSABLE, "temperature")),
    "something else on the card": (with_card(colour="red"), (cards.UNUSABLE, "colour")),
    "a card that is not JSON": (lambda weights, card: (weights, b"{"), (cards.UNUSABLE,)),
    "a card of nests": (lambda weights, card: (weights, b"[" * 100_000), (cards.UNUSABLE,)),
    "weights without a card": (lambda weights, card: (save(load(weights)), None), (messages.NO_CARD,)),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_tampered_with_is_refused_and_leaves_no_run(files, store: Store, how):
    tamper, expected = TAMPERED[how]
    with pytest.raises(StudioError) as refusal:
        finish(import_model(store, *tamper(*files)))
    assert has_message(refusal.value, *expected) and is_a_sentence(refusal.value)
    assert store.runs() == []
    assert not list((store.home.root / "runs").glob("*"))


def test_weights_beyond_the_limit_are_not_read(files, store: Store, monkeypatch):
    monkeypatch.setattr("cnn_core.export.model_import.MAX_WEIGHTS_BYTES", len(files[0]) - 1)
    with pytest.raises(StudioError) as refusal:
        finish(import_model(store, *files))
    assert has_message(refusal.value, messages.WEIGHTS_TOO_LARGE)


def test_class_names_with_markup_stay_as_they_are(files, store: Store):
    weights, card = with_card(classes=[MARKUP, "b", "c"], run=MARKUP, data="/etc")(*files)
    run = finish(import_model(store, weights, card))
    image = read_noisy_image("red")
    assert MARKUP in [name for name, _ in classifier(store, run).classify(image).ranked]
    assert store.run(run).config.data == UNKNOWN_DATA  # never a folder named by a stranger


def read_noisy_image(colour: str):
    out = io.BytesIO()
    noisy_image(COLOURS[colour], (16, 16), np.random.default_rng(0)).save(out, "PNG")
    return read_image(out.getvalue(), "it").image


CHOSEN = {
    "a pickle": ({"best_model.pth": b"x"}, (messages.PICKLE, "best_model.pth")),
    "a pickle beside good files": ({"a.safetensors": b"x", "b.bin": b"y"}, (messages.PICKLE, "b.bin")),
    "no weights": ({"card.json": b"{}"}, (messages.NOT_ONE_EACH, "0")),
    "two files of weights": ({"a.safetensors": b"x", "b.safetensors": b"x"}, (messages.NOT_ONE_EACH, "2")),
    "something else": ({"a.safetensors": b"x", "cat.png": b"x"}, (messages.UNKNOWN_FILE, "cat.png")),
}


@pytest.mark.parametrize("what", CHOSEN)
def test_files_that_are_not_weights_and_a_card_are_refused(what):
    chosen, expected = CHOSEN[what]
    with pytest.raises(StudioError) as refusal:
        choose_files(chosen)
    assert has_message(refusal.value, *expected) and is_a_sentence(refusal.value)
