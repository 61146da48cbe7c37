"""The name of a run that a person gave none: its model and the settings that were chosen."""

import pytest

from cnn_core.config.chosen import MAX_NAMED, MORE, chosen_settings, default_name, default_settings
from cnn_core.config.defaults import make_config
from cnn_core.models.pretrained_table import NETWORKS
from cnn_core.models.registry import FAMILIES

RESNET = FAMILIES["resnet9"].title


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        ({}, FAMILIES["simple"].title),
        ({"model": "resnet9"}, RESNET),
        ({"model": "resnet9", "epochs": 30, "learning_rate": 0.02}, f"{RESNET}, 30 epochs, learning rate 0.02"),
        ({"model": "resnet9", "epochs": 1, "depth": 5}, f"{RESNET}, 1 epoch"),
        ({"optimizer": "sgd"}, f"{FAMILIES['simple'].title}, optimizer sgd"),
        ({"cutmix": 1, "batch_norm": True, "seed": 3}, f"{FAMILIES['simple'].title}, batch norm on, CutMix 1, seed 3"),
    ],
    ids=str,
)
def test_a_name_tells_the_model_and_what_was_chosen_against_the_defaults(chosen, name):
    assert default_name(make_config(**chosen)) == name


def test_a_long_list_of_chosen_settings_is_shortened_with_the_number_of_the_others():
    config = make_config(epochs=3, learning_rate=0.1, dropout=0.1, cutout=0.2, shear=3, scale=0.1, seed=9)
    parts = default_name(config).split(", ")
    assert len(parts) == MAX_NAMED + 2 and parts[-1] == MORE.format(count=7 - MAX_NAMED)


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("data", ["digits", "cifar10", "/some/folder"])
def test_nothing_is_chosen_where_only_data_and_model_are_given(data, model):
    config = make_config(data=data, model=model)
    assert set(chosen_settings(config)) <= {"model"} and set(default_settings(config)) == set(config.model_dump())


def test_a_network_of_timm_is_named_by_its_title_or_its_name_there():
    named = make_config(model="timm", timm_name="resnet50.a1_in1k", epochs=3)
    assert default_name(named) == f"{NETWORKS['resnet50.a1_in1k'].title}, 3 epochs"
    assert default_name(make_config(model="timm", timm_name="resnet18")) == "resnet18"
