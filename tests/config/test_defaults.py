"""Defaults: those of the data set take precedence over the model's, these over the optimizer's; a choice over all of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from cnn_core.config.defaults import OPTIMIZER_DEFAULTS, make_config
from cnn_core.config.schema import TrainConfig, choices
from cnn_core.data.catalog import CATALOG
from cnn_core.models.registry import FAMILIES

FIELDS = TrainConfig.model_fields


def test_a_choice_weighs_more_than_the_data_sets_defaults_and_those_more_than_the_general_ones(image_folder: Path):
    assert (make_config().data, make_config().flip, make_config().validation_share) == ("digits", "off", 0.15)
    assert (make_config(flip="random").flip, make_config(flip="random").validation_share) == ("random", 0.15)
    photos = make_config(data=str(image_folder))
    assert (photos.flip, photos.validation_share) == ("random", 0.1)


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family with a recipe of its own, and a data set that wants something else."""
    recipe = {
        "optimizer": "sgd",
        "learning_rate": 0.3,
        "momentum": 0.8,
        "schedule": "linear",
        "knots": "0:0, 0.5:1, 1:0",
        "epochs": 7,
    }
    family = replace(FAMILIES["speed"], name="quick", defaults={**recipe, "crop": 0.25, "dropout": 0.4})
    monkeypatch.setitem(FAMILIES, "quick", family)
    digits = CATALOG["digits"]
    entry = replace(digits, info=replace(digits.info, name="signs"), defaults={"epochs": 5, "crop": 0.0})
    monkeypatch.setitem(CATALOG, "signs", entry)


def test_a_networks_recipe_weighs_less_than_the_data_sets_wishes_and_more_than_the_optimizers(families: None):
    config = make_config(model="quick")
    assert (config.optimizer, config.learning_rate, config.momentum, config.schedule) == ("sgd", 0.3, 0.8, "linear")
    assert config.weight_decay == 0.0005  # the optimizer's, of which the recipe says nothing
    assert (config.epochs, config.crop, config.dropout) == (25, 0.25, 0.4)  # digits want 25 epochs
    signs = make_config(model="quick", data="signs")
    assert (signs.epochs, signs.crop, signs.dropout) == (5, 0.0, 0.4)
    assert make_config(model="quick", data="signs", epochs=3, learning_rate=0.01).learning_rate == 0.01


def test_with_another_optimizer_what_the_networks_recipe_says_of_optimizing_is_dropped_and_the_rest_stays(families: None):
    config, usual = make_config(model="quick", optimizer="adamw"), make_config(optimizer="adamw")
    for name in ("learning_rate", "momentum", "weight_decay", "schedule", "knots", "warmup"):
        assert getattr(config, name) == getattr(usual, name)
    assert (config.optimizer, config.crop, config.dropout) == ("adamw", 0.25, 0.4)
    assert make_config(model="quick", optimizer="sgd").learning_rate == 0.3  # the recipe's own, chosen by name


@pytest.mark.parametrize("optimizer", OPTIMIZER_DEFAULTS)
def test_every_optimizer_has_defaults_of_its_own_that_a_choice_outweighs(optimizer: str):
    config = make_config(optimizer=optimizer)
    assert {name: getattr(config, name) for name in OPTIMIZER_DEFAULTS[optimizer]} == OPTIMIZER_DEFAULTS[optimizer]
    for name in OPTIMIZER_DEFAULTS[optimizer]:
        assert getattr(make_config(optimizer=optimizer, **{name: 0.5}), name) == 0.5
    assert set(OPTIMIZER_DEFAULTS) == set(choices("optimizer"))


@pytest.mark.parametrize("data", CATALOG)
@pytest.mark.parametrize("model", FAMILIES)
def test_every_network_has_defaults_that_fit_together_on_every_data_set(model: str, data: str):
    config = make_config(model=model, data=data)
    assert config.model == model and set(FAMILIES[model].defaults) <= set(FIELDS)
    assert set(config.model_options) == set(FAMILIES[model].options)
    for optimizer in choices("optimizer"):
        assert make_config(model=model, data=data, optimizer=optimizer).optimizer == optimizer
