"""The exercises: their settings can be trained, both runs differ in the described change, and the tutorial is covered."""

import re

import pytest

from cnn_core.config.schema import TrainConfig
from cnn_core.errors import StudioError
from cnn_core.home import Home
from cnn_core.lessons.exercises import DIGITS, EXERCISES, VARIANTS, find_exercise
from cnn_core.lessons.glossary import read_glossary
from cnn_core.runs.store import Store
from cnn_core.runs.submit import check_can_start
from tests.helpers import is_a_sentence

ALL = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def difference(a: TrainConfig, b: TrainConfig) -> set[str]:
    return {name for name in TrainConfig.model_fields if getattr(a, name) != getattr(b, name)}


@ALL
@pytest.mark.parametrize("data", [DIGITS, "cifar10"])
def test_both_runs_differ_in_the_named_settings_only(exercise, data):
    found = difference(exercise.settings("A", data), exercise.settings("B", data))
    # A model and an optimizer have defaults for other settings.
    implied = {"optimizer": {"learning_rate"}, "model": {"activation", "dropout", "depth"}}
    named = exercise.settings_a.keys() | exercise.settings_b.keys() | exercise.photograph_settings_b.keys()
    allowed = named.union(*(implied.get(name, set()) for name in named))
    assert found and found <= allowed


@ALL
def test_a_pair_has_one_seed_and_pairs_differ_in_the_seed_only(exercise):
    assert exercise.settings("A", seed=3).seed == exercise.settings("B", seed=3).seed == 3
    assert difference(exercise.settings("B", seed=0), exercise.settings("B", seed=1)) == {"seed"}


@ALL
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_settings_can_be_trained_on_digits_with_half_of_them_for_validation(exercise, variant, home: Home):
    config = exercise.settings(variant)
    info = check_can_start(config, Store(home))
    assert info.train_count - config.count_training_images(info) == 719


@ALL
def test_the_texts_are_short_and_the_glossary_has_its_terms(exercise):
    assert 3 <= len(re.findall(r"[.?!](?: |$)", exercise.introduction)) <= 5
    assert exercise.question.count("?") == 1 and exercise.question.endswith("?")
    assert is_a_sentence(exercise.explanation) and re.search(r"\(\d{4}\)$", exercise.source)
    assert exercise.terms and set(exercise.terms) <= read_glossary().keys()


def test_the_tutorial_is_covered():
    of_tutorial = {name for name, exercise in EXERCISES.items() if exercise.kind == "Exercise"}
    assert of_tutorial == {"batch-norm", "schedule", "resnet-blocks", "optimizers", "capacity"}
    assert EXERCISES.keys() - of_tutorial == {"augmentation", "dropout", "epochs"}


def test_augmentation_flips_photographs_and_never_digits():
    exercise = find_exercise("augmentation")
    assert [exercise.settings(variant, DIGITS).flip for variant in VARIANTS] == ["off", "off"]
    assert [exercise.settings(variant, "cifar10").flip for variant in VARIANTS] == ["off", "random"]


def test_an_unknown_exercise_is_refused_with_a_list_of_the_exercises():
    with pytest.raises(StudioError) as refused:
        find_exercise("x" * 1000)
    assert (
        is_a_sentence(refused.value) and all(name in str(refused.value) for name in EXERCISES) and len(str(refused.value)) < 300
    )
