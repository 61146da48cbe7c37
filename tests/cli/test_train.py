"""The commands train and resume: settings from options and files, refusals, Ctrl-C, resuming."""

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from cnn_core.__main__ import main, make_parser
from cnn_core.cli.command import STOPPING
from cnn_core.cli.train import choose_model
from cnn_core.config.defaults import make_config
from cnn_core.config.fitting import LOWERED_BATCH
from cnn_core.config.recommendation import PRETRAINED, RECOMMENDED
from cnn_core.config.schema import TrainConfig, format_range
from cnn_core.config.settings_file import NO_SETTINGS, SYNTAX, TOO_LARGE, UNKNOWN_FORMAT
from cnn_core.config.suggestions import divergence_remedy
from cnn_core.events import Epoch
from cnn_core.execution.in_process import execute
from cnn_core.home import CONFIG, NOT_A_RUN, WEIGHTS, Home
from cnn_core.runs.out_of_fold import TRUST_OUT_OF_FOLD
from cnn_core.runs.queue import NOT_RESUMABLE
from cnn_core.runs.rules.validation import FEW_FOR_SCRATCH
from cnn_core.runs.run import NO_RUN, STATUS_WORDS
from cnn_core.runs.store import Store
from cnn_core.runs.submit import TOO_LARGE_BATCH
from tests.cli.commands import KEYS, Capture, answer, refusal
from tests.conftest import Trained
from tests.helpers import start_process, tiny_config, write_images


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


def test_the_first_ctrl_c_stops_the_training_and_keeps_its_model(home: Home, capsys: Capture, image_folder: Path):
    settings = ("--data", str(image_folder), "--batch-size", "8", "--epochs", "1000", "--device", "cpu")
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
    assert process.returncode == 0 and "Traceback" not in errors and STOPPING in errors
    stopped = json.loads(out.splitlines()[-1])
    assert sorted(stopped) == sorted(KEYS)
    assert stopped["status"] == "stopped" and 1 <= stopped["epochs"] < 1000 and stopped["test_accuracy"] is None
    assert (home.run_folder(stopped["run"]) / WEIGHTS).is_file()
    assert answer(capsys, "evaluate", stopped["run"], "--split", "test")["images"] == 6
    assert len(answer(capsys, "predict", "latest", image_folder / "red" / "000.jpg")) == 1


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
    write_images(tmp_path / "narrow", ["red"])
    (tmp_path / "file.png").write_text("text")
    for name in ("empty", "narrow", "file.png"):
        assert name in refusal(capsys, "train", "--data", tmp_path / name)
    assert Store(home).runs() == []


def test_help_explains_every_setting(capsys: Capture):
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name in make_config().model_dump():
        assert f"--{name.replace('_', '-')}" in text
    assert format_range("epochs") in text and "--no-nesterov" in text and format_range("flip") in text


def test_a_training_that_fails_ends_with_status_2_a_message_and_its_json(home: Home, capsys: Capture, image_folder: Path):
    settings = ["--batch-size", "8", "--optimizer", "sgd", "--learning-rate", "10", "--schedule", "constant", "--epochs", "50"]
    assert main(["train", "--data", str(image_folder), "--device", "cpu", *settings, "--json"]) == 2
    captured = capsys.readouterr()
    config = make_config(optimizer="sgd", learning_rate=10)
    assert divergence_remedy(config) in captured.err and "Traceback" not in captured.err
    failed = json.loads(captured.out)
    assert sorted(failed) == sorted(KEYS) and failed["status"] == "failed" and failed["test_accuracy"] is None


def stored_config(home: Home) -> Any:
    return Store(home).runs()[0].config


def test_every_setting_has_an_option_that_sets_it():
    parser = make_parser()
    for name, field in TrainConfig.model_fields.items():
        option = f"--{name.replace('_', '-')}"
        given = [option] if field.annotation is bool else [f"{option}=x"]
        assert getattr(parser.parse_args(["train", *given]), name) == (True if field.annotation is bool else "x")
        assert getattr(parser.parse_args(["train"]), name) is None
        if field.annotation is bool:
            assert getattr(parser.parse_args(["train", f"--no-{name.replace('_', '-')}"]), name) is False


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_settings_come_from_a_file_and_options_win_over_it(
    home: Home, capsys: Capture, image_folder: Path, tmp_path: Path, write
):
    chosen = {
        "data": str(image_folder),
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
    assert stored_config(home) == make_config(**{**chosen, "momentum": 0.7, "nesterov": False})


def test_a_runs_own_settings_train_the_same_run_again(colours_copy: Trained, capsys: Capture):
    answer(capsys, "train", "--config", colours_copy.folder / CONFIG, "--epochs", "1")
    assert stored_config(colours_copy.home) == colours_copy.run.config.model_copy(update={"epochs": 1})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, os.strerror(errno.ENOENT)),
        ("[1", SYNTAX.partition(",")[0].replace("{line}", "1")),
        ("epochs: !!bool x", UNKNOWN_FORMAT),
        ("7", NO_SETTINGS),
        ("wings: 2", "“wings”"),
    ]
    + [("epochs: 0", format_range("epochs")), ("model: [a]", "Model"), ("x" * 200_000, TOO_LARGE)],
)
def test_a_settings_file_that_cannot_be_used_is_refused(
    home: Home, capsys: Capture, tmp_path: Path, content: str | None, words: str
):
    if content is not None:
        (tmp_path / "settings.yaml").write_text(content)
    assert words.format(name=tmp_path / "settings.yaml") in refusal(capsys, "train", "--config", tmp_path / "settings.yaml")
    assert Store(home).runs() == []


