"""The evaluate page: which run it shows, and what it says where there is none to show."""

import io
import shutil

import pytest
import torch
from PIL import Image

from cnn_core.config.defaults import make_config
from cnn_core.data.imported import ImportedSource
from cnn_core.data.open import open_source
from cnn_core.data.path_source import PathSource
from cnn_core.data.source import finish
from cnn_core.errors import DataError, NoModelError, RunError
from cnn_core.execution.in_process import execute
from cnn_core.home import CARD, EVALUATIONS, WEIGHTS
from cnn_core.metrics.evaluated_models import models_evaluated
from cnn_core.metrics.evaluation import evaluate_run
from cnn_core.models.saving import DAMAGED_MODEL, load_model
from pages.shared.run_selection import NO_SAVED_MODEL, NO_SUCH_RUN
from pages.shared.text import plain
from pages.views.gallery.browse import TITLE

RUN = "0001-digits"


def evaluation_of(store, run=RUN):
    return finish(evaluate_run(run, store.run(run).config, store.home))


def test_an_empty_studio_shows_the_first_step(empty, open_page):
    at = open_page("evaluate", split="test")
    assert len(at.info) == 1
    assert [button.key for button in at.button] == ["train-digits"]
    assert not at.exception


def test_a_lost_evaluation_is_computed_again(own_trained, open_page):
    evaluation = evaluation_of(own_trained)
    shutil.rmtree(own_trained.home.run_folder(RUN) / EVALUATIONS)
    at = open_page("evaluate", split="test")
    assert at.metric[0].value == f"{evaluation.accuracy:.2%}"
    assert any((own_trained.home.run_folder(RUN) / EVALUATIONS).iterdir())


@pytest.mark.parametrize("page", ["evaluate", "gallery"])
def test_an_unknown_run_gives_a_message_and_another_one_is_shown(trained, open_page, page):
    at = open_page(page)
    for name in ("0099-digits", "nonsense", "../.."):
        at.query_params["run"] = name
        at.run()
        (warning,) = at.warning
        assert warning.value == NO_SUCH_RUN.format(run=plain(name))
        assert at.selectbox[0].value == RUN
        assert at.query_params["run"] == RUN and set(at.query_params) - {"split"} == {"run", "view"}
        assert not at.exception


def evaluated(store):
    return models_evaluated(store.home, "digits")


def test_the_validation_images_are_shown_until_somebody_chooses_the_test_images(own_trained, open_page):
    before = evaluated(own_trained)
    at = open_page("evaluate")
    assert at.button_group(key="evaluate-part").value == "val" and at.query_params["split"] == "val"
    assert (
        at.metric[0].value
        == f"{finish(evaluate_run(RUN, own_trained.run(RUN).config, own_trained.home, split='val')).accuracy:.2%}"
    )
    assert evaluated(own_trained) == before
    at.button_group(key="evaluate-part").set_value("test").run()
    assert at.metric[0].value == f"{evaluation_of(own_trained).accuracy:.2%}" and at.query_params["split"] == "test"
    assert evaluated(own_trained) == before | {f"{RUN}.best"}
    assert not at.exception


@pytest.mark.parametrize("name", ["0099-digits", "../../etc"])
def test_a_link_to_the_test_images_of_an_unknown_run_does_not_evaluate_another_run_on_them(own_trained, open_page, name):
    before = evaluated(own_trained)
    at = open_page("evaluate", run=name, split="test")
    assert at.selectbox[0].value == RUN and at.button_group(key="evaluate-part").value == "val"
    at = open_page("gallery", run=name, view=TITLE)
    assert at.selectbox[0].value == RUN and at.button_group(key="gallery-view").value != TITLE
    assert evaluated(own_trained) == before


def test_another_run_is_not_evaluated_on_the_test_images_because_the_first_one_was(own_trained, open_page):
    other = "0002-digits"
    shutil.copytree(
        own_trained.home.run_folder(RUN), own_trained.home.run_folder(own_trained.create(make_config())), dirs_exist_ok=True
    )
    at = open_page("evaluate", run=RUN, split="test")
    before = evaluated(own_trained)
    at.selectbox[0].set_value(other).run()
    assert at.button_group(key="evaluate-part").value == "val" and evaluated(own_trained) == before
    at.button_group(key="evaluate-part").set_value("train").run()
    at.selectbox[0].set_value(RUN).run()
    assert at.button_group(key="evaluate-part").value == "train"
    assert not at.exception


