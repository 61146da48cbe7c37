"""`python -m cnn_core export`: the file it writes is the network's, and where it cannot be written nothing is left behind."""

import json

import pytest
import torch

from cnn_core.__main__ import main
from cnn_core.errors import NoModelError
from cnn_core.export.card import make_card, read_export_card
from cnn_core.export.script import ORIGIN
from cnn_core.export.verification import VERIFIED
from cnn_core.export.weights import card_inside, read_safetensors
from cnn_core.home import WEIGHTS
from cnn_core.text import counted
from tests.conftest import Trained
from tests.helpers import is_a_sentence


def test_without_a_format_it_writes_safetensors_and_the_card_beside_them(colours_copy: Trained, capsys, tmp_path):
    path = tmp_path / "colours.safetensors"
    assert main(["export", "latest", "--out", str(path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["files"] == [str(path), str(tmp_path / "colours.json")] and result["bytes"] == path.stat().st_size
    assert (result["checked_images"], result["checked_part"]) == (12, "test") and result["largest_difference"] < 1e-5
    card = make_card(colours_copy.store, colours_copy.run)
    assert read_export_card((tmp_path / "colours.json").read_bytes()) == card_inside(path.read_bytes()) == card
    state = torch.load(colours_copy.folder / WEIGHTS, weights_only=True)
    assert all(torch.equal(value, state[name]) for name, value in read_safetensors(path.read_bytes()).items())


def test_a_file_without_a_name_is_named_after_its_run_and_checked(
    colours_copy: Trained, capsys, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["export", colours_copy.id, "--format", "pth"]) == 0
    assert (tmp_path / f"{colours_copy.id}.pth").read_bytes() == (colours_copy.folder / WEIGHTS).read_bytes()
    assert VERIFIED.format(images=counted(12, "test image")) in capsys.readouterr().out


@pytest.mark.parametrize("place", ["", "missing/model.pth"], ids=["a folder", "in no folder"])
def test_where_no_file_can_be_it_says_so_before_the_work(colours_copy: Trained, capsys, tmp_path, place):
    assert main(["export", "latest", "--format", "pth", "--out", str(tmp_path / place)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "--out" in error and is_a_sentence(error) and not (tmp_path / "missing").exists()


def test_a_run_without_a_network_gives_a_message_and_no_file(colours_copy: Trained, capsys, tmp_path):
    (colours_copy.folder / WEIGHTS).unlink()
    path = tmp_path / "model.pth"
    assert main(["export", "latest", "--format", "pth", "--out", str(path)]) == 2
    assert str(NoModelError(colours_copy.id)) in capsys.readouterr().err and not path.exists()


@pytest.mark.parametrize(("form", "ending"), [("script", "-train.py"), ("notebook", "-train.ipynb")])
def test_a_runs_training_is_written_as_code_that_knows_where_its_images_are(
    colours_copy: Trained, capsys, tmp_path, monkeypatch: pytest.MonkeyPatch, form, ending
):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "latest", "--format", form, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    text = (tmp_path / f"{colours_copy.id}{ending}").read_text(encoding="utf-8")
    assert result["files"] == [f"{colours_copy.id}{ending}"]
    code = text if form == "script" else "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    assert ORIGIN.format(run=colours_copy.id) in code
    assert repr(colours_copy.run.config.data) in code and "CLASSES = ['blue', 'green', 'red']" in code
    compile(code if form == "script" else "", "train.py", "exec")


def test_weights_are_not_written_where_their_card_goes(colours_copy: Trained, capsys, tmp_path):
    path = tmp_path / "model.json"
    assert main(["export", "latest", "--out", str(path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "model.safetensors" in error and is_a_sentence(error) and not path.exists()
