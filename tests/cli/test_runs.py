"""The commands runs and diagnose: lists without test accuracies unless --test is given, exports, findings."""

import shutil
import zipfile
from pathlib import Path

from cnn_core.__main__ import main
from cnn_core.cli.runs import NAME_A_RUN, NO_RUNS
from cnn_core.config.chosen import default_name
from cnn_core.config.defaults import make_config
from cnn_core.events import Started, Steps
from cnn_core.home import Home
from cnn_core.metrics.evaluated_models import models_evaluated
from cnn_core.runs.organizer import RunOrganizer
from cnn_core.runs.rules.training import RATE_TOO_HIGH
from cnn_core.runs.run import IN_BIN, NO_RUN
from cnn_core.runs.store import Store
from tests.cli.commands import Capture, answer, refusal
from tests.conftest import Trained
from tests.helpers import tiny_config


def test_an_empty_store_gives_a_message_and_an_empty_list(home: Home, capsys: Capture):
    assert main(["runs"]) == 0
    assert NO_RUNS in capsys.readouterr().out
    assert answer(capsys, "runs") == []


def test_diagnose_reports_findings_with_the_options_that_may_help_under_its_old_name_too(store: Store, capsys: Capture):
    run = store.create(tiny_config(Path("pictures"), learning_rate=0.5))
    assert main(["diagnose", run]) == 0 and run in capsys.readouterr().out
    report = Steps(1, 40, 320, (1.1,) * 10 + (500.0,) * 30, (0.3,) * 40, 0.5, 100.0, 1.0, 1.0, 1.0)
    store.log.append(run, [Started(1, "CPU", 320, 32, 32, 40, 2, classes=("a", "b", "c"), class_counts=(107, 107, 106)), report])
    (finding,) = answer(capsys, "diagnose", run)
    assert [finding] == answer(capsys, "doctor", run)
    assert finding["rule"] == RATE_TOO_HIGH and finding["changes"] == {"learning_rate": 0.001}
    assert main(["diagnose", "latest"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{finding['rule']}: {finding['seen']} {finding['remedy']}") and "--learning-rate 0.001" in printed
    assert NO_RUN.format(run="0099-digits", home=store.home.root) in refusal(capsys, "diagnose", "0099-digits")


def test_runs_are_written_to_a_file_all_or_those_that_are_named(store: Store, tmp_path: Path, capsys: Capture):
    first, second = store.create(make_config()), store.create(make_config())
    for names, expected in (([], [second, first]), (["latest"], [second]), ([first, second], [first, second])):
        out = tmp_path / "runs.zip"
        result = answer(capsys, "runs", *names, "--export", "json", "--out", out)
        assert result == {"file": str(out), "runs": expected}
        assert sorted(zipfile.ZipFile(out).namelist()) == sorted(f"{run}.json" for run in expected)
    assert NO_RUN.format(run="0099-digits", home=store.home.root) in refusal(capsys, "runs", "0099-digits", "--export", "csv")
    assert str(tmp_path / "nowhere") in refusal(capsys, "runs", "--export", "csv", "--out", tmp_path / "nowhere" / "runs.zip")


def test_a_run_in_the_bin_is_called_that_and_restored(store: Store, capsys: Capture):
    run = store.create(make_config(epochs=7))
    store.set_status(run, "stopped")
    RunOrganizer(store).remove(run)
    for command in (["diagnose", run], ["runs", run], ["evaluate", run], ["predict", run, "image.png"]):
        assert IN_BIN.format(run=run) in refusal(capsys, *command)
    assert NAME_A_RUN in refusal(capsys, "runs", "--restore")
    assert answer(capsys, "runs", run, "--restore") == {"runs": [run]}
    (listed,) = answer(capsys, "runs")
    assert listed["run"] == run and listed["name"] == default_name(make_config(epochs=7)) and listed["best_val_accuracy"] is None


def test_test_accuracies_are_listed_and_counted_only_with_the_option(digits_copy: Trained, capsys: Capture):
    store, run = digits_copy.store, digits_copy.run
    accuracy = f"{run.summary['test_accuracy']:.2%}"
    (listed,) = answer(capsys, "runs")
    assert "test_accuracy" not in listed and "test_loss" not in listed
    assert listed["best_val_accuracy"] == run.summary["best_val_accuracy"]
    assert main(["runs"]) == 0
    assert "test" not in capsys.readouterr().out
    before = models_evaluated(store.home, "digits") - {f"{run.id}.best"}
    shutil.rmtree(store.home.test_set_usage, ignore_errors=True)
    assert main(["runs"]) == 0 and not models_evaluated(store.home, "digits") and not before
    (with_test,) = answer(capsys, "runs", "--test")
    assert with_test.items() >= run.summary.items() and models_evaluated(store.home, "digits") == {f"{run.id}.best"}
    assert main(["runs", "--test"]) == 0
    assert f"{accuracy} test" in capsys.readouterr().out


def test_an_export_is_counted_as_a_use_of_the_test_set(store: Store, tmp_path: Path, capsys: Capture):
    measured, unmeasured = store.create(make_config()), store.create(make_config())
    store.set_status(measured, "finished", summary={"test_accuracy": 0.5})
    answer(capsys, "runs", "--export", "csv", "--out", tmp_path / "runs.zip")
    assert models_evaluated(store.home, "digits") == {f"{measured}.best"}
    assert store.run(unmeasured).summary == {}


def test_figures_of_a_run_that_has_not_begun_are_null(store: Store, capsys: Capture):
    store.create(make_config())
    (listed,) = answer(capsys, "runs")
    assert listed["status"] == "queued" and {"best_val_accuracy", "train_seconds", "images_per_second"} <= listed.keys()
    assert all(listed[name] is None for name in listed.keys() - {"run", "name", "status", "data", "model"})
    assert answer(capsys, "runs", "--test")[0]["test_accuracy"] is None