@pytest.mark.parametrize("page", ["evaluate", "gallery"])
def test_a_run_without_a_model_gives_a_message_and_another_one_is_shown(own_trained, open_page, page):
    waiting = own_trained.create(make_config())
    at = open_page(page, run=waiting)
    (warning,) = at.warning
    assert warning.value == NO_SAVED_MODEL.format(run=waiting)
    assert at.selectbox[0].value == RUN
    assert not at.exception


DAMAGED_WEIGHTS = {
    "empty": lambda good: b"",
    "half": lambda good: good[: len(good) // 2],
    "text": lambda good: b"these are no weights\n" * 50,
    "no text in its encoding": lambda good: b"X\x02\x00\x00\x00\xff\xfe.",
    "a number cut short": lambda good: b"J\x00",
    "no dictionary": lambda good: saved([1, 2, 3]),
    "another network's": lambda good: saved({"features.0.0.weight": torch.zeros(1)}),
}


def saved(value):
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


@pytest.mark.parametrize("page", ["evaluate", "gallery"])
@pytest.mark.parametrize("damage", DAMAGED_WEIGHTS)
def test_a_damaged_model_file_gives_a_message(own_trained, open_page, page, damage):
    weights = own_trained.home.run_folder(RUN) / WEIGHTS
    weights.write_bytes(DAMAGED_WEIGHTS[damage](weights.read_bytes()))
    at = open_page(page, run=RUN)
    assert not at.exception
    (error,) = at.error
    with pytest.raises(RunError) as refused:
        load_model(own_trained.home.run_folder(RUN), torch.device("cpu"))
    assert error.value == plain(refused.value) and RUN in error.value


@pytest.mark.parametrize("page", ["evaluate", "gallery"])
@pytest.mark.parametrize("damage", ["no card", "half a card", "a card of another network"])
def test_a_damaged_model_card_gives_a_message(own_trained, open_page, page, damage):
    folder = own_trained.home.run_folder(RUN)
    (folder / WEIGHTS).touch()  # as a new model would be: nothing of the old one may be remembered
    card = folder / CARD
    match damage:
        case "no card":
            card.unlink()
        case "half a card":
            card.write_text(card.read_text()[:40])
        case "a card of another network":
            card.write_text(card.read_text().replace('"channels": 1', '"channels": 3'))
    at = open_page(page, run=RUN)
    assert not at.exception
    (error,) = at.error
    assert error.value == (str(NoModelError(RUN)) if damage == "no card" else DAMAGED_MODEL.format(run=RUN))


def test_a_data_set_that_is_gone_gives_a_message(empty, open_page, tmp_path):
    folder = tmp_path / "pets"
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (16, 16), (255 * (name == "cats"), 10 * number, 0)).save(folder / name / f"{number}.png")
    run = empty.create(make_config(data=str(folder), epochs=1, batch_size=4))
    assert execute(empty, run) == "finished"
    shutil.rmtree(folder)
    at = open_page("gallery", run=run)
    at.button_group(key="gallery-view").set_value(TITLE).run()
    assert not at.exception and not at.error  # what was imported of it is still there
    shutil.rmtree(PathSource(folder, empty.home).folder)
    for page in ("evaluate", "gallery"):
        at = open_page(page, run=run)
        if page == "gallery":
            at.button_group(key="gallery-view").set_value(TITLE).run()
        assert not at.exception
        (error,) = at.error
        assert str(folder) in error.value


@pytest.mark.parametrize("page, view", [("evaluate", "Metrics"), ("evaluate", "Explain"), ("gallery", TITLE)])
def test_a_set_without_any_test_image_left_gives_a_message(own_trained, open_page, page, view):
    source = open_source("digits", own_trained.home)
    finish(source.ensure_imported())
    index = ImportedSource(source.folder).index
    rows, _ = index.used_rows("test")
    index.corrections.apply(rows.tolist(), "is_excluded", 1)
    at = open_page(page, run=RUN, view=view)
    assert not at.exception
    (error,) = at.error
    with pytest.raises(DataError) as refused:
        evaluation_of(own_trained)
    assert error.value == plain(refused.value)
