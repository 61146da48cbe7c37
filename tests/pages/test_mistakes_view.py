"""The Mistakes view: its lists are the engine's, and what is ticked there can be corrected."""

import re

import numpy as np
import pytest

from cnn_core.config.defaults import make_config
from cnn_core.data.imported import ImportedSource
from cnn_core.data.open import open_source
from cnn_core.data.source import SPLITS, finish
from cnn_core.execution.in_process import execute
from cnn_core.metrics.evaluation import Evaluation, evaluate_run, load_split, save_evaluation
from cnn_core.metrics.label_errors import HIGHEST_RATE, TYPICAL_RATE, find_label_errors
from cnn_core.metrics.mistakes import ORDERINGS
from cnn_core.text import counted
from cnn_core.training import cross_validation
from cnn_core.training.cross_validation import FOLDS, load_all_training_images
from cnn_core.training.out_of_fold import read_out_of_fold
from pages.shared.image_grid import PAGE
from pages.views.data.overview import CORRECTIONS
from pages.views.evaluate.corrections import CORRECTED, EXCLUDED, RELABELLED, SINCE, describe_change
from pages.views.evaluate.duplicates import FOUND, NO_DUPLICATES
from pages.views.evaluate.label_errors import (
    ABOUT,
    FROM_PRETRAINED,
    MODEL,
    MOSTLY_MISTAKES,
    OTHER_PRETRAINED,
    OWN,
    SAVED_PREDICTIONS,
    SUSPECTED,
    better_start,
)
from pages.views.evaluate.mistakes import DUPLICATES, HELP, LABEL_ERRORS
from tests.helpers import noisy_image, tiny_config, write_images
from tests.pages.form import field

RUN = "0001-digits"
DOUBTS = LABEL_ERRORS
BY_MODELS = SAVED_PREDICTIONS.format(folds=FOLDS, model=MODEL)


def evaluation_of(store, split="test", run=RUN) -> Evaluation:
    return finish(evaluate_run(run, store.run(run).config, store.home, split=split))


def digits_of(store) -> ImportedSource:
    return ImportedSource(open_source("digits", store.home).folder)


def open_list(open_page, name, split="test", run=RUN):
    at = open_page("evaluate", split="test", run=run, view="Mistakes", list=name)
    if split != "test":
        at.button_group(key="evaluate-part").set_value(split)
        at.run()
    assert not at.exception and not at.error
    return at


def ticks(name, split="test", run=RUN, true_class=None) -> str:
    """Where the session keeps what a list shows, and what of it is ticked."""
    return f"{'label-errors' if name == DOUBTS else 'mistakes'}-{run}-None-{split}{'' if name == DOUBTS else f'-{name}'}-{true_class}-picked"


def shown(at, key) -> list[int]:
    """The images in the grid."""
    return at.session_state[key]["shown"]


def tick(at, key, images):
    at.session_state[key] = at.session_state[key] | {"picked": images}
    return at.run()


def press(at, key):
    at = at.button(key=key).click().run()
    assert not at.exception and not at.error
    return at


def words(at) -> str:
    kinds = (at.caption, at.info, at.success, at.warning, at.markdown)
    return " ".join(element.value for kind in kinds for element in kind)


@pytest.mark.parametrize("name", HELP)
def test_a_list_shows_the_engines_first_images(trained, open_page, name):
    expected = ORDERINGS[name.lower()](evaluation_of(trained), None)
    at = open_list(open_page, name)
    assert shown(at, ticks(name)) == expected[:PAGE].tolist()
    assert counted(len(expected), "test image") in words(at)


def test_a_true_class_narrows_the_list(trained, open_page):
    evaluation = evaluation_of(trained)
    at = open_list(open_page, "Highest loss")
    at.selectbox(key=f"mistakes-class-{RUN}").select(8).run()
    expected = ORDERINGS["highest loss"](evaluation, np.flatnonzero(evaluation.labels == 8))
    assert shown(at, ticks("Highest loss", true_class=8)) == expected[:PAGE].tolist()
    assert counted(len(expected), "test image") in words(at)


def test_an_excluded_image_leaves_the_list_and_the_page_says_what_that_means(own_trained, open_page):
    rows, labels = digits_of(own_trained).index.used_rows("test")
    at = open_list(open_page, "Highest loss")
    assert CORRECTED not in words(at)
    key = ticks("Highest loss")
    first = shown(at, key)[0]
    at = press(tick(at, key, [first]), "exclude-ticked")
    assert rows[first] not in digits_of(own_trained).index.used_rows("test")[0]
    assert CORRECTED in words(at) and describe_change(1, EXCLUDED) in words(at)
    assert counted(len(rows) - 1, "test image") in words(at) and len(evaluation_of(own_trained)) == len(rows) - 1