def test_what_cannot_be_resumed_is_refused_with_a_message(colours_copy: Trained, capsys: Capture):
    waiting = colours_copy.store.create(make_config())
    assert NOT_RESUMABLE.format(run=colours_copy.id, status="completed") in refusal(capsys, "resume", colours_copy.id)
    assert NOT_RESUMABLE.format(run=waiting, status=STATUS_WORDS["queued"]) in refusal(capsys, "resume", "latest")
    assert NO_RUN.format(run="0099-digits", home=colours_copy.home.root) in refusal(capsys, "resume", "0099-digits")
    assert NOT_A_RUN.format(name="../x") in refusal(capsys, "resume", "../x")


def test_a_stopped_run_is_resumed_to_its_end(home: Home, capsys: Capture, image_folder: Path):
    store = Store(home)
    run = store.create(tiny_config(image_folder, epochs=3))
    seen: list[object] = []
    execute(store, run, watch=seen.append, should_end=lambda: isinstance(seen[-1], Epoch))
    resumed = answer(capsys, "resume", "latest")
    assert sorted(resumed) == sorted(KEYS)
    assert (resumed["run"], resumed["status"], resumed["epochs"]) == (run, "finished", 3)
    assert NOT_RESUMABLE.format(run=run, status="completed") in refusal(capsys, "resume", run)


def test_few_images_can_be_trained_on_without_any_setting(home: Home, capsys: Capture, image_folder: Path, tmp_path: Path):
    data = ("--data", image_folder, "--epochs", "1", "--device", "cpu")
    run = answer(capsys, "train", *data)["run"]
    assert Store(home).run(run).config.batch_size == 16
    (tmp_path / "settings.yaml").write_text("batch_size: 64\n")
    for given in (("--batch-size", "64"), ("--config", tmp_path / "settings.yaml")):
        assert TOO_LARGE_BATCH.format(batch_size=64, count=21) in refusal(capsys, "train", *data, *given)
    assert len(Store(home).runs()) == 1


def test_a_lowered_default_is_named_in_the_terminal(home: Home, capsys: Capture, image_folder: Path):
    assert main(["train", "--data", str(image_folder), "--epochs", "1", "--device", "cpu"]) == 0
    assert LOWERED_BATCH.format(batch_size=16, default=64, count=21) in capsys.readouterr().err


def test_photographs_start_from_pretrained_weights_and_a_run_from_scratch_that_only_guesses_is_told_so(
    home: Home, capsys: Capture, tmp_path: Path
):
    folder = write_images(tmp_path / "photographs", count=5, size=(64, 64))
    arguments = ["train", "--data", str(folder), "--epochs", "1", "--device", "cpu"]
    assert main(arguments) == 0
    captured, run = capsys.readouterr(), Store(home).runs()[0]
    assert RECOMMENDED in captured.err and run.config.model == PRETRAINED
    assert TRUST_OUT_OF_FOLD in captured.out, "on so few images"
    evaluated = answer(capsys, "evaluate", run.id, "--split", "val")
    assert evaluated["out_of_fold_accuracy"] == run.summary["out_of_fold_accuracy"] and "out_of_fold_accuracy" not in answer(
        capsys, "evaluate", run.id, "--split", "train"
    )
    assert main([*arguments, "--model", "simple", "--depth", "1", "--width", "0.25", "--learning-rate", "1e-6"]) == 0
    captured = capsys.readouterr()
    assert RECOMMENDED not in captured.err
    assert FEW_FOR_SCRATCH in captured.out and f"--model {PRETRAINED}" in captured.out


def test_a_search_over_a_setting_that_the_recommended_model_does_not_take_trains_the_default_one(home: Home, tmp_path: Path):
    photographs = {"data": str(write_images(tmp_path / "photographs", count=5, size=(64, 64)))}
    assert choose_model(photographs, home, ["learning_rate"])["model"] == PRETRAINED
    assert choose_model(photographs, home, ["depth"]) == choose_model(photographs, home, ["model"]) == photographs
