"""The recommended model in the form: chosen by default for photographs, with the reason, until a person chooses another."""

from pathlib import Path

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.recommendation import COST_OF_SCRATCH, PRETRAINED, RECOMMENDED
from cnn_core.data.importer import ImportOptions, import_files
from cnn_core.data.source import finish
from cnn_core.execution.in_process import execute
from cnn_core.home import EVALUATIONS, TRAINED_RESULTS
from cnn_core.models import embedded
from cnn_core.models.embedded import NOT_INSTALLED
from cnn_core.runs.out_of_fold import out_of_fold_result
from cnn_core.runs.rules.validation import FEW_FOR_SCRATCH
from cnn_core.runs.store import Store
from cnn_core.training.cross_validation import HEAD_FOLDS
from pages.shared.recommendation import USE_PRETRAINED
from pages.views.evaluate.label_errors import HEAD, SAVED_PREDICTIONS
from pages.views.evaluate.mistakes import LABEL_ERRORS
from tests.helpers import write_images
from tests.pages.form import field, fill, press, press_start

OWN = "photographs"


@pytest.fixture
def own(empty: Store, tmp_path: Path) -> Store:
    """The store of a home with a set of 64×64 photographs and nothing else."""
    finish(import_files(OWN, write_images(tmp_path / "files", size=(64, 64)), ImportOptions(), empty.home))
    return empty


def said(at):
    return [caption.value for caption in at.caption] + [info.value for info in at.info]


def test_start_trains_the_head_of_a_pretrained_network_on_photographs(own, open_page):
    at = press_start(open_page("configure", data=OWN))
    (run,) = own.runs()
    assert (run.config.model, run.config.weights, run.config.train) == (PRETRAINED, "pretrained", "head")
    assert not at.exception


def test_the_model_follows_the_data_set_and_what_was_typed_stays(own, open_page):
    at = fill(open_page("configure"), epochs=7)
    assert field(at, "model").value == "simple" and RECOMMENDED not in said(at)
    fill(at, data=OWN)
    assert field(at, "model").value == PRETRAINED and field(at, "epochs").value == 7 and RECOMMENDED in said(at)
    fill(at, data="digits")
    assert field(at, "model").value == "simple" and field(at, "epochs").value == 7
    fill(at, model="resnet20", data=OWN)
    assert field(at, "model").value == "resnet20" and COST_OF_SCRATCH in said(at) and RECOMMENDED not in said(at)
    press(at, USE_PRETRAINED)
    assert field(at, "model").value == PRETRAINED and RECOMMENDED in said(at) and COST_OF_SCRATCH not in said(at)
    assert not at.exception


def test_scratch_is_one_choice_away_and_what_a_link_names_stays(own, open_page):
    at = open_page("configure", data=OWN, model="simple")
    assert field(at, "model").value == "simple" and COST_OF_SCRATCH in said(at)
    fill(at, model=PRETRAINED, weights="scratch")
    assert COST_OF_SCRATCH in said(at)
    press(at, USE_PRETRAINED)
    assert (field(at, "weights").value, field(at, "train").value) == ("pretrained", "head") and COST_OF_SCRATCH not in said(at)
    fill(at, train="all")
    assert RECOMMENDED not in said(at) and COST_OF_SCRATCH not in said(at)


def test_without_the_installed_weights_the_form_trains_from_scratch_and_says_why(own, open_page, monkeypatch):
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package")
    at = open_page("configure", data=OWN)
    assert field(at, "model").value == "simple"
    assert any(NOT_INSTALLED in text for text in said(at)) and COST_OF_SCRATCH not in said(at)


def test_the_search_form_recommends_the_same(own, open_page):
    at = fill(open_page("search", search=""), data=OWN)
    assert field(at, "model").value == PRETRAINED and RECOMMENDED in said(at)
    assert not at.exception


def test_a_run_from_scratch_that_only_guesses_opens_the_form_with_the_pretrained_settings(own, open_page):
    config = make_config(data=OWN, epochs=2, batch_size=8, depth=1, width=0.25, learning_rate=1e-6, seed=5)
    assert execute(own, run := own.create(config)) == "finished"
    at = open_page("train", run=run)
    (name,) = [button.key for button in at.button if button.key == f"diagnostics-{run}-{FEW_FOR_SCRATCH}"]
    at.button(key=name).click().run()
    assert field(at, "model").value == PRETRAINED and field(at, "seed").value == 5
    assert (field(at, "weights").value, field(at, "train").value) == ("pretrained", "head")
    assert field(at, "learning_rate").value == make_config(model=PRETRAINED).learning_rate
    assert not at.exception


def test_a_head_on_few_images_shows_its_out_of_fold_accuracy_and_which_one_to_trust(own, open_page):
    assert execute(own, run := own.create(make_config(data=OWN, model=PRETRAINED, epochs=1, batch_size=8))) == "finished"
    result = out_of_fold_result(own.run(run).summary)
    for at in (open_page("train", run=run), open_page("evaluate", run=run, split="val")):
        assert result.advice in said(at) and any(
            metric.value.startswith(f"{result.out_of_fold.accuracy:.1%}"[:-1]) for metric in at.metric
        )
        assert not at.exception
    assert result.advice not in said(open_page("evaluate", run=run, split="train"))


def test_the_label_errors_of_a_head_come_from_its_out_of_fold_predictions_with_nothing_to_choose(own, open_page):
    assert execute(own, run := own.create(make_config(data=OWN, model=PRETRAINED, epochs=1, batch_size=8))) == "finished"
    view = {"run": run, "split": "train", "view": "Mistakes", "list": LABEL_ERRORS}
    by_heads = SAVED_PREDICTIONS.format(folds=HEAD_FOLDS, model=HEAD)
    at = open_page("evaluate", **view)
    assert by_heads in said(at) and not at.exception
    assert "cross-validate" not in [button.key for button in at.button], "the training has made them"
    for path in (own.home.run_folder(run) / EVALUATIONS).glob(f"{TRAINED_RESULTS[1]}*"):
        path.unlink()  # as of a run of an earlier version, or of more images
    at = open_page("evaluate", **view)
    assert by_heads not in said(at) and f"label-errors-settings-{run}" not in [box.key for box in at.selectbox]
    at.button(key="cross-validate").click().run()
    assert by_heads in said(at) and not at.exception and not at.error
