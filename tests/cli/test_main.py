"""The command line, mostly as a person runs it: results, agreement between commands, refusals, Ctrl-C."""

import json
import re
import signal
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from cnn_core.__main__ import _parser, main
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.data.open import open_source
from cnn_core.data.source import finish
from cnn_core.events import Epoch, Started, Steps
from cnn_core.execution.in_process import execute
from cnn_core.home import CONFIG, WEIGHTS, Home
from cnn_core.inference.classifier import Classifier
from cnn_core.runs.store import Store
from tests.conftest import Trained
from tests.helpers import is_a_sentence, start_process, tiny_config, write_pictures

KEYS = [
    "run",
    "status",
    "epochs",
    "best_epoch",
    "best_val_accuracy",
    "test_accuracy",
    "test_loss",
    "train_seconds",
    "images_per_second",
    "device",
    "parameters",
    "seconds",
]
Capture = pytest.CaptureFixture[str]


def answer(capsys: Capture, *arguments: object) -> Any:
    """What a command that must succeed answers with `--json`: its last line on standard output."""
    capsys.readouterr()
    assert main([str(argument) for argument in (*arguments, "--json")]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refusal(capsys: Capture, *arguments: object, status: int = 2) -> str:
    """The sentence on standard error with which a command is refused."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == status
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    sentence = captured.err.splitlines()[-1]
    assert sentence.startswith("Error: ") and is_a_sentence(sentence)
    return sentence


@pytest.fixture
def digit_files(digits_run: Trained, tmp_path: Path) -> list[Path]:
    """Twelve test digits as picture files, dark on light and large."""
    paths = []
    for index, pixels in enumerate(finish(open_source("digits", digits_run.home).load("test")).images[:12]):
        picture = Image.fromarray(255 - pixels[..., 0]).resize((200, 200), Image.Resampling.BICUBIC)
        page = Image.new("L", (320, 300), 255)
        page.paste(picture, (60, 40))
        paths.append(tmp_path / f"digit{index}.{'png' if index % 2 else 'jpg'}")
        page.save(paths[-1])
    return paths


def test_training_ends_with_one_line_of_json_and_tells_its_progress_beside_it(digits_run: Trained):
    assert len(digits_run.out.splitlines()) == 1
    trained = json.loads(digits_run.out)
    assert sorted(trained) == sorted(KEYS)
    assert (trained["run"], trained["status"], trained["epochs"]) == ("0001-digits", "finished", 6)
    assert 0.9 < trained["best_val_accuracy"] <= 1 and 0.9 < trained["test_accuracy"] <= 1 and 0 < trained["test_loss"] < 0.5
    assert 1 <= trained["best_epoch"] <= 6 and trained["parameters"] == 505_578 and trained["device"].startswith("CPU")
    assert 0 < trained["train_seconds"] < trained["seconds"]
    assert trained["images_per_second"] == pytest.approx(6 * 1222 / trained["train_seconds"], rel=0.01)
    assert [f"epoch {number:>3}" in digits_run.err for number in range(1, 8)] == [True] * 6 + [False]
    assert "0001-digits" in digits_run.err and "Traceback" not in digits_run.err
    assert trained.items() >= digits_run.run.summary.items()


def test_evaluate_predict_and_runs_agree_with_what_training_said(
    digits_copy: Trained, digits_run: Trained, capsys: Capture, digit_files: list[Path]
):
    trained = json.loads(digits_run.out)
    evaluated = answer(capsys, "evaluate", "latest")
    assert evaluated["run"] == trained["run"] and evaluated["images"] == 359
    assert evaluated["test_accuracy"] == trained["test_accuracy"]
    assert evaluated["test_loss"] == pytest.approx(trained["test_loss"], rel=1e-6)
    confusion = np.array(evaluated["confusion"])
    assert confusion.trace() / confusion.sum() == pytest.approx(trained["test_accuracy"])
    assert [c["class"] for c in evaluated["classes"]] == list("0123456789")
    assert [c["support"] for c in evaluated["classes"]] == confusion.sum(1).tolist()

    (listed,) = answer(capsys, "runs")
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


def test_the_first_ctrl_c_stops_the_training_and_keeps_its_model(home: Home, capsys: Capture, pictures: Path):
    settings = ("--data", str(pictures), "--batch-size", "8", "--epochs", "1000", "--device", "cpu")
    process = start_process(home, "-m", "cnn_core", "train", *settings, "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch   1"):
            break
    try:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0 and "Traceback" not in errors and "what was learned is kept" in errors
    stopped = json.loads(out.splitlines()[-1])
    assert sorted(stopped) == sorted(KEYS)
    assert stopped["status"] == "stopped" and 1 <= stopped["epochs"] < 1000 and stopped["test_accuracy"] is None
    assert (home.run_folder(stopped["run"]) / WEIGHTS).is_file()
    assert answer(capsys, "evaluate", stopped["run"])["images"] == 6
    assert len(answer(capsys, "predict", "latest", pictures / "red" / "000.jpg")) == 1


def test_a_refusal_ends_a_real_process_with_status_2_and_a_sentence(tmp_path: Path):
    (tmp_path / "taken").write_text("in the way")
    process = start_process(Home(tmp_path / "taken"), "-m", "cnn_core", "runs", "--json")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and out == ""
    assert errors.startswith("Error: ") and is_a_sentence(errors.strip()) and "Traceback" not in errors


BAD_SETTINGS = {
    "--epochs": ["0", "1001", "many", "1.5", "nan"],
    "--batch-size": ["0", "-3", "4097", "4096"],
    "--learning-rate": ["0", "-1", "11", "nan", "inf", ""],
    "--dropout": ["1", "-0.1"],
    "--validation-share": ["0", "0.6"],
    "--seed": ["-1", "2147483648"],
    "--optimizer": ["lion", ""],
    "--schedule": ["never"],
    "--knots": ["0:1", "0:1, 1:2", ""],
    "--drop-at": ["0.7, 0.3", "1"],
    "--flip": ["perhaps", "true", ""],
    "--precision": ["float64"],
    "--width": ["0.1", "5"],
    "--depth": ["6"],
    "--model": ["vgg", ""],
    "--device": ["tpu", "mps" if not torch.backends.mps.is_available() else "cuda"],
    "--data": ["didgits", "/no/such/folder", "", "x" * 5000],
}


@pytest.mark.parametrize(("option", "value"), [(option, value) for option, values in BAD_SETTINGS.items() for value in values])
def test_every_setting_that_cannot_be_is_refused_before_a_run_exists(home: Home, capsys: Capture, option: str, value: str):
    refusal(capsys, "train", f"{option}={value}")
    assert Store(home).runs() == []


def test_folders_that_are_no_data_set_are_refused(home: Home, capsys: Capture, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    write_pictures(tmp_path / "narrow", ["red"])
    (tmp_path / "file.png").write_text("text")
    for name in ("empty", "narrow", "file.png"):
        assert name in refusal(capsys, "train", "--data", tmp_path / name)
    assert Store(home).runs() == []


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["train", "--wings", "2"], ["predict", "latest"], ["evaluate"], ["train", "--epochs"]]
)
def test_what_the_parser_does_not_know_ends_with_status_2_and_the_usage(arguments: list[str], capsys: Capture):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m cnn_core")


def test_help_explains_every_setting(capsys: Capture):
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name in make_config().model_dump():
        assert f"--{name.replace('_', '-')}" in text
    assert "1 to 1,000" in text and "--no-nesterov" in text and "off, random or alternating" in text


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
        assert "has no model yet" in refusal(capsys, *command)
    (digits_copy.folder / WEIGHTS).write_bytes((digits_copy.folder / WEIGHTS).read_bytes()[:5000])
    for command in (("evaluate", digits_copy.id), ("predict", digits_copy.id, digit_files[0])):
        assert "damaged" in refusal(capsys, *command)


def test_pictures_that_cannot_be_read_are_named_and_the_others_classified(
    digits_copy: Trained, capsys: Capture, digit_files: list[Path], tmp_path: Path
):
    (tmp_path / "diary.png").write_text("no picture")
    Image.new("RGB", (50, 50), "white").save(tmp_path / "blank.png")
    files = [digit_files[0], tmp_path / "diary.png", tmp_path / "gone.png", tmp_path, tmp_path / "blank.png", digit_files[1]]
    assert main(["predict", digits_copy.id, *map(str, files), "--json"]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    errors = captured.err.splitlines()
    assert len(errors) == 4 and all(line.startswith("Error: ") and is_a_sentence(line) for line in errors)
    assert [item["image"] for item in json.loads(captured.out)] == [str(digit_files[0]), str(digit_files[1])]


def test_a_blank_picture_is_named_in_its_refusal(digits_copy: Trained, capsys: Capture, tmp_path: Path):
    Image.new("RGB", (50, 50), "white").save(tmp_path / "blank.png")
    assert "blank.png" in refusal(capsys, "predict", digits_copy.id, tmp_path / "blank.png")


def test_a_picture_whose_file_name_is_no_text_is_classified_too(digits_copy: Trained, capsys: Capture, digit_files: list[Path]):
    odd = digit_files[1].rename(digit_files[1].with_name("caf\udce9.png"))
    assert len(answer(capsys, "predict", digits_copy.id, odd)) == 1
    assert main(["predict", digits_copy.id, str(odd)]) == 0
    assert re.search(r"caf.*\.png: \d ", capsys.readouterr().out)


def test_what_was_converted_in_a_picture_is_told_beside_the_answer(
    digits_copy: Trained, capsys: Capture, digit_files: list[Path]
):
    with Image.open(digit_files[1]) as image:
        image.convert("RGBA").save(digit_files[1])
    capsys.readouterr()
    assert main(["predict", digits_copy.id, str(digit_files[1]), "--json"]) == 0
    captured = capsys.readouterr()
    assert "digit1.png: Its transparent parts were put on white." in captured.err
    assert len(json.loads(captured.out)) == 1


def test_without_json_a_person_reads_the_same_figures(digits_copy: Trained, capsys: Capture, digit_files: list[Path]):
    accuracy = f"{digits_copy.run.summary['test_accuracy']:.2%}"
    assert main(["evaluate", "latest"]) == 0
    text = capsys.readouterr().out
    assert f"0001-digits: accuracy {accuracy}" in text and len(re.findall(r"^\d .*%", text, re.MULTILINE)) == 10
    assert main(["predict", "latest", *map(str, digit_files)]) == 0
    text = capsys.readouterr().out
    assert len(re.findall(r"digit\d+\.\w+: \d \d+\.\d%  \(then \d \d+\.\d%, \d \d+\.\d%\)", text)) == 12
    assert main(["runs"]) == 0
    assert re.search(rf"0001-digits +finished +{accuracy} test", capsys.readouterr().out)


def test_no_runs_yet_is_said_and_listed_as_nothing(home: Home, capsys: Capture):
    assert main(["runs"]) == 0
    assert "No runs yet" in capsys.readouterr().out
    assert answer(capsys, "runs") == []


def test_a_training_that_fails_ends_with_status_2_a_sentence_and_its_json(home: Home, capsys: Capture, pictures: Path):
    settings = ["--batch-size", "8", "--optimizer", "sgd", "--learning-rate", "10", "--schedule", "constant", "--epochs", "50"]
    assert main(["train", "--data", str(pictures), "--device", "cpu", *settings, "--json"]) == 2
    captured = capsys.readouterr()
    assert "training diverged. Choose a learning rate below 10" in captured.err and "Traceback" not in captured.err
    failed = json.loads(captured.out)
    assert sorted(failed) == sorted(KEYS) and failed["status"] == "failed" and failed["test_accuracy"] is None


def test_a_folder_of_pictures_is_trained_and_used_from_the_command_line_with_text_answers(
    home: Home, capsys: Capture, pictures: Path
):
    config = tiny_config(pictures, epochs=6)
    options = [
        f"--{name.replace('_', '-')}={getattr(config, name)}" for name in ("epochs", "batch_size", "learning_rate", "device")
    ]
    assert main(["train", "--data", str(pictures), *options, "--flip", "off", "--crop", "0"]) == 0
    text, progress = capsys.readouterr()
    assert [f"epoch   {number} " in progress for number in range(1, 8)] == [True] * 6 + [False]
    assert "0001-pictures finished after 6 epochs" in text and "test accuracy" in text and str(home.root) in text
    kept = Store(home).run("0001-pictures").config
    assert (kept.epochs, kept.flip, kept.crop, kept.data) == (6, "off", 0.0, str(pictures.resolve()))
    assert answer(capsys, "predict", "latest", pictures / "red" / "000.jpg")[0]["class"] == "red"


def test_the_doctor_tells_what_stands_out_in_a_run_with_the_options_that_may_help(store: Store, capsys: Capture):
    run = store.create(tiny_config(Path("pictures"), learning_rate=0.5))
    assert main(["doctor", run]) == 0 and f"No epoch of {run} is known yet." in capsys.readouterr().out
    report = Steps(1, 40, 320, (1.1,) * 10 + (500.0,) * 30, (0.3,) * 40, 0.5, 100.0, 1.0, 1.0, 1.0)
    store.log.append(run, [Started(1, "CPU", 320, 32, 32, 40, 2, classes=("a", "b", "c"), class_counts=(107, 107, 106)), report])
    (finding,) = answer(capsys, "doctor", run)
    assert finding["rule"] == "Learning rate too high" and finding["changes"] == {"learning_rate": 0.001}
    assert main(["doctor", "latest"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{finding['rule']}: {finding['seen']} {finding['remedy']}") and "Try --learning-rate 0.001" in said
    assert "There is no run" in refusal(capsys, "doctor", "0099-digits")


def test_a_home_that_cannot_be_used_is_refused(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "taken").write_text("in the way")
    monkeypatch.setenv("CNN_STUDIO_HOME", str(tmp_path / "taken"))
    for command in (["runs"], ["train"], ["evaluate", "latest"], ["predict", "latest", "a.png"]):
        assert "CNN_STUDIO_HOME" in refusal(capsys, *command)


def kept(home: Home) -> Any:
    return Store(home).runs()[0].config


def test_every_setting_has_an_option_that_sets_it():
    parser = _parser()
    for name, field in TrainConfig.model_fields.items():
        option = f"--{name.replace('_', '-')}"
        given = [option] if field.annotation is bool else [f"{option}=x"]
        assert getattr(parser.parse_args(["train", *given]), name) == (True if field.annotation is bool else "x")
        assert getattr(parser.parse_args(["train"]), name) is None
        if field.annotation is bool:
            assert getattr(parser.parse_args(["train", f"--no-{name.replace('_', '-')}"]), name) is False


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_settings_come_from_a_file_and_options_win_over_it(home: Home, capsys: Capture, pictures: Path, tmp_path: Path, write):
    chosen = {
        "data": str(pictures),
        "epochs": 1,
        "batch_size": 8,
        "device": "cpu",
        "optimizer": "sgd",
        "momentum": 0.5,
        "flip": "off",
    }
    (tmp_path / "settings").write_text(write(chosen))
    answered = answer(capsys, "train", "--config", tmp_path / "settings", "--momentum", "0.7", "--no-nesterov")
    assert (answered["status"], answered["epochs"]) == ("finished", 1)
    assert kept(home) == make_config(**{**chosen, "momentum": 0.7, "nesterov": False})


def test_runs_are_written_to_a_file_all_or_those_that_are_named(store: Store, tmp_path: Path, capsys: Capture):
    first, second = store.create(make_config()), store.create(make_config())
    for names, expected in (([], [second, first]), (["latest"], [second]), ([first, second], [first, second])):
        out = tmp_path / "runs.zip"
        result = answer(capsys, "runs", *names, "--export", "json", "--out", out)
        assert result == {"file": str(out), "runs": expected}
        assert sorted(zipfile.ZipFile(out).namelist()) == sorted(f"{run}.json" for run in expected)
    assert "There is no run" in refusal(capsys, "runs", "0099-digits", "--export", "csv")
    assert "Name another file" in refusal(capsys, "runs", "--export", "csv", "--out", tmp_path / "nowhere" / "runs.zip")


def test_a_runs_own_settings_train_the_same_run_again(colours_copy: Trained, capsys: Capture):
    answer(capsys, "train", "--config", colours_copy.folder / CONFIG, "--epochs", "1")
    assert kept(colours_copy.home) == colours_copy.run.config.model_copy(update={"epochs": 1})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("[1", "neither JSON nor YAML"),
        ("7", "does not hold settings"),
        ("wings: 2", "no setting called “wings”"),
    ]
    + [("epochs: 0", "1 to 1,000"), ("model: [a]", "Model"), ("x" * 200_000, "larger than")],
)
def test_a_settings_file_that_cannot_be_used_is_refused(
    home: Home, capsys: Capture, tmp_path: Path, content: str | None, words: str
):
    if content is not None:
        (tmp_path / "settings.yaml").write_text(content)
    assert words in refusal(capsys, "train", "--config", tmp_path / "settings.yaml")
    assert Store(home).runs() == []


def test_what_cannot_be_resumed_is_refused_in_words(colours_copy: Trained, capsys: Capture):
    waiting = colours_copy.store.create(make_config())
    assert f"Run {colours_copy.id} is finished. Only a run" in refusal(capsys, "resume", colours_copy.id)
    assert f"Run {waiting} is queued" in refusal(capsys, "resume", "latest")
    assert "no run" in refusal(capsys, "resume", "0099-digits")
    assert "not the name of a run" in refusal(capsys, "resume", "../x")


def test_a_stopped_run_is_resumed_to_its_end(home: Home, capsys: Capture, pictures: Path):
    store = Store(home)
    run = store.create(tiny_config(pictures, epochs=3))
    seen: list[object] = []
    execute(store, run, watch=seen.append, should_end=lambda: isinstance(seen[-1], Epoch))
    resumed = answer(capsys, "resume", "latest")
    assert sorted(resumed) == sorted(KEYS)
    assert (resumed["run"], resumed["status"], resumed["epochs"]) == (run, "finished", 3)
    assert "is finished" in refusal(capsys, "resume", run)
