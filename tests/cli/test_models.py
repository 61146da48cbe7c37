"""`python -m cnn_core models …` and the training of a network of timm, as a person or a script uses them."""

import json
from pathlib import Path

import pytest

from cnn_core.export.training_file import training_file
from cnn_core.home import CARD, Home
from cnn_core.models.pretrained_table import INSTALLED_NETWORK, NETWORKS, PRETRAINED, TORCHVISION_NETWORKS
from cnn_core.models.weights_source import NOT_HERE, OTHER_CLASSES, file_sha256
from cnn_core.runs.store import Store
from tests.cli.commands import Capture, answer, refusal
from tests.helpers import write_images
from tests.models.timm_weights import SMALL, fill_cache, published, write_weights


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "hub"


def test_the_table_is_listed_with_where_the_weights_are(home: Home, cache: Path, capsys: Capture):
    first, second = list(NETWORKS)[:2]
    write_weights(home.weights / f"{first}.safetensors", "test_vit.r160_in1k")  # its content is read when it is used
    fill_cache(cache, SMALL).parents[2].rename(cache / f"models--timm--{second}")
    rows = {row["name"]: row for row in answer(capsys, "models", "list")}
    assert list(rows) == [INSTALLED_NETWORK.name, *NETWORKS, *TORCHVISION_NETWORKS] == list(PRETRAINED)
    assert {row["place"] for row in rows.values()} == {"installed", "here", "cache", ""}
    assert (rows[first]["place"], rows[second]["place"]) == ("here", "cache")
    assert all(row["parameters"] and row["licence"] and row["expects"]["side"] for row in rows.values())


def test_a_network_of_timm_is_added_trained_and_exported_with_its_name_and_hash(home: Home, tmp_path: Path, capsys: Capture):
    pictures = write_images(tmp_path / "pictures", count=8, size=(32, 32))
    train = (
        "train",
        "--data",
        pictures,
        "--model",
        "timm",
        "--timm-name",
        SMALL,
        "--epochs",
        "2",
        "--batch-size",
        "4",
        "--device",
        "cpu",
    )
    assert NOT_HERE.partition("{")[0] in refusal(capsys, *train)
    added = answer(capsys, "models", "get", SMALL, "--file", write_weights(tmp_path / "mine.safetensors"))
    assert added["sha256"] == file_sha256(tmp_path / "mine.safetensors") and Path(added["file"]).parent == home.weights
    assert answer(capsys, "models", "get", SMALL) == added
    run = answer(capsys, *train)["run"]
    store = Store(home)
    card = json.loads((home.run_folder(run) / CARD).read_text())
    assert card["options"]["timm_name"] == SMALL and card["weights_sha256"] == added["sha256"]
    assert len(set(card["mean"])) == 3, "the statistics are those of the weights"
    import torch

    state = torch.load(home.run_folder(run) / "best_model.pth", weights_only=True)
    theirs = published().state_dict()
    frozen = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    assert frozen and all(torch.equal(value, theirs[name]) for name, value in frozen.items())
    script = training_file(store, store.run(run), "script").decode()
    assert repr(SMALL) in script and "timm" in script.partition("\n\n")[0]


def test_a_network_of_torchvision_is_added_and_trained_as_one_of_timm_is(home: Home, tmp_path: Path, capsys: Capture):
    import torch
    from torchvision import models

    pictures = write_images(tmp_path / "pictures", count=8, size=(32, 32))
    settings = ("--epochs", "1", "--batch-size", "4", "--device", "cpu", "--train", "head")
    train = ("train", "--data", pictures, "--model", "mobilenet", "--weights", "pretrained", *settings)
    refused = refusal(capsys, *train)
    assert NOT_HERE.partition("{")[0] in refused and TORCHVISION_NETWORKS["mobilenet"].url in refused
    theirs = models.mobilenet_v3_small(num_classes=7).state_dict()
    torch.save(theirs, tmp_path / "mine.pth")
    added = answer(capsys, "models", "get", "mobilenet", "--file", tmp_path / "mine.pth")
    assert added["sha256"] == file_sha256(tmp_path / "mine.pth") and added["note"] == OTHER_CLASSES.format(count=7)
    run = answer(capsys, *train)["run"]
    card = json.loads((home.run_folder(run) / CARD).read_text())
    assert card["weights_sha256"] == added["sha256"] and tuple(card["mean"]) == TORCHVISION_NETWORKS["mobilenet"].expects.mean
    state = torch.load(home.run_folder(run) / "best_model.pth", weights_only=True)
    assert all(torch.equal(value, theirs[name]) for name, value in state.items() if name.startswith("features."))
    assert Store(home).run(run).config.weights == "pretrained", "the settings of a run name no file of this machine"
    as_before = answer(capsys, *train, "--interpolation", "bicubic")["run"]
    statistics = json.loads((home.run_folder(as_before) / CARD).read_text())["mean"]
    assert tuple(statistics) != TORCHVISION_NETWORKS["mobilenet"].expects.mean, (
        "as in runs of earlier versions, which stored bicubic"
    )


def test_bad_names_and_files_are_refused(home: Home, tmp_path: Path, capsys: Capture):
    assert SMALL in refusal(capsys, "models", "get", "test_eficientnet.r160_in1k")
    refusal(capsys, "models", "get", SMALL, "--file", tmp_path / "none.pth")
    refusal(capsys, "models", "get", "../x", "--file", tmp_path / "none.pth")
    assert not home.weights.exists()
