"""A search as it was asked for: what it refuses, and that nothing is lost in writing it down."""

from typing import Any

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import format_range
from cnn_core.errors import SettingError
from cnn_core.search.plan import MAX_TRIALS, SearchPlan
from cnn_core.search.space import Choices, Range, parse_space
from tests.helpers import is_a_sentence

SPACE = parse_space(
    ["learning_rate=0.0001..0.1 log", "optimizer=adam,sgd", "momentum=0.5..0.9", "batch_norm=on,off", "depth=1..4"]
)


def plan(**chosen: Any) -> SearchPlan:
    return SearchPlan(**{"name": "widths 2", "base": make_config(epochs=3), "space": SPACE, **chosen})


def test_a_plan_survives_being_written_down():
    requested = plan(trials=7, sampler="random", prune=False, seed=5, owner="ada@school.example")
    assert SearchPlan.from_json(requested.to_json()) == requested


@pytest.mark.parametrize(
    ("wrong", "field", "expected"),
    [
        ({"name": ""}, "name", "60"),
        ({"name": "../x"}, "name", "60"),
        ({"name": "a" * 61}, "name", "60"),
        ({"name": "ends with a space "}, "name", "60"),
        ({"trials": 0}, "trials", f"{MAX_TRIALS:,}"),
        ({"trials": 1001}, "trials", f"{MAX_TRIALS:,}"),
        ({"sampler": "genetic"}, "sampler", "genetic"),
        ({"seed": -1}, "seed", f"{2**31 - 1:,}"),
        ({"sampler": "grid"}, "learning_rate", "tpe"),
        ({"sampler": "grid", "space": (Range("batch_size", 1, 4096), Range("depth", 1, 6))}, "sampler", f"{4096 * 6:,}"),
        ({"space": (Choices("depth", (1, 7)),)}, "depth", format_range("depth")),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_message(wrong: dict[str, Any], field: str, expected: str):
    with pytest.raises(SettingError, match=expected) as refused:
        plan(**wrong)
    assert is_a_sentence(refused.value) and refused.value.field == field


def test_a_trial_has_the_settings_that_have_an_effect_and_numbers_of_four_digits():
    drawn = {"momentum": 0.512345, "learning_rate": 0.00123456, "optimizer": "adam", "batch_norm": True, "depth": 2}
    assert plan().trial_settings(drawn) == {"optimizer": "adam", "learning_rate": 0.001235, "batch_norm": True, "depth": 2}
    assert plan().trial_settings(drawn | {"optimizer": "sgd"})["momentum"] == 0.5123


def test_rounding_stays_within_the_range():
    narrow = plan(space=(Range("learning_rate", 0.00012345, 0.00012346),))
    assert narrow.trial_settings({"learning_rate": 0.000123455})["learning_rate"] == 0.00012346


def test_a_trials_config_is_the_base_with_its_settings():
    config = plan().trial_config({"optimizer": "sgd", "momentum": 0.5})
    assert config == make_config(epochs=3).model_copy(update={"optimizer": "sgd", "momentum": 0.5})


def test_a_search_is_done_when_there_is_nothing_left_to_try():
    assert plan(trials=20).total_trials == 20
    assert plan(trials=20, space=(Choices("depth", (1, 2, 3)),)).total_trials == 3