def test_selected_images_get_another_class(own_trained, open_page):
    rows, labels = digits_of(own_trained).index.used_rows("test")
    at = open_list(open_page, "Lowest loss")
    key = ticks("Lowest loss")
    two = shown(at, key)[:2]
    at = tick(at, key, two)
    box = at.selectbox(key=f"{key}-class")
    assert box.value is None and at.button(key="relabel-ticked").disabled
    other = next(label for label in range(10) if label not in labels[two])
    press(box.select(other).run(), "relabel-ticked")
    edits = digits_of(own_trained).index.corrections.latest()
    assert {(edit.row, edit.new) for edit in edits} == {(row, other) for row in rows[two].tolist()}


def test_training_again_opens_the_form_with_this_runs_settings(own_trained, open_page):
    at = open_list(open_page, "Highest loss")
    key = ticks("Highest loss")
    at = press(tick(at, key, shown(at, key)[:1]), "exclude-ticked")
    at = press(at, "train-again")
    assert at.button(key="start-training") and field(at, "epochs").value == own_trained.run(RUN).config.epochs


def test_label_errors_of_test_images_are_found_with_the_model_of_the_run(trained, open_page):
    errors = find_label_errors(evaluation_of(trained))
    at = open_list(open_page, DOUBTS)
    assert counted(len(errors.indices), "suspected image") in words(at)
    assert "cross-validate" not in [button.key for button in at.button] and BY_MODELS not in words(at)
    if len(errors.indices):
        assert shown(at, ticks(DOUBTS)) == errors.indices[:PAGE].tolist()


@pytest.mark.parametrize(("accuracy", "is_weak"), [(0.95, False), (0.6, True)])
def test_a_weak_models_list_says_that_it_is_mostly_mistakes_of_the_model(own_trained, open_page, accuracy, is_weak):
    real, rng = evaluation_of(own_trained), np.random.default_rng(0)
    predicted = np.where(rng.random(len(real)) < accuracy, real.labels, (real.labels + 1) % 10)
    logits = rng.normal(0, 0.3, (len(real), 10)).astype(np.float32)
    logits[np.arange(len(real)), predicted] += 4
    save_evaluation(own_trained.home.run_folder(RUN), real.key, Evaluation(real.classes, logits, real.labels))
    at, evaluation = open_list(open_page, DOUBTS), evaluation_of(own_trained)
    suspects = len(find_label_errors(evaluation).indices)
    expected = counted(round(0.033 * len(real)), "image")
    message = MOSTLY_MISTAKES if is_weak else SUSPECTED
    text = message.format(
        suspected=counted(suspects, "suspected image"),
        images=f"{len(real)} test images",
        error=1 - evaluation.accuracy,
        rate=TYPICAL_RATE,
        highest=HIGHEST_RATE,
        expected=expected,
        start=FROM_PRETRAINED,
    )
    assert [warning.value for warning in at.warning] == [text] * is_weak and text in words(at)
    assert not [button.key for button in at.button if button.proto.type == "primary"]
    assert at.session_state[ticks(DOUBTS)]["picked"] == []


@pytest.mark.parametrize(
    ("chosen", "start"),
    [
        ({}, FROM_PRETRAINED),
        ({"model": "efficientnet-lite0"}, OTHER_PRETRAINED),
        ({"model": "timm", "weights": "scratch"}, FROM_PRETRAINED),
    ],
)
def test_pretrained_weights_are_not_advised_to_a_run_that_has_them(chosen, start):
    assert better_start(make_config(**chosen)) == start


@pytest.fixture
def mislabelled(empty, tmp_path):
    """A run on small images, three of whose training labels are wrong: the run, and the rows and right classes of those."""
    folder = write_images(tmp_path / "colours", count=30)
    source = open_source(str(folder), empty.home)
    finish(source.ensure_imported())
    index = ImportedSource(source.folder).index
    rows, labels = index.used_rows("train")
    config = tiny_config(folder, epochs=8)
    chosen = [2, 30, 50]
    index.corrections.apply(rows[chosen].tolist(), "label", [(int(label) + 1) % 3 for label in labels[chosen]])
    run = empty.create(config)
    assert execute(empty, run) == "finished"
    return run, dict(zip(rows[chosen].tolist(), labels[chosen].tolist(), strict=True)), index


