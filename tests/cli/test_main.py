"""The command line, mostly as a person runs it: results, agreement between commands, refusals, Ctrl-C."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_core.__main__ import CLOSED_PIPE, main
from cnn_core.cli.train import TEST_ACCURACY
from cnn_core.config.defaults import make_config
from cnn_core.data.image_conversion import ON_WHITE
from cnn_core.errors import NoModelError
from cnn_core.home import WEIGHTS, Home
from cnn_core.inference.classifier import Classifier
from cnn_core.models.saving import DAMAGED_MODEL
from cnn_core.runs.store import Store
from tests.cli.commands import Capture, answer, refusal
from tests.conftest import Trained
from tests.helpers import is_a_sentence, start_process, tells, tiny_config


def test_evaluate_predict_and_runs_agree_with_training(
    digits_copy: Trained, digits_run: Trained, capsys: Capture, digit_files: list[Path]
):
    trained = json.loads(digits_run.out)
    evaluated = answer(capsys, "evaluate", "latest", "--split", "test")
    assert evaluated["run"] == trained["run"] and evaluated["images"] == 359
    assert evaluated["test_accuracy"] == trained["test_accuracy"]
    assert evaluated["test_loss"] == pytest.approx(trained["test_loss"], rel=1e-6)
    confusion = np.array(evaluated["confusion"])
    assert confusion.trace() / confusion.sum() == pytest.approx(trained["test_accuracy"])
    assert [c["class"] for c in evaluated["classes"]] == list("0123456789")
    assert [c["support"] for c in evaluated["classes"]] == confusion.sum(1).tolist()

    (listed,) = answer(capsys, "runs", "--test")
    assert listed.items() >= trained.items() and listed["data"] == "digits" and listed["model"] == "simple"

    classifier = Classifier(digits_copy.folder, torch.device("cpu"))
    for path, predicted in zip(digit_files, answer(capsys, "predict", trained["run"], *digit_files), strict=True):
        with Image.open(path) as image:
            expected = classifier.classify(image.convert("RGB")).ranked
        assert predicted["image"] == str(path) and predicted["class"] == expected[0][0]
        assert [(item["class"], item["probability"]) for item in predicted["ranked"]] == [
            (name, pytest.approx(probability, abs=1e-6)) for name, probability in expected
        ]
        assert predicted["probability"] == predicted["ranked"][0]["probability"]


def test_a_refusal_ends_a_real_process_with_status_2_and_a_sentence(tmp_path: Path):
    (tmp_path / "taken").write_text("in the way")
    process = start_process(Home(tmp_path / "taken"), "-m", "cnn_core", "runs", "--json")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and out == ""
    assert errors.startswith("Error: ") and is_a_sentence(errors.strip()) and "Traceback" not in errors


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["train", "--wings", "2"], ["predict", "latest"], ["evaluate"], ["train", "--epochs"]]
)
def test_what_the_parser_does_not_know_ends_with_status_2_and_the_usage(arguments: list[str], capsys: Capture):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m cnn_core")


@pytest.mark.parametrize("run", ["latest", "0007-digits", "../x", "0001-a/../../etc", "", "/etc/passwd"])
def test_runs_that_are_not_there_are_refused(home: Home, capsys: Capture, run: str, tmp_path: Path):
    Image.new("RGB", (9, 9)).save(tmp_path / "any.png")
    refusal(capsys, "evaluate", run)
    refusal(capsys, "predict", run, tmp_path / "any.png")


def test_a_run_without_a_model_and_one_with_a_damaged_model_are_refused(
    digits_copy: Trained, capsys: Capture, digit_files: list[Path]
):
    waiting = digits_copy.store.create(make_config())
    for command in (("evaluate", waiting), ("predict", waiting, digit_files[0])):
        assert str(NoModelError(waiting)) in refusal(capsys, *command)
    (digits_copy.folder / WEIGHTS).write_bytes((digits_copy.folder / WEIGHTS).read_bytes()[:5000])
    for command in (("evaluate", digits_copy.id), ("predict", digits_copy.id, digit_files[0])):
        assert DAMAGED_MODEL.format(run=digits_copy.id) in refusal(capsys, *command)


def test_images_that_cannot_be_read_are_named_and_the_others_classified(
    digits_copy: Trained, capsys: Capture, digit_files: list[Path], tmp_path: Path
):
    (tmp_path / "diary.png").write_text("no image")
    Image.new("RGB", (50, 50), "white").save(tmp_path / "blank.png")
    files = [digit_files[0], tmp_path / "diary.png", tmp_path / "gone.png", tmp_path, tmp_path / "blank.png", digit_files[1]]
    assert main(["predict", digits_copy.id, *map(str, files), "--json"]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    errors = captured.err.splitlines()
    assert len(errors) == 4 and all(line.startswith("Error: ") and is_a_sentence(line) for line in errors)
    assert [item["image"] for item in json.loads(captured.out)] == [str(digit_files[0]), str(digit_files[1])]


def test_a_blank_image_is_named_in_its_refusal(digits_copy: Trained, capsys: Capture, tmp_path: Path):
    Image.new("RGB", (50, 50), "white").save(tmp_path / "blank.png")
    assert "blank.png" in refusal(capsys, "predict", digits_copy.id, tmp_path / "blank.png")


def test_an_image_whose_file_name_is_no_text_is_classified_too(digits_copy: Trained, capsys: Capture, digit_files: list[Path]):
    odd = digit_files[1].rename(digit_files[1].with_name("caf\udce9.png"))
    assert len(answer(capsys, "predict", digits_copy.id, odd)) == 1
    assert main(["predict", digits_copy.id, str(odd)]) == 0
    assert re.search(r"caf.*\.png: \d ", capsys.readouterr().out)


def test_the_conversion_of_an_image_is_reported_beside_the_prediction(
    digits_copy: Trained, capsys: Capture, digit_files: list[Path]
):
    with Image.open(digit_files[1]) as image:
        clear = image.convert("RGBA")
    clear.putpixel((0, 0), (0, 0, 0, 0))
    clear.save(digit_files[1])
    capsys.readouterr()
    assert main(["predict", digits_copy.id, str(digit_files[1]), "--json"]) == 0
    captured = capsys.readouterr()
    assert f"digit1.png: {ON_WHITE}" in captured.err
    assert len(json.loads(captured.out)) == 1


def test_without_json_a_person_reads_the_same_figures(digits_copy: Trained, capsys: Capture, digit_files: list[Path]):
    accuracy = f"{digits_copy.run.summary['test_accuracy']:.2%}"
    assert main(["evaluate", "latest", "--split", "test"]) == 0
    text = capsys.readouterr().out
    assert f"0001-digits: accuracy {accuracy}" in text and len(re.findall(r"^\d .*%", text, re.MULTILINE)) == 10
    assert main(["predict", "latest", *map(str, digit_files)]) == 0
    text = capsys.readouterr().out
    assert len(re.findall(r"digit\d+\.\w+: \d \d+\.\d%  \(then \d \d+\.\d%, \d \d+\.\d%\)", text)) == 12
    validation = f"{digits_copy.run.summary['best_val_accuracy']:.2%}"
    assert main(["runs"]) == 0
    assert re.search(rf"0001-digits +completed +{validation} validation +SimpleCNN, ", capsys.readouterr().out)


def test_a_folder_of_images_is_trained_and_used_from_the_command_line_with_text_answers(
    home: Home, capsys: Capture, image_folder: Path
):
    config = tiny_config(image_folder, epochs=6)
    options = [
        f"--{name.replace('_', '-')}={getattr(config, name)}" for name in ("epochs", "batch_size", "learning_rate", "device")
    ]
    assert main(["train", "--data", str(image_folder), *options, "--flip", "off", "--crop", "0"]) == 0
    text, progress = capsys.readouterr()
    assert [f"epoch   {number} " in progress for number in range(1, 8)] == [True] * 6 + [False]
    assert tells(text, "0001-pictures", "completed", "6") and TEST_ACCURACY in text and str(home.root) in text
    stored = Store(home).run("0001-pictures").config
    assert (stored.epochs, stored.flip, stored.crop, stored.data) == (6, "off", 0.0, str(image_folder.resolve()))
    assert answer(capsys, "predict", "latest", image_folder / "red" / "000.jpg")[0]["class"] == "red"


def test_a_home_that_cannot_be_used_is_refused(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "taken").write_text("in the way")
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path / "taken"))
    for command in (["runs"], ["train"], ["evaluate", "latest"], ["predict", "latest", "a.png"]):
        assert "CNN_STUDIO_HOME" in refusal(capsys, *command)


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs",),
        ("runs", "--json"),
        ("data", "list"),
        ("train", "--help"),
        ("train", "--data", "PICTURES", "--epochs", "2", "--batch-size", "8"),
    ],
    ids=" ".join,
)
def test_a_reader_that_ends_early_ends_the_command_without_an_error(store: Store, image_folder: Path, arguments: tuple[str, ...]):
    store.create(make_config(), status="stopped")
    named = [str(image_folder) if argument == "PICTURES" else argument for argument in arguments]
    process = start_process(store.home, "-m", "cnn_core", *named)
    assert process.stdout and process.stderr
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=120) in (0, CLOSED_PIPE)
    assert "Traceback" not in errors and BrokenPipeError.__name__ not in errors


def test_a_training_whose_progress_nobody_reads_is_completed(store: Store, image_folder: Path):
    process = start_process(
        store.home, "-m", "cnn_core", "train", "--data", str(image_folder), "--epochs", "2", "--batch-size", "8"
    )
    assert process.stdout and process.stderr
    process.stderr.readline()
    process.stderr.close()
    out = process.stdout.read()
    assert process.wait(timeout=120) == 0 and store.runs()[0].status == "finished" and store.runs()[0].id in out
