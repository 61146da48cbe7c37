"""What a search may vary, how it is written, and what is refused, in words."""

import re
from itertools import product

import pytest

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig, format_range, title
from cnn_core.errors import SettingError
from cnn_core.search.space import (
    LISTED,
    NO_EFFECT,
    NO_LOGARITHM,
    NO_RANGE,
    NO_SETTING,
    NOT_COMPARABLE,
    NOT_RISING,
    SAME_VALUE,
    TOO_FEW_VALUES,
    TWICE,
    Choices,
    Range,
    check_space,
    combinations,
    effective_dimensions,
    format_space,
    in_sampling_order,
    parse_space,
    space_size,
)
from tests.helpers import is_a_sentence

BASE = make_config()


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("learning_rate=0.0001..0.1 log", Range("learning_rate", 0.0001, 0.1, log=True)),
        ("learning-rate = 1e-4 .. 1e-1", Range("learning_rate", 0.0001, 0.1)),
        ("crop=.1..0.5", Range("crop", 0.1, 0.5)),
        ("depth=1..4", Range("depth", 1, 4)),
        ("depth=1,3", Choices("depth", (1, 3))),
        ("dropout=0, 0.25", Choices("dropout", (0.0, 0.25))),
        ("optimizer=adam,sgd", Choices("optimizer", ("adam", "sgd"))),
        ("batch_norm=on,off", Choices("batch_norm", (True, False))),
        ("knots=0:0, 0.3:1, 1:0; 0:1, 1:0", Choices("knots", ("0:0, 0.3:1, 1:0", "0:1, 1:0"))),
    ],
)
def test_a_line_says_what_to_vary_and_can_be_written_again(line: str, part: Range | Choices):
    assert parse_space([line]) == (part,)
    assert parse_space(format_space((part,))) == (part,)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "“”"),
        ("learning_rate", "“learning_rate”"),
        ("extent=1..2", "“extent”"),
        ("data=digits,mnist", NOT_COMPARABLE.format(setting=title("data"))),
        ("seed=1..9", NOT_COMPARABLE.format(setting=title("seed"))),
        ("size=64..224", NO_RANGE.format(setting=title("size"), name="size", values=LISTED["size"])),
        ("device=cpu,cuda", NOT_COMPARABLE.format(setting=title("device"))),
        ("validation_share=0.1,0.2", NOT_COMPARABLE.format(setting=title("validation_share"))),
        ("learning_rate=0.1..0.01", NOT_RISING.format(setting=title("learning_rate"), low=0.1, high=0.01)),
        ("learning_rate=0..0.1 log", format_range("learning_rate")),
        ("dropout=0..0.5 log", NO_LOGARITHM.format(setting=title("dropout"), low=0)),
        ("depth=1..9", f"{format_range('depth')}.*“9”"),
        ("depth=1..2.5", f"{format_range('depth')}.*“2.5”"),
        ("depth=few..many", f"{format_range('depth')}.*“few”"),
        ("optimizer=adam..sgd", format_range("optimizer")),
        ("optimizer=adam,adagrad", format_range("optimizer")),
        ("optimizer=adam", TOO_FEW_VALUES.format(setting=title("optimizer"))),
        ("optimizer=adam,adam", SAME_VALUE.format(setting=title("optimizer"))),
        ("momentum=0.5,0.9", NO_EFFECT.format(setting=title("momentum"))),
        ("drop_factor=0.1..0.5", NO_EFFECT.format(setting=title("drop_factor"))),
    ],
)
def test_what_cannot_be_searched_is_refused_with_a_message(line: str, expected: str):
    with pytest.raises(SettingError, match=expected) as refused:
        check_space(BASE, parse_space([line]))
    assert is_a_sentence(refused.value)


def test_nothing_and_the_same_setting_twice_are_refused():
    with pytest.raises(SettingError, match=re.escape(NO_SETTING)):
        check_space(BASE, ())
    with pytest.raises(SettingError, match=TWICE.format(setting=title("depth"))):
        check_space(BASE, parse_space(["depth=1..2", "depth=3,4"]))


def test_a_setting_may_be_searched_where_another_searched_one_gives_it_effect():
    check_space(BASE, parse_space(["momentum=0.5,0.9", "optimizer=adam,sgd"]))
    check_space(make_config(optimizer="sgd"), parse_space(["momentum=0.5,0.9"]))


def test_combinations_leave_out_what_has_no_effect():
    space = parse_space(["momentum=0.5,0.9", "depth=1..2", "optimizer=adam,sgd"])
    found = [tuple(sorted(settings.items())) for settings in combinations(BASE, space)]
    adam = [(("depth", depth), ("optimizer", "adam")) for depth in (1, 2)]
    sgd = [(("depth", d), ("momentum", m), ("optimizer", "sgd")) for d, m in product((1, 2), (0.5, 0.9))]
    assert sorted(found) == sorted(adam + sgd)
    assert space_size(BASE, space) == len(found) == 6


@pytest.mark.parametrize(
    ("lines", "base"),
    [
        (["crop_fill=black,reflect", "crop=0..0.25"], BASE),
        (["decay_all=on,off", "weight_decay=0..0.1"], make_config(weight_decay=0)),
        (["nesterov=on,off", "momentum=0..0.9", "optimizer=adam,sgd"], BASE),
    ],
)
def test_a_number_is_sampled_before_what_has_an_effect_only_above_zero(lines: list[str], base: TrainConfig):
    dependent, number, *_ = space = parse_space(lines)
    check_space(base, space)
    order = [dimension.name for dimension in in_sampling_order(space)]
    assert order.index(number.name) < order.index(dependent.name) and (len(order) < 3 or order[0] == "optimizer")
    for value, has_it in ((0.0, False), (0.1, True)):
        chosen = {"optimizer": "sgd", number.name: value}
        names = [dimension.name for dimension in effective_dimensions(base, space, chosen)]
        assert (dependent.name in names) == has_it
    assert space_size(base, space) is None


def test_combinations_of_listed_numbers_leave_out_what_has_no_effect_at_zero():
    space = parse_space(["nesterov=on,off", "momentum=0,0.9", "optimizer=adam,sgd"])
    found = list(combinations(BASE, space))
    assert found == [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": False},
    ]
    assert space_size(BASE, space) == 4


def test_the_order_of_settings_that_do_not_depend_on_each_other_stays():
    space = parse_space(["weight_decay=0..0.1", "depth=1..2", "crop=0..0.2", "optimizer=adam,sgd", "dropout=0..0.5"])
    assert [one.name for one in in_sampling_order(space)] == ["optimizer", "weight_decay", "depth", "crop", "dropout"]


def test_the_size_of_a_space_is_known_without_listing_it():
    assert space_size(
        BASE, parse_space(["batch_size=1..4096", "epochs=1..1000", "plateau_patience=1..100", "schedule=step,plateau"])
    ) == (4096 * 1000 * (1 + 100))
    assert space_size(BASE, parse_space(["depth=1..4", "dropout=0..0.5"])) is None


def test_every_setting_can_be_searched_or_is_refused_with_the_reason():
    for name, field in TrainConfig.model_fields.items():
        with pytest.raises(SettingError) as refused:
            check_space(BASE, (Choices(name, (field.default, field.default)),))
        expected = [message.format(setting=title(name)) for message in (SAME_VALUE, NOT_COMPARABLE)]
        assert refused.value.field == name and str(refused.value) in expected