def test_wrong_training_labels_are_found_and_corrected_without_training_twice(empty, mislabelled, open_page, monkeypatch):
    run, wrong, index = mislabelled
    at = open_list(open_page, DOUBTS, "train", run)
    images = finish(load_all_training_images(open_source(empty.run(run).config.data, empty.home)))
    assert ABOUT.format(count=len(images), folds=FOLDS, model=MODEL) in words(at) and "cross-validate" in [
        button.key for button in at.button
    ]
    at.selectbox(key=f"label-errors-settings-{run}").select(OWN).run()
    at = press(at, "cross-validate")
    found = read_out_of_fold(
        empty.home.run_folder(run), open_source(empty.run(run).config.data, empty.home).info, empty.run(run).config, FOLDS
    )
    errors = find_label_errors(found.evaluate(images))
    assert set(wrong) <= set(images.rows[errors.indices].tolist())
    key = ticks(DOUBTS, "train", run)
    monkeypatch.setattr(cross_validation, "make_trainer", None)  # nothing may be trained from here on
    corrected = set()
    for row, label in wrong.items():
        source, config = open_source(empty.run(run).config.data, empty.home), empty.run(run).config
        rows = finish(load_split(source, config, "train")).rows  # a correction may move images to the validation split
        suspects = [image for image in shown(at, key) if rows[image] == row]
        if suspects:
            at = tick(at, key, suspects)
            box, button = at.selectbox(key=f"{key}-class"), at.button(key="relabel-ticked")
            assert box.value is None and button.disabled
            assert box.options[0] == source.info.classes[label]  # what it is predicted as
            at = press(box.select(label).run(), "relabel-ticked")
            corrected.add(row)
    labels = dict(zip(*(column.tolist() for column in index.columns("1", "row", "label")), strict=True))
    assert len(corrected) >= 2 and all(labels[row] == wrong[row] for row in corrected)
    assert BY_MODELS in words(at)
    assert len(index.corrections.undo()) == 1


def test_an_image_in_two_splits_is_excluded_from_one(empty, tmp_path, open_page):
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 4)):
        for colour, name in (((200, 50, 40), "red"), ((40, 60, 200), "blue")):
            folder = tmp_path / "twins" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                noisy_image(colour, (16, 16), rng).save(folder / f"{number}.png")
    duplicate = (tmp_path / "twins" / "train" / "red" / "3.png").read_bytes()
    (tmp_path / "twins" / "test" / "red" / "twin.png").write_bytes(duplicate)
    run = empty.create(tiny_config(tmp_path / "twins", epochs=1, batch_size=4))
    assert execute(empty, run) == "finished"
    at = open_list(open_page, DUPLICATES, run=run)
    assert FOUND.format(pairs=counted(1, "pair")) in words(at)
    index = ImportedSource(open_source(str(tmp_path / "twins"), empty.home).folder).index
    ((first, second, _),) = index.duplicates.pairs(limit=2, offset=0)
    trained_on = first.row if SPLITS[first.split] == "train" else second.row
    at = press(at, f"duplicate-{first.row}-{second.row}-{trained_on}")
    assert NO_DUPLICATES in words(at) and CORRECTED in words(at)
    assert [re.sub(r".*/", "", edit.path) for edit in index.corrections.latest()] == ["3.png"]


def test_a_set_without_duplicates_says_so(trained, open_page):
    assert NO_DUPLICATES in words(open_list(open_page, DUPLICATES))


def test_the_banner_counts_all_corrections_in_force_and_links_to_them(own_trained, open_page):
    digits = digits_of(own_trained)
    rows, labels = digits.index.used_rows("test")
    first, second, third = rows[:3].tolist()
    digits.index.corrections.apply([first, second, third], "is_excluded", 1)
    digits.index.corrections.apply([third], "is_excluded", 0)
    digits.index.corrections.apply([third], "label", int(labels[2] + 1) % 10)
    at = open_list(open_page, "Highest loss")
    assert SINCE.format(changes=f"{describe_change(2, EXCLUDED)}, {describe_change(1, RELABELLED)}") in words(at)
    at = open_page("data", set="digits", view=CORRECTIONS)
    assert "data-undo" in [button.key for button in at.button] and not at.exception
