"""A training that cannot fit into the memory is refused before it starts, with what would fit."""

import pytest
import torch

from cnn_core.config.defaults import make_config
from cnn_core.config.schema import TrainConfig
from cnn_core.device import Arithmetic
from cnn_core.errors import SettingError
from cnn_core.models.pretrained_table import NETWORKS
from cnn_core.models.registry import FAMILIES
from cnn_core.runs import memory
from cnn_core.runs.memory import TOO_LARGE, check_memory, device_memory, memory_needed
from tests.helpers import is_a_sentence

SHAPE = {"channels": 3, "image_size": 64, "classes": 5}
ARITHMETIC = Arithmetic(torch.device("cpu"))


def refusal(config: TrainConfig, available: int, monkeypatch: pytest.MonkeyPatch) -> SettingError:
    monkeypatch.setattr(memory, "device_memory", lambda device: available)
    with pytest.raises(SettingError) as refused:
        check_memory(config, SHAPE, ARITHMETIC)
    assert refused.value.args[0].startswith(TOO_LARGE.partition("{")[0]) and is_a_sentence(refused.value)
    return refused.value


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does(monkeypatch: pytest.MonkeyPatch):
    config = make_config(model="resnet9", batch_size=256)
    refused = refusal(config, memory_needed(config, SHAPE, ARITHMETIC) // 3, monkeypatch)
    size = int(refused.args[0].rstrip(".").rpartition(" ")[2])
    assert refused.field == "batch_size" and 2 <= size <= 128
    check_memory(config.model_copy(update={"batch_size": size}), SHAPE, ARITHMETIC)


def test_where_no_batch_fits_the_head_alone_or_a_smaller_network_is_named(monkeypatch: pytest.MonkeyPatch):
    large, small = "resnet50.a1_in1k", next(iter(NETWORKS))
    everything = make_config(model="timm", timm_name=large, train="all")
    head = everything.model_copy(update={"train": "head"})
    needed = memory_needed(head, SHAPE, ARITHMETIC)
    assert refusal(everything, needed, monkeypatch).field == "train"
    check_memory(head, SHAPE, ARITHMETIC)
    refused = refusal(head, needed - 1, monkeypatch)
    assert refused.field == "timm_name" and small in refused.args[0]
    check_memory(head.model_copy(update={"timm_name": small}), SHAPE, ARITHMETIC)
    assert refusal(head, 1000, monkeypatch).field == "size", "no model fits"


@pytest.mark.parametrize(("weights", "fitting"), [("pretrained", "mobilenet"), ("scratch", "simple")])
def test_models_that_fit_are_named_and_keep_the_kind_of_starting_weights(
    weights: str, fitting: str, monkeypatch: pytest.MonkeyPatch
):
    config = make_config(model="convnext", weights=weights, train="head" if weights == "pretrained" else "all")
    needed = memory_needed(config.model_copy(update={"model": fitting}), SHAPE, ARITHMETIC)
    refused = refusal(config, needed, monkeypatch)
    named = [family for family in FAMILIES.values() if family.title in refused.args[0]]
    assert refused.field == "model" and FAMILIES[fitting] in named
    for family in named:
        check_memory(config.model_copy(update={"model": family.name}), SHAPE, ARITHMETIC)


def test_this_machine_has_memory_for_the_default_run():
    assert (device_memory(ARITHMETIC.device) or 2**40) > 2**28
    check_memory(make_config(), {"channels": 1, "image_size": 32, "classes": 10}, ARITHMETIC)
