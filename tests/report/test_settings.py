"""The report's settings, the command that reproduces the run, and the axes of its curves."""

import shlex

import numpy as np
import pytest

from cnn_core.__main__ import make_parser
from cnn_core.config.chosen import chosen_settings
from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.report.curve_svg import round_ticks
from cnn_core.report.settings import DIFFERENT, command_line
from tests.report.reading import facts_of, report

SETTINGS = [
    {},
    {"data": "cifar10"},
    {"data": "/a b/it's", "flip": "off", "batch_norm": True, "seed": 7},
    {"optimizer": "sgd", "nesterov": False, "learning_rate": 0.1},
    {"model": "resnet18", "schedule": "linear", "knots": "0:0, 0.3:1, 1:0"},
    {"model": "resnet18", "optimizer": "muon", "mirror": True},
]


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_the_command_line_in_it_starts_a_run_with_the_same_settings(chosen):
    config = make_config(**chosen)
    _, read = report(run=facts_of(config))
    line = next(text for text in read.texts if text.startswith("python -m cnn_core train"))
    assert line == command_line(config)
    args = make_parser().parse_args(shlex.split(line)[3:])
    given = {name: value for name in TrainConfig.model_fields if (value := getattr(args, name)) is not None}
    assert make_config(**given) == config


def test_only_chosen_settings_are_shown_as_differing_from_the_defaults():
    assert chosen_settings(make_config()) == {}
    assert chosen_settings(make_config(optimizer="sgd")) == {"optimizer": "sgd"}
    config = make_config(epochs=3, dropout=0.5)
    _, read = report(run=facts_of(config))
    rows = {row[0]: (row[1], row[3]) for row in read.table(DIFFERENT)}
    assert rows == {"Epochs": ("3", "25"), "Dropout": ("0.5", "0.25")}
    assert DIFFERENT not in report(run=facts_of(make_config()))[1].tables


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.1, 2.37), (61.4, 99.2), (100, 100), (0, 0), (2.302, 2.304), (-3, 5e6)])
def test_axes_have_few_round_numbers_that_hold_all_values(low: float, high: float):
    ticks = round_ticks(low, high)
    assert 2 <= len(ticks) <= 7 and ticks[0] <= low + 1e-9 and ticks[-1] >= high - 1e-9
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0]) and f"{steps[0]:e}"[0] in "125"
