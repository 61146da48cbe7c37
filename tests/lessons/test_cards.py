"""The exercises' cards: their settings can be trained, differ in what the card says, and belong to the tutorial."""

import re

import pytest

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import StudioError
from cnn_core.home import Home
from cnn_core.lessons.cards import DIGITS, LESSONS, find_lesson
from cnn_core.lessons.glossary import glossary
from cnn_core.runs.store import Store
from cnn_core.runs.submit import check_can_start
from tests.helpers import is_a_sentence

EVERY = pytest.mark.parametrize("lesson", LESSONS.values(), ids=LESSONS)


def differing(a: TrainConfig, b: TrainConfig) -> set[str]:
    return {name for name in TrainConfig.model_fields if getattr(a, name) != getattr(b, name)}


@EVERY
@pytest.mark.parametrize("data", [DIGITS, "cifar10"])
def test_the_two_runs_differ_in_what_the_card_names_and_in_nothing_else(lesson, data):
    found = differing(lesson.settings("A", data), lesson.settings("B", data))
    # A model or an optimizer brings defaults that belong to it.
    brought = {"optimizer": {"learning_rate"}, "model": {"activation", "dropout", "depth"}}
    allowed = lesson.without.keys() | lesson.with_.keys() | lesson.photographs.keys()
    for name in list(allowed):
        allowed |= brought.get(name, set())
    assert found and found <= allowed


@EVERY
def test_a_pair_has_one_seed_and_pairs_differ_in_nothing_but_the_seed(lesson):
    assert lesson.settings("A", seed=3).seed == lesson.settings("B", seed=3).seed == 3
    assert differing(lesson.settings("B", seed=0), lesson.settings("B", seed=1)) == {"seed"}


@EVERY
@pytest.mark.parametrize("side", ["A", "B"])
def test_the_settings_can_be_trained_on_digits_half_of_which_are_kept_apart(lesson, side, home: Home):
    info = check_can_start(lesson.settings(side), Store(home))
    assert info.train_count - lesson.settings(side).images_left(info) == 719


@EVERY
def test_the_words_are_short_and_the_question_is_one(lesson):
    assert 3 <= len(re.findall(r"[.?!](?: |$)", lesson.learn)) <= 5
    assert lesson.question.endswith("?") and is_a_sentence(lesson.why) and re.search(r"\(\d{4}\)$", lesson.source)


@EVERY
def test_its_terms_are_in_the_glossary(lesson):
    assert lesson.terms and set(lesson.terms) <= glossary().keys()


def test_every_exercise_of_the_tutorial_has_a_lesson():
    exercises = {name for name, lesson in LESSONS.items() if lesson.kind == "Exercise"}
    assert exercises == {"batch-norm", "schedule", "resnet-blocks", "optimizers", "capacity"}
    assert LESSONS.keys() - exercises == {"augmentation", "dropout", "epochs"}


def test_augmentation_mirrors_photographs_and_never_digits():
    lesson = find_lesson("augmentation")
    assert [lesson.settings(side, data).flip for data in (DIGITS, "cifar10") for side in ("A", "B")] == [
        "off",
        "off",
        "off",
        "random",
    ]


def test_an_unknown_lesson_is_refused_in_words():
    with pytest.raises(StudioError) as refused:
        find_lesson("x" * 1000)
    assert is_a_sentence(refused.value) and "augmentation" in str(refused.value) and len(str(refused.value)) < 300
